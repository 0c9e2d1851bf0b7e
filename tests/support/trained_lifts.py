"""Strategies that are wrong in training alone, each a shipped one with a line changed.

They are held to the law in a process of a backend, on layers that training changes.
"""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import keras
from keras import layers

from tests.support.law_cases import BATCH, FEATURES, SEED, ends_of
from tests.support.projects import STRATEGIES
from timelift.axis_values import Backend, Lengths, Mode, Phase
from timelift.case import Setting
from timelift.inner_layer import LayerInputs, read_inputs
from timelift.messages import RivalSpec, Task, WorkerChannel
from timelift.worker.engines import open_engine
from timelift.worker.prepare import SettingUnderTest

BACKEND = Backend(keras.backend.backend())


def _after(layer):
    return keras.Sequential([layers.Dense(5, activation="tanh"), layer])


def dropout():
    return _after(layers.Dropout(0.3))


def statistics():
    return _after(layers.BatchNormalization())


def both():
    return keras.Sequential([statistics(), layers.Dropout(0.3), layers.Dense(4)])


def recurrent():
    """Draws noise within, from cells."""
    series = layers.Reshape((3, FEATURES // 3))
    return keras.Sequential([series, layers.LSTM(4, dropout=0.2), layers.GaussianNoise(0.1)])


def regularised():
    return layers.Dense(5, kernel_regularizer="l2", activity_regularizer="l2")


def spectral():
    """Assigns its kernel in training, and goes on from call to call."""
    return layers.SpectralNormalization(layers.Dense(5))


class Doubled(layers.Dense):
    """Computes something else in training, at each step by itself."""

    def call(self, x, training=None):
        return super().call(x) * (2 if training else 1)


def doubled():
    return Doubled(5)


class OwnNoise(layers.Dense):
    """Draws noise that no attribute of it silences."""

    def __init__(self, units):
        super().__init__(units)
        self.seed = keras.random.SeedGenerator(1)

    def call(self, x, training=None):
        y = super().call(x)
        return y + keras.random.normal(keras.ops.shape(y), seed=self.seed) if training else y


def own_noise():
    return OwnNoise(5)


def apart():
    """Has statistics that are not compared, since its noise is not silenced."""
    return keras.Sequential([OwnNoise(5), layers.BatchNormalization()])


def frozen():
    """Has statistics that training leaves as they are, and a seed without noise."""
    norm = layers.BatchNormalization(trainable=False)
    return keras.Sequential([layers.Reshape((3, FEATURES // 3)), layers.LSTM(4), norm])


def masked():
    """Has losses of its own, of what its mask leaves over."""
    return keras.Sequential([layers.LSTM(4), layers.ActivityRegularization(l2=0.1)])


class Wrong(NamedTuple):
    """A layer, a shipped strategy, what is changed in its text, and why that breaks the law."""

    layer: str
    strategy: str
    old: str
    new: str
    reason: str
    lengths: Lengths = Lengths.FULL


FOLD, LOOP = "fold_time", "loop_slice"
CALLS = "y = self.layer(tree.map_structure(fold, x), training=training, **masks)"
INFERS = CALLS.replace("=training,", "=False,")
UNDECLARED = 'DROPOUT = "independent"\nBATCH_NORM = "pooled"\nINNER_LOSSES = "averaged"\n'
#: The call, after which the variables are as they were.
FORGETS = f"""others = self.layer.non_trainable_variables
        before = [v + 0 for v in others]
        {CALLS}
        for v, old in zip(others, before):
            v.assign(old)"""
WRONG = {
    "noise is never drawn": Wrong("dropout", FOLD, CALLS, INFERS, "in training it "),
    "noise of its own is never drawn": Wrong("own_noise", FOLD, CALLS, INFERS, "leaves seed_"),
    "statistics never move": Wrong("statistics", FOLD, CALLS, INFERS, "leaves moving_mean as"),
    "statistics are put back": Wrong("statistics", FOLD, CALLS, FORGETS, "leaves moving_mean as"),
    "seeds are put back": Wrong("own_noise", FOLD, CALLS, FORGETS, "leaves seed_generator_state"),
    "noise is drawn and thrown away": Wrong(
        "dropout", FOLD, CALLS, f"{CALLS}\n        {INFERS}", "has no noise at step 0"
    ),
    "the last step has no noise": Wrong(
        *("dropout", LOOP, "training=training", "training=training and t < 15"),
        "has no noise at step 15",
    ),
    "noise is shared by steps that are said to have their own": Wrong(
        *("dropout", "vectorized_map", 'DROPOUT = "shared"', 'DROPOUT = "independent"'),
        "its noise is shared by all steps, and it declares 'independent'",
    ),
    "statistics of all steps are said to be those of each": Wrong(
        *("statistics", FOLD, 'BATCH_NORM = "pooled"', 'BATCH_NORM = "per_step"'),
        "in training, beside the layer called as per_step says, moving_",
    ),
    "statistics of all steps are said to be those of the first": Wrong(
        *("both", FOLD, 'BATCH_NORM = "pooled"', 'BATCH_NORM = "first_step"'),
        "called as first_step says, ",
    ),
    "statistics move twice": Wrong(
        "statistics",
        FOLD,
        CALLS,
        f"{CALLS}\n        {CALLS}",
        "called as pooled says, moving_mean is",
    ),
    "outputs are shifted in training": Wrong(
        "dropout", FOLD, CALLS, f"{CALLS}\n        y = y + 0.1 if training else y", "outputs differ"
    ),
    "outputs are shifted beside statistics": Wrong(
        *("both", FOLD, CALLS, f"{CALLS}\n        y = y + 0.1 if training else y"), "outputs differ"
    ),
    "a gradient is stopped in training": Wrong(
        *(
            "recurrent",
            FOLD,
            CALLS,
            f"{CALLS}\n        y = ops.stop_gradient(y) + 0.0 * y if training else y",
        ),
        "gradient",
    ),
    "losses are dropped": Wrong(
        *("regularised", FOLD, CALLS, CALLS.replace("layer(", "layer.call(")),
        "the losses of its layer are 0 in all",
    ),
    "losses are said to be kept": Wrong(
        *("regularised", FOLD, '"averaged"', '"kept"'), "if they are kept, as it declares"
    ),
    "the mask of steps is dropped": Wrong(
        *("dropout", FOLD, "def compute_mask(", "def forgotten_mask("),
        "loses the mask over steps",
        Lengths.UNIFORM,
    ),
}
#: The same without declarations, of which an equal lift keeps the law.
ALL = (
    *WRONG,
    "noise is never drawn, undeclared",
    "statistics never move, undeclared",
    "outputs are shifted in training, undeclared",
)
LAYERS = ("dropout", "statistics", "both", "recurrent", "regularised", "spectral")


def _without_words(strategy):
    return STRATEGIES[strategy].path.read_text(encoding="utf-8").replace(UNDECLARED, "")


def ends(names, phase="backward", mode="eager"):
    """Hold wrong strategies, and the shipped ones that they were, to the law.

    Returns, by name, status and reason of both, and the reason that the wrong one should have.
    """
    return {name: _ends(name, Phase(phase), Mode(mode)) for name in names}


def _ends(name, phase, mode):
    wrong = WRONG[name.removesuffix(", undeclared")]
    text = STRATEGIES[wrong.strategy].path.read_text(encoding="utf-8")
    right = _without_words(wrong.strategy) if name.endswith(", undeclared") else text
    assert wrong.old in right
    with tempfile.TemporaryDirectory() as folder:
        sides = {"right": right, "wrong": right.replace(wrong.old, wrong.new)}
        task = _task(wrong.layer, _written(folder, sides), phase, mode, wrong.lengths)
        found = ends_of(task)
    return {"right": found["right"], "wrong": (*found["wrong"], wrong.reason)}


def _written(folder, texts):
    for name, text in texts.items():
        Path(folder, f"{name}.py").write_text(text, encoding="utf-8")
    return tuple(RivalSpec(name, f"{folder}/{name}.py") for name in texts)


def _task(layer, rivals, phase, mode, lengths=Lengths.FULL):
    setting = Setting(layer, 16, BATCH, phase, mode, lengths, backend=BACKEND)
    inputs = LayerInputs.of_one((FEATURES,))
    return Task(setting, rivals, f"{__file__}:{layer}", inputs, SEED, 0.0, warms=False)


def observed(strategy, *names, declares=False):
    """Return by layer what training adds to it, and what a strategy makes of that."""
    meanings = {}
    with tempfile.TemporaryDirectory() as folder:
        declared = STRATEGIES[strategy].path.read_text(encoding="utf-8")
        text = declared if declares else _without_words(strategy)
        (rival,) = rivals = _written(folder, {strategy: text})
        for layer in names:
            task = _task(layer, rivals, Phase.BACKWARD, Mode.EAGER)
            under_test = SettingUnderTest(
                open_engine(task.setting), task, WorkerChannel(lambda _: None)
            )
            facts = under_test.prepare(rival).facts
            meanings[layer] = facts["added"], facts["meaning"]
    return meanings


def ends_with_masks():
    """Return how lifts of a layer with losses, whose steps have masks, end when they are traced."""
    words = ('MASKS = "passed"', 'MASKS = {"static": "passed", "dynamic": "passed"}')
    with tempfile.TemporaryDirectory() as folder:
        texts = {name: STRATEGIES[name].path.read_text(encoding="utf-8") for name in (FOLD, LOOP)}
        rivals = _written(folder, {name: text.replace(*words) for name, text in texts.items()})
        task = _task("masked", rivals, Phase.BACKWARD, Mode.GRAPH)
        return ends_of(replace(task, inputs=read_inputs("float32[5,3]+mask")))


def shipped(layer, phase="backward", mode="eager"):
    """Return how the shipped lifts end on a layer: by name, status and reason."""
    lifts = [one for one in STRATEGIES.values() if not one.differs and BACKEND in one.backends]
    rivals = tuple(RivalSpec(one.name, str(one.path), one.parameters) for one in lifts)
    task = _task(layer, rivals, Phase(phase), Mode(mode))
    return ends_of(replace(task, setting=replace(task.setting, seq_len=4)))
