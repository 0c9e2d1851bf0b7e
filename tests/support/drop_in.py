"""Each strategy in TimeDistributed's place in a user's model, in a process of one backend.

A model masks padded sequences, lifts a layer, and pools what is valid. It is trained by a step,
saved, and loaded where the strategy's file was imported anew. Faults are listed by strategy and by
form: `model` is what `build` returns, `made again` the layer inside of it, from its own config
under another name, and `unbuilt` what `build` returns of a layer that has no weights yet.
"""

import json
import random
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
from keras import ops

from tests.support.projects import STRATEGIES
from timelift.axis_values import Backend, Lengths, Phase
from timelift.case import Setting
from timelift.worker.user_code import load_module

BATCH, TIME = 3, 4
LENGTHS = np.array([4, 2, 3])
VALID = np.arange(TIME) < LENGTHS[:, None]
#: Added to outputs in training, and to the mean of steps without a mask.
TRAINS, UNMASKED = 1000.0, 100.0


@keras.saving.register_keras_serializable(package="tests")
class Block(keras.Layer):
    """A layer as people write it: no `build`, no `compute_output_shape`."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.first, self.second = keras.layers.Dense(4, activation="tanh"), keras.layers.Dense(2)

    def call(self, x, training=None):
        y = self.second(self.first(x))
        return y + TRAINS if training else y


@keras.saving.register_keras_serializable(package="tests")
class Pool(keras.Layer):
    """The mean of the valid steps, and much more without a mask."""

    def call(self, y, mask=None):
        """(batch, time, *outputs) to (batch, *outputs)."""
        if mask is None:
            return ops.mean(y, axis=1) + UNMASKED
        valid = ops.cast(ops.reshape(mask, (*ops.shape(mask), *[1] * (len(y.shape) - 2))), y.dtype)
        return ops.sum(y * valid, axis=1) / ops.sum(valid, axis=1)


#: Layers to lift, the first that is not refused, each with the shape of a step.
LAYERS = (
    (Block, (3,)),
    (lambda: keras.layers.Dense(2, activation="tanh"), (3,)),
    (lambda: keras.layers.Conv1D(2, 3), (4, 3)),
)


def faults(strategy, form, *, eagerly) -> Iterator[str]:
    random.seed(3)  # from which Keras draws seeds of weights
    module = load_module(str(strategy.path))
    layer, features = (Block(), (3,)) if form == "unbuilt" else _layer(module)
    lifted = module.build(layer, (TIME, *features), **strategy.parameters)
    if form == "made again":
        inside = lifted.layers[-1]
        lifted = _made_again(inside)
        config = _through_json({**inside.get_config(), "name": "again", **strategy.parameters})
        if _through_json(lifted.get_config()) != config:
            yield "config"
    ragged = getattr(module, "TAKES", "padded") == "ragged"
    if form == "made again" and not ragged:  # first called by itself, on a batch of its own
        lifted(_inputs(features)[:1])
    model = _model(lifted, features, ragged=ragged)
    if form == "made again":
        lifted.set_weights(inside.get_weights())
    x = _inputs(features)
    fed = _ragged(x) if ragged else x
    yield from _wrong_outputs(strategy, model, layer, x, fed)
    before = [weight.numpy().copy() for weight in model.trainable_weights]
    model.compile("sgd", "mse", run_eagerly=eagerly)
    model.train_on_batch(fed, np.ones((BATCH, *model.output_shape[1:]), "float32"))
    after = [weight.numpy().copy() for weight in model.trainable_weights]
    if not after or any((a == b).all() for a, b in zip(after, before, strict=True)):
        yield "training moved nothing"
    if not np.allclose(_outputs(_loaded(model, strategy), fed), _outputs(model, fed), atol=1e-6):
        yield "loaded"


def _layer(module):
    backend, lengths = Backend(keras.config.backend()), Lengths.UNIFORM
    setting = Setting("probe", TIME, BATCH, Phase.FORWARD, backend=backend, lengths=lengths)
    refuses = getattr(module, "refuses", lambda *_: None)
    for make, features in LAYERS:
        layer = make()
        layer(keras.KerasTensor((None, *features)))
        if not refuses(layer, setting):
            return layer, features
    raise AssertionError("it refuses every layer")


def forms(name):
    """Return the forms in which a strategy can stand in a model here.

    Three are more than one layer; those that lift a Dense or a convolution alone copy its weights.
    """
    module = load_module(str(STRATEGIES[name].path))
    several = name in {"native", "axis_swap_conv1d", "conv_per_feature"}
    wraps = isinstance(_layer(module)[0], Block)
    return ["model", *([] if several else ["made again"]), *(["unbuilt"] if wraps else [])]


def _made_again(inside):
    return type(inside).from_config(_through_json({**inside.get_config(), "name": "again"}))


def _through_json(config):
    return json.loads(json.dumps(config))


def _model(lifted, features, *, ragged):
    inputs = keras.Input((None if ragged else TIME, *features), ragged=ragged)
    masked = keras.layers.Masking()(inputs) if len(features) == 1 and not ragged else inputs
    y = lifted(masked)
    pooled = Flat()(y) if ragged else Pool()(y)
    return keras.Model(inputs, pooled)


@keras.saving.register_keras_serializable(package="tests")
class Flat(keras.Layer):
    """The mean of each ragged sequence."""

    def compute_output_spec(self, y):
        """(batch, (time), outputs) to (batch, outputs)."""
        return keras.KerasTensor((y.shape[0], *y.shape[2:]), y.dtype)

    def call(self, y):
        import tensorflow as tf

        return tf.reduce_mean(y, axis=1)


def _inputs(features):
    """Draw (batch, time, *features), zero where it is padding."""
    drawn = np.random.default_rng(3).normal(size=(BATCH, TIME, *features)).astype("float32")
    return drawn * VALID.reshape(BATCH, TIME, *[1] * len(features))


def _ragged(x):
    import tensorflow as tf

    return tf.RaggedTensor.from_row_lengths(x[VALID], LENGTHS)


def _outputs(model, fed, **how):
    return ops.convert_to_numpy(ops.stop_gradient(model(fed, **how)))


def _wrong_outputs(strategy, model, layer, x, fed) -> Iterator[str]:
    if strategy.differs:
        return
    steps = [_outputs(layer, x[:, t]) for t in range(TIME)]
    y = np.stack(steps, axis=1)
    masked = strategy.constants["MASKS"] != "lost"
    valid = VALID if masked else np.ones_like(VALID)
    weights = (valid / valid.sum(axis=1, keepdims=True)).reshape(BATCH, TIME, *[1] * (y.ndim - 2))
    pooled = (y * weights).sum(axis=1) + (0 if masked else UNMASKED)
    if not np.allclose(_outputs(model, fed), pooled, atol=1e-5):
        yield "outputs or mask"
    more = TRAINS if isinstance(layer, Block) else 0.0
    if not np.allclose(_outputs(model, fed, training=True), pooled + more, atol=1e-3):
        yield "training"


def _loaded(model, strategy):
    """Save a model and load it where the strategy's file was imported anew, and nothing else."""
    registered = keras.saving.get_custom_objects()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        for name in list(registered):
            if not name.startswith("tests>"):
                del registered[name]
        load_module(str(strategy.path))
        return keras.models.load_model(path)


def faults_by_form(names, *, every, eagerly):
    """Return the faults of each strategy in every form, or in one, in turn."""
    by_form = {}
    for turn, name in enumerate(names):
        own = forms(name)
        for form in own if every else [own[turn % len(own)]]:
            by_form[f"{name} {form}"] = _faults_or_error(STRATEGIES[name], form, eagerly=eagerly)
    return by_form


def faults_of_broken(changes):
    """Return the faults of copies of a strategy in which a piece of text is another."""
    with tempfile.TemporaryDirectory() as folder:
        by_change = {}
        for name, old, new in changes:
            text = STRATEGIES[name].path.read_text()
            assert old in text, old
            path = Path(folder) / f"{len(by_change)}.py"
            path.write_text(text.replace(old, new))
            broken = replace(STRATEGIES[name], path=path)
            by_change[old] = _faults_or_error(broken, "made again", eagerly=True)
        return by_change


def _faults_or_error(strategy, form, *, eagerly):
    try:
        return list(faults(strategy, form, eagerly=eagerly))
    except Exception as error:  # noqa: BLE001 - a fault as well
        return [f"{type(error).__name__}: {' '.join(str(error).split())}"]
