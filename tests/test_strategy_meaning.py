"""What each strategy does beyond the law is what its constants declare.

The law is about results when nothing is random, remembered, penalised or masked. Five constants
declare the rest. Here each is derived from behaviour, in a traced function, and compared.

The words are those of `timelift/present/words.py`.
Each may be `refused`: the strategy refuses the layer that would show it.
"""

from dataclasses import dataclass, replace
from types import ModuleType

import numpy as np
import pytest

from tests.support import engines
from tests.support.law_cover import HAND_THE_MASK
from tests.support.projects import STRATEGIES
from tests.support.tensorflow_here import keras, tf
from timelift.axis_values import Backend, Phase, TimeAxis
from timelift.case import Setting
from timelift.source import MEANING
from timelift.worker.user_code import load_module

pytestmark = pytest.mark.usefixtures("double_precision")
#: TimeDistributed takes a dynamic time axis only if both sizes are the same.
BATCH = TIME = 5
#: Chunks of 2, 2 and 1 steps; groups of 2 and 3 sequences.
K = 2
CHUNKS = (slice(0, 2), slice(2, 4), slice(4, 5))
GROUPS = (slice(0, 2), slice(2, 5))
LENGTHS = np.array([3, 1, 5, 2, 4])
VALID = np.arange(TIME) < LENGTHS[:, None]
SERIES = (4, 3)
WEIGHT = 0.1
HERE = [name for name, one in STRATEGIES.items() if Backend.TENSORFLOW in one.backends]


@dataclass(frozen=True)
class Lift:
    module: ModuleType
    parameters: dict
    time_axis: TimeAxis

    def model(self, layer, *features, **how):
        layer.build((None, *features))
        setting = Setting("probe", TIME, BATCH, Phase.FORWARD, time_axis=self.time_axis)
        refuses = getattr(self.module, "refuses", None)
        taken = getattr(refuses, "__kwdefaults__", None) or {}
        how = {name: how[name] for name in how if name in taken}
        if refuses and refuses(layer, setting, **how):
            return None
        time = TIME if self.time_axis is TimeAxis.STATIC else None
        return self.module.build(layer, (time, *features), **self.parameters)

    def feed(self, x, valid=None):
        """Place (batch, time, *features), as a ragged tensor where the strategy takes one."""
        if getattr(self.module, "TAKES", "padded") == "padded":
            return tf.constant(x)
        valid = np.ones((BATCH, TIME), bool) if valid is None else valid
        return tf.RaggedTensor.from_row_lengths(x[valid], valid.sum(axis=1))

    def traced(self, body, *tensors):
        """Trace `body` with the time axis as it is, and call it."""
        function = tf.function(body, autograph=False)
        return function.get_concrete_function(*map(self.spec, tensors))(*tensors)

    def spec(self, tensor):
        if isinstance(tensor, tf.RaggedTensor) or self.time_axis is TimeAxis.STATIC:
            return tf.type_spec_from_value(tensor)
        return tf.TensorSpec((tensor.shape[0], None, *tensor.shape[2:]), tensor.dtype)


def dropout(lift):
    """Compare the noise of all steps with that of the first."""
    model = lift.model(keras.layers.Dropout(0.5), 64)
    if model is None:
        return "refused"
    y = lift.traced(lambda x: model(x, training=True), lift.feed(np.ones((BATCH, TIME, 64))))
    noise = (y.to_tensor() if isinstance(y, tf.RaggedTensor) else y).numpy()
    shared = (noise == noise[:, :1]).all()
    return "shared" if shared else "independent"


def batch_norm(lift):
    """Find the sequence of updates that leads to the moving mean."""
    layer = keras.layers.BatchNormalization(momentum=0.5)
    model = lift.model(layer, 3)
    if model is None:
        return "refused"
    x = noise(3)
    lift.traced(lambda x: model(x, training=True), lift.feed(x))
    steps = [x[:, t] for t in range(TIME)]
    updates = {
        "pooled": [x],
        "per_step": steps,
        "per_step_and_first_again": [steps[0], *steps],
        "first_step": steps[:1],
        "per_chunk": [x[:, chunk] for chunk in CHUNKS],
        "per_group": [x[group] for group in GROUPS],
    }
    means = {word: moving_mean(batches) for word, batches in updates.items()}
    return nearest(layer.moving_mean.numpy(), means)


def moving_mean(batches):
    """The moving mean, with momentum 0.5, after one update with each batch (…, features)."""
    mean = np.zeros(3)
    for batch in batches:
        mean = 0.5 * mean + 0.5 * batch.reshape(-1, 3).mean(axis=0)
    return mean


def inner_losses(lift):
    """Find what an activity regulariser of the inner layer is charged for."""
    layer, model, features = a_model(lift, activity_regularizer=keras.regularizers.L2(WEIGHT))
    x = noise(*features)

    def losses(x):
        model(x, training=True)
        return tf.add_n([*model.losses, tf.zeros((), tf.float64)])

    try:
        loss = lift.traced(losses, lift.feed(x)).numpy()
    except ValueError as error:
        if type(error).__name__ == "InaccessibleTensorError":
            return "unreachable"
        raise
    y = np.stack([layer(x[:, t]).numpy() for t in range(TIME)], axis=1)
    cost = WEIGHT * (y**2).reshape(BATCH, TIME, -1).sum(axis=2)
    charges = {
        "kept": cost.sum() / BATCH,
        "averaged": cost.mean(),
        "averaged_per_chunk": sum(cost[:, chunk].mean() for chunk in CHUNKS),
        "averaged_per_group": sum(cost[group].mean() for group in GROUPS),
        "first_step": cost[:, 0].mean(),
        "lost": 0.0,
    }
    return nearest(loss, charges)


def a_model(lift, **arguments):
    """Lift a Dense, or a Conv1D where that is refused; skip where both are."""
    for inner, *features in (
        (keras.layers.Dense(2, **arguments), 3),
        (keras.layers.Conv1D(2, 3, **arguments), *SERIES),
    ):
        if model := lift.model(inner, *features):
            return inner, model, features
    return pytest.skip(f"{lift.module.__name__} refuses any layer on a {lift.time_axis} time axis")


def masks_and_padding(lift):
    """Call with a mask; return whether it is passed on, and what the padded steps hold."""
    _, model, features = a_model(lift)
    x = noise(*features)
    if getattr(lift.module, "TAKES", "padded") == "ragged":
        y = lift.traced(model, lift.feed(x, VALID))
        kept = isinstance(y, tf.RaggedTensor) and (y.row_lengths().numpy() == LENGTHS).all()
        return ("row_lengths", "none") if kept else ("lost", "unknown")
    passed = []

    def call(x, mask):
        y = model(x, mask=mask)
        passed.append(getattr(y, "_keras_mask", None) is not None)
        return y

    y = lift.traced(call, lift.feed(x), tf.constant(VALID)).numpy()
    return "passed" if passed[-1] else "lost", padding(y, model(x).numpy())


class Words(keras.layers.Layer):
    """The sum of a step's valid words, kept at each word: (batch, words) twice, then (…, 2)."""

    def call(self, x, mask=None):
        x = x if mask is None else keras.ops.where(mask, x, 0)
        return keras.ops.stack([x, x], axis=-1)

    def compute_output_shape(self, shape):
        return (*shape, 2)

    def compute_mask(self, _, mask):
        return mask


def own_mask(lift):
    """Return whether a step gets its own mask, and the rank of that behind the lift."""
    model = lift.model(Words(), 4, masked=True)
    if model is None:
        return "refused"
    x, valid = noise(4), np.arange(4) < np.arange(1, BATCH * TIME + 1).reshape(BATCH, TIME, 1) % 5
    y = model(lift.feed(x), mask=tf.constant(valid))
    if not np.allclose(y[..., 0], np.where(valid, x, 0)):
        return "lost"
    return "passed" if len(y._keras_mask.shape) == valid.ndim else "ended"


def padding(outputs, unmasked):
    """Return what the padded steps of (batch, time, *outputs) hold."""
    if np.allclose(outputs, unmasked):
        return "computed"
    held = {
        "zeros": np.zeros_like(outputs),
        "repeats": np.concatenate([outputs[:, :1], outputs[:, :-1]], axis=1),
        "computed_within_group": unmasked * within_group().reshape(BATCH, TIME, 1),
    }
    return nearest(outputs[~VALID], {word: steps[~VALID] for word, steps in held.items()})


def within_group():
    """Mark the steps up to the longest sequence of each group of similar length."""
    order = np.argsort(LENGTHS)
    marks = np.zeros((BATCH, TIME), bool)
    for group in GROUPS:
        marks[order[group]] = np.arange(TIME) < LENGTHS[order[group]].max()
    return marks


def noise(*features):
    """Draw (batch, time, *features) with a trend along time, so that no two steps are alike."""
    trend = np.arange(TIME).reshape(1, TIME, *[1] * len(features))
    return np.random.default_rng(5).standard_normal((BATCH, TIME, *features)) + trend


def nearest(observed, words):
    """Return the one word whose value was observed."""
    fitting = [word for word, value in words.items() if np.allclose(observed, value, atol=1e-9)]
    return fitting[0] if len(fitting) == 1 else f"unknown ({fitting})"


def disagreements(strategy, time_axis):
    """Return (declared, observed) by constant, for those that behaviour contradicts."""
    parameters = dict(strategy.parameters)
    if "k" in parameters:
        parameters["k"] = K
    lift = Lift(load_module(str(strategy.path)), parameters, time_axis)
    masks, padded = masks_and_padding(lift)
    behaviour = {
        "DROPOUT": dropout(lift),
        "BATCH_NORM": batch_norm(lift),
        "INNER_LOSSES": inner_losses(lift),
        "MASKS": masks,
        "PADDED_STEPS": padded,
    }
    pairs = {}
    for name, observed in behaviour.items():
        word = strategy.constants[name]  # or one for each kind of time axis
        pairs[name] = (word[time_axis] if isinstance(word, dict) else word, observed)
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


@pytest.mark.parametrize("time_axis", [TimeAxis.STATIC, TimeAxis.DYNAMIC])
@pytest.mark.parametrize("name", HERE)
def test_a_strategy_behaves_as_it_declares(name, time_axis):
    if name == "tf_keras_time_distributed":
        pytest.importorskip("tf_keras")
    assert disagreements(STRATEGIES[name], time_axis) == {}


def test_a_strategy_for_jax_alone_behaves_as_it_declares():
    (name,) = STRATEGIES.keys() - {*HERE}
    observed = engines.evaluate(Backend.JAX, "tests.support.jax_meaning", f"behaviour({name!r})")
    assert observed == {word: STRATEGIES[name].constants[word] for word in observed}
    assert observed.keys() == {*MEANING}


def test_wrong_declarations_are_caught():
    wrong = {"DROPOUT": "shared", "BATCH_NORM": "per_step", "INNER_LOSSES": "kept"}
    wrong |= {"MASKS": "lost", "PADDED_STEPS": "zeros"}
    honest = STRATEGIES["fold_time"]
    liar = replace(honest, constants=honest.constants | wrong)
    expected = {name: (word, honest.constants[name]) for name, word in wrong.items()}
    assert disagreements(liar, TimeAxis.STATIC) == expected


@pytest.mark.parametrize("name", HERE)
def test_a_steps_own_mask_is_handed_to_it_or_refused(name):
    strategy = STRATEGIES[name]
    lift = Lift(load_module(str(strategy.path)), dict(strategy.parameters), TimeAxis.STATIC)
    handed = HAND_THE_MASK | {"native", "time_distributed"}
    assert own_mask(lift) == ("passed" if name in handed else "refused")


def test_a_strategy_that_hands_no_mask_is_caught(tmp_path):
    text = STRATEGIES["ops_map"].path.read_text()
    cases = ("if own else {}", "if None else {}", "lost"), ("(own, (None", "(0, (None", "ended")
    for old, new, word in cases:
        assert old in text
        (tmp_path / f"{word}.py").write_text(text.replace(old, new))
        lift = Lift(load_module(str(tmp_path / f"{word}.py")), {}, TimeAxis.STATIC)
        assert own_mask(lift) == word


def test_keras_loses_the_mask_that_an_embedding_makes_of_words():
    embedded = keras.layers.TimeDistributed(keras.layers.Embedding(9, 2, mask_zero=True))
    assert getattr(embedded(np.zeros((BATCH, TIME, 4), "int32")), "_keras_mask", None) is None
