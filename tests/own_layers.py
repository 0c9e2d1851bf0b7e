"""Layers as people write them, held to the law in a process of one backend.

They have a dtype policy of their own, are frozen in whole or in part, or are subclassed without
`build` and `compute_output_shape`. Beside our strategies they are lifted by some made here.
"""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.law_cases import STRATEGY, ends_of
from tests.law_cover import STRATEGIES
from timelift.case import Backend, Dtype, Gradients, Mode, Phase, Setting, Status
from timelift.layer_inputs import LayerInputs
from timelift.messages import RivalSpec, Task

LAYERS = '''"""Layers."""
import keras
from keras.layers import Activation, Dense

def single():
    return Dense(5, activation="tanh", dtype="float32")

def mixed():
    return Dense(5, activation="tanh", dtype="mixed_bfloat16")

def half():
    return Dense(5, activation="tanh", dtype="float16")

def double():
    return Dense(5, activation="tanh", dtype="float64")

def half_inside():
    return keras.Sequential([Dense(5, activation="tanh", dtype="mixed_bfloat16"), Dense(4)])

class Block(keras.Layer):
    def __init__(self):
        super().__init__()
        self.first, self.second = Dense(5, activation="tanh"), Dense(4)
        self.first.trainable = False

    def call(self, x):
        return self.second(self.first(x))

def partly_frozen():
    return Block()

def bias_alone():
    layer = Dense(5, activation="tanh")
    layer.build((None, 6))
    layer.kernel.trainable = False
    return layer

def frozen():
    return Dense(5, activation="tanh", trainable=False)

def no_weights():
    return Activation("tanh")
'''
#: Strategies made here, each with what it makes of the lifted outputs `y`: wrong ones, and one that
#: is right, whose gradient by the inputs is in part rounded to float32 on its way.
OTHERS = {
    "partly_by_float32": "0.3 * y + 0.7 * self.lift(ops.cast(x, 'float32'), training)",
    "in_bfloat16": "ops.cast(ops.cast(y, 'bfloat16'), y.dtype)",
    "in_float32": "ops.cast(ops.cast(y, 'float32'), y.dtype)",
    "off_by_5_percent": "y * ops.cast(1.05, y.dtype)",
}
#: By strategy, how it ended and why.
Ends = dict[str, tuple[Status, str]]


@dataclass(frozen=True)
class Asked:
    """A layer, a phase, and strategies that lift it there."""

    layer: str
    phase: Phase
    strategies: tuple[str, ...]
    gradients: Gradients = Gradients.WEIGHTS
    dtype: Dtype = Dtype.FLOAT32

    def ends(self, backend: Backend, folder: Path) -> Ends:
        """Hold the strategies to the law, in this process."""
        rivals = [STRATEGIES[one].rival() for one in self.strategies if one in STRATEGIES]
        named = [one for one in self.strategies if one in OTHERS]
        rivals += [RivalSpec(one, str(folder / f"{one}.py"), {}) for one in named]
        setting = Setting(
            "own",
            6,
            8,
            self.phase,
            Mode.EAGER,
            dtype=self.dtype,
            gradients=self.gradients,
            backend=backend,
        )
        factory = f"{folder}/layers.py:{self.layer}"
        inputs = LayerInputs((6,))
        return ends_of(Task(setting, tuple(rivals), factory, inputs, 7, 0.0, warms=False))


def told(asked: list[Asked], backend: str) -> list[Ends]:
    """Tell how the strategies of each case end."""
    with TemporaryDirectory() as folder:
        (Path(folder) / "layers.py").write_text(LAYERS)
        for name, line in OTHERS.items():
            text = STRATEGY.format(step=0, line=line, lift="lift")
            (Path(folder) / f"{name}.py").write_text(text)
        return [one.ends(Backend(backend), Path(folder)) for one in asked]
