"""Pairs of strategies, one wrong and one right, that differ in one line.

A case has a layer, the two lines, and the reason for which the wrong one is caught, by phase; in a
phase without a reason it keeps the law. A line sees the lifted outputs `y`, the inputs `x`, both
(batch, time, features), and `training`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from timelift.case import Backend, Gradients, Mode, Phase, Setting, Status
from timelift.inner_layer import LayerInputs
from timelift.messages import RivalSpec, Task, WorkerChannel

BATCH, TIME, FEATURES = 8, 16, 6
#: A step that the launch of these cases does not draw.
STEP = 7
SEED = 7

STRATEGY = '''"""A lift with a line of its own."""
import keras
from keras import ops

STEP = {step}

class Lift(keras.layers.Wrapper):
    def __init__(self, layer):
        super().__init__(layer, dtype=layer.dtype_policy)

    def compute_output_spec(self, x, training=None):
        y = self.layer.compute_output_spec(keras.KerasTensor((x.shape[0], *x.shape[2:]), x.dtype))
        return keras.KerasTensor((*x.shape[:2], *y.shape[1:]), y.dtype)

    def lift(self, x, training):
        batch, time, *features = x.shape
        y = self.layer(ops.reshape(x, (batch * time, *features)), training=training)
        return ops.reshape(y, (batch, time, *y.shape[1:]))

    def steps(self, x, training):
        time = range(x.shape[1])
        return ops.stack([self.layer(x[:, t], training=training) for t in time], axis=1)

    def at_step(self, y, value):
        there = ops.cast(ops.arange(y.shape[1]) == STEP, y.dtype)
        return value * ops.reshape(there, (1, -1, 1))

    def call(self, x, training=None):
        y = self.lift(x, training)
        return {line}

def build(layer, shape, dtype=None):
    inputs = keras.Input(shape, dtype=dtype)
    return keras.Model(inputs, Lift(layer)(inputs))
'''

LAYERS = '''"""Layers for the law."""
import random
import keras
from keras import ops

def dense():
    return keras.layers.Dense(5, activation="tanh")

def dropout():
    return keras.Sequential([keras.layers.Dense(5), keras.layers.Dropout(0.3)])

def embedding():
    return keras.layers.Embedding(10, 5)

class AnyOrder(keras.layers.Dense):
    """Adds its products up in another order in every call."""
    def call(self, x, training=None):
        order = list(range(x.shape[-1]))
        random.shuffle(order)
        y = self.bias
        for row in order:
            y = y + x[..., row:row + 1] * self.kernel[row]
        return y

def any_order():
    return AnyOrder(5)

class Centred(keras.layers.Dense):
    """Mixes the batch, in inference too."""
    def call(self, x, training=None):
        y = super().call(x)
        return y - ops.mean(y, axis=0, keepdims=True)

def centred():
    return Centred(5)
'''


#: Status and reason of each strategy.
Ends = dict[str, tuple[str, str]]


@dataclass(frozen=True)
class LawCase:
    """A wrong line and a right one; `reasons` are those of the wrong one, by phase."""

    wrong: str
    right: str
    reasons: Mapping[str, str]
    layer: str = "dense"
    gradients: Gradients = Gradients.WEIGHTS
    input_dtype: str = ""


BOTH = Gradients.INPUTS_AND_WEIGHTS
CASES = {
    "a step that is lost": LawCase(
        "y[:, 1:]",
        "y[:, 0:]",
        {
            "forward": "returns shape (8, 15, 5) where the law wants (8, 16, 5)",
            "backward": "Shapes (8, 15, 5) and (8, 16, 5) are incompatible",
        },
    ),
    "one step's gradient stopped": LawCase(
        "y + self.at_step(y, 1.0) * (ops.stop_gradient(y) - y)",
        "y + self.at_step(y, 1.0) * (y - y)",
        {"backward": "gradient of weight 0 differs"},
    ),
    "another output in training": LawCase(
        "y + 0.1 if training else y",
        "y + 0.0 if training else y",
        {"backward": "outputs differ"},
    ),
    "a mean over time, and the rounding of an FFT": LawCase(
        "self.lift(x + 1e-4 * ops.mean(x, axis=1, keepdims=True), training)",
        "self.lift(ops.swapaxes(ops.irfft(ops.rfft(ops.swapaxes(x, 1, 2))), 1, 2), training)",
        {"forward": "outputs at step 0 differ", "backward": "mixes time"},
        gradients=BOTH,
    ),
    "another output in training of a layer that rounds as it likes": LawCase(
        "y + 0.1 if training else y",
        "y",
        {"backward": "outputs differ"},
        layer="any_order",
    ),
    "NaN in training of a layer with noise": LawCase(
        "y + ops.sqrt(0.0 * ops.sum(y)) if training else y",
        "y",
        {"backward": "gradient of weight 0 is NaN or infinite"},
        layer="dropout",
    ),
    "steps folded where the layer mixes its batch": LawCase(
        "y",
        "self.steps(x, training)",
        {"forward": "outputs at step 0 differ", "backward": "mixes time"},
        layer="centred",
        gradients=BOTH,
    ),
    "another token at one step": LawCase(
        "self.lift(ops.where(self.at_step(y, 1.0)[..., 0] > 0, 0, x), training)",
        "self.lift(x, training)",
        {"forward": f"outputs at step {STEP} differ", "backward": "differ"},
        layer="embedding",
        input_dtype="int32",
    ),
}


def ends_by_phase(name: str, backend: str) -> dict[str, Ends]:
    """Hold both strategies of a case to the law, in this process: by phase, status and reason."""
    with TemporaryDirectory() as folder:
        return {phase: _ends(CASES[name], phase, Backend(backend), Path(folder)) for phase in Phase}


def _ends(case: LawCase, phase: Phase, backend: Backend, folder: Path) -> Ends:
    (folder / "layers.py").write_text(LAYERS)
    rivals = []
    for word, line in (("wrong", case.wrong), ("right", case.right)):
        path = folder / f"{word}.py"
        path.write_text(STRATEGY.format(step=STEP, line=line))
        rivals.append(RivalSpec(word, str(path), {}))
    sizes = ("law", TIME, BATCH, phase, Mode.EAGER)
    setting = Setting(*sizes, gradients=case.gradients, backend=backend)
    factory = f"{folder}/layers.py:{case.layer}"
    inputs = LayerInputs((), case.input_dtype, 10) if case.input_dtype else LayerInputs((FEATURES,))
    return ends_of(Task(setting, tuple(rivals), factory, inputs, SEED, 0.0))


def ends_of(task: Task) -> dict[str, Ends]:
    """Hold the rivals of a task to the law, in this process: by rival, status and reason."""
    from timelift.worker.engines import open_engine
    from timelift.worker.measure_setting import prepare_rival
    from timelift.worker.prepare import SettingUnderTest

    engine = open_engine(task.setting)
    under_test = SettingUnderTest(engine, task, WorkerChannel(lambda _: None))
    ends = {rival.name: prepare_rival(under_test, rival) for rival in task.rivals}
    return {
        name: end if isinstance(end, tuple) else (Status.MEASURED, "") for name, end in ends.items()
    }
