"""Layers as people write them, held to the law in a process of one backend.

They have a dtype policy of their own, are frozen in whole or in part, or are subclassed without
`build` and `compute_output_shape`. Beside our strategies they are lifted by some made here.
"""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.law_cases import STRATEGY, ends_of
from tests.projects import STRATEGIES
from timelift.case import Backend, Dtype, Gradients, Mode, Phase, Setting, Status
from timelift.inner_layer import LayerInputs
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
        axes = {"dtype": self.dtype, "gradients": self.gradients, "backend": backend}
        setting = Setting("own", 6, 8, self.phase, Mode.EAGER, **axes)
        factory = f"{folder}/layers.py:{self.layer}"
        inputs = LayerInputs((6,))
        return ends_of(Task(setting, tuple(rivals), factory, inputs, 7, 0.0, warms=False))


FORWARD, BACKWARD = Phase
BOTH = Gradients.INPUTS_AND_WEIGHTS
FEW, COPIED = ("fold_time", "loop_slice"), ("fold_time", "conv1d_pointwise", "einsum_letters")
MIXED = ("fold_time", "off_by_5_percent")
#: Each case with the strategies that must be caught.
HELD = {
    Asked("single", FORWARD, (*FEW, "in_bfloat16")): {"in_bfloat16"},
    Asked("single", BACKWARD, (*FEW, "in_bfloat16"), BOTH): {"in_bfloat16"},
    Asked("mixed", FORWARD, (*FEW, "in_bfloat16", "off_by_5_percent")): {"off_by_5_percent"},
    Asked("mixed", BACKWARD, MIXED, BOTH): {"off_by_5_percent"},
    Asked("half", FORWARD, MIXED): {"off_by_5_percent"},
    Asked("half", BACKWARD, MIXED, BOTH): {"off_by_5_percent"},
    Asked("half_inside", FORWARD, MIXED): {"off_by_5_percent"},
    Asked("single", BACKWARD, FEW, BOTH, Dtype.FLOAT64): set(),
    Asked("partly_frozen", FORWARD, FEW): set(),
    Asked("partly_frozen", BACKWARD, MIXED): {"off_by_5_percent"},
    Asked("bias_alone", BACKWARD, (*COPIED, "off_by_5_percent")): {"off_by_5_percent"},
    Asked("frozen", FORWARD, COPIED): set(),
    Asked("frozen", BACKWARD, (*COPIED, "off_by_5_percent"), BOTH): {"off_by_5_percent"},
}
#: A float64 layer is one on TensorFlow alone; its inputs are float32, and so is their gradient.
DOUBLE = {
    Asked("double", FORWARD, (*FEW, "in_float32")): {"in_float32"},
    Asked("double", BACKWARD, (*FEW, "partly_by_float32"), BOTH): set(),
}
#: Nothing trains.
NOTHING = {
    Asked("frozen", BACKWARD, ("fold_time", "loop_slice", "lstm")): "Dense",
    Asked("no_weights", BACKWARD, ("fold_time", "loop_slice", "lstm")): "Activation",
}
#: What JAX is asked for: each takes it a second or more.
ON_JAX = ("partly_frozen backward", "no_weights backward")


def cases(backend: Backend) -> list[Asked]:
    asked = [*HELD, *NOTHING, *(DOUBLE if backend is Backend.TENSORFLOW else ())]
    if backend is Backend.JAX:
        asked = [one for one in asked if f"{one.layer} {one.phase}" in ON_JAX]
    return asked


def told(backend: str) -> list[Ends]:
    """Tell how the strategies of each case end."""
    with TemporaryDirectory() as folder:
        (Path(folder) / "layers.py").write_text(LAYERS)
        for name, line in OTHERS.items():
            text = STRATEGY.format(step=0, line=line, lift="lift")
            (Path(folder) / f"{name}.py").write_text(text)
        return [one.ends(Backend(backend), Path(folder)) for one in cases(Backend(backend))]
