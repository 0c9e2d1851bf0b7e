"""Every refusal on JAX is true: asked anyway, the strategy fails, where a fold does not."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import engines
from timelift.case import Backend, Dtype, Gradients, Lengths, Mode, Phase, Setting, Status
from timelift.measure import catalogue
from timelift.measure.launch import LaunchProcess, Limits
from timelift.messages import RivalSpec, Task
from timelift.project import Project

ROOT = Path(__file__).parent.parent
STRATEGIES = catalogue.read_strategies(Project(ROOT).strategies.values())
engines.skip_without("jax")

LAYERS = """
import keras

def dense():
    return keras.layers.Dense(2, activation="tanh")

def noise():
    return keras.Sequential([dense(), keras.layers.Dropout(0.5)])

class Scaled(keras.layers.Layer):
    def build(self, shape):
        self.stddev = self.add_weight(shape=(shape[-1],), initializer="ones")

    def call(self, inputs):
        return inputs * self.stddev

def scaled():
    return Scaled()

def statistics():
    return keras.Sequential([dense(), keras.layers.BatchNormalization()])

def frozen():
    layer = statistics()
    layer.trainable = False
    return layer

def windowed():
    return keras.layers.Conv1D(2, 3)

def attention():
    inputs = keras.Input((4, 3))
    return keras.Model(inputs, keras.layers.MultiHeadAttention(1, 2)(inputs, inputs))

def recurrent():
    return keras.layers.GRU(2, recurrent_dropout=0.5)

def recurrent_without_noise():
    return keras.layers.GRU(2)
"""
SERIES = ("recurrent", "recurrent_without_noise", "windowed", "attention")
FEATURES = dict.fromkeys(SERIES, (4, 3))
VARYING = {"lengths": Lengths.UNIFORM}
EAGER, FORWARD = {"mode": Mode.EAGER}, {"phase": Phase.FORWARD}
#: Strategies that call the layer inside a function that JAX transforms.
LOOPS = ["ops_scan", "ops_map", "ops_fori", "rnn_cell", "fold_chunks[k=8,remat=True]"]


@dataclass(frozen=True)
class Asked:
    """A layer and the unusual axes: who refuses it there, and who next to them does not."""

    layer: str
    axes: dict
    refused: list
    lifted: list

    @property
    def label(self):
        """The layer and the axes."""
        return "-".join([self.layer, *map(str, self.axes.values())])


#: The layers that take JAX the longest to compile, or an operation at a time.
SLOW = [
    Asked("noise", EAGER, ["ops_scan", "rnn_cell"], ["bucketing[k=4]"]),
    Asked("statistics", EAGER, [*LOOPS, "vectorized_map"], ["fold_chunks[k=8]"]),
    Asked("attention", VARYING, ["rnn_cell", "time_distributed"], ["rnn_cell_unrolled"]),
    Asked("recurrent", {}, ["ops_map"], ["vectorized_map"]),
    Asked("recurrent_without_noise", {}, [], LOOPS),
    Asked("recurrent_without_noise", VARYING, ["time_distributed"], ["rnn_cell", "loop_slice"]),
]
ASKED = [
    Asked("noise", {}, LOOPS, ["fold_chunks[k=8]", "vectorized_map"]),
    Asked("statistics", {}, ["ops_map", "ops_fori", "vectorized_map"], ["time_distributed"]),
    Asked("statistics", FORWARD, [], [*LOOPS, "vectorized_map"]),
    Asked("frozen", {}, [], ["ops_scan", "vectorized_map"]),
    Asked("scaled", {}, [], [*LOOPS, "vectorized_map"]),
    Asked("windowed", VARYING, ["rnn_cell"], ["rnn_cell_unrolled", "time_distributed"]),
    Asked("windowed", {"dtype": Dtype.FLOAT64}, [], ["ops_scan", "ops_map"]),
    Asked("dense", VARYING, ["bucketing[k=4]"], ["rnn_cell", "time_distributed"]),
    Asked("dense", {}, ["bucketing[k=4]"], ["ops_scan"]),
    Asked("dense", FORWARD, ["bucketing[k=4]"], ["rnn_cell"]),
]


@pytest.fixture(scope="module")
def launch():
    """One launch on JAX; every setting has a worker of its own."""
    with LaunchProcess(Backend.JAX, Limits(120)) as launched:
        yield launched


@pytest.fixture(scope="module")
def layers(tmp_path_factory):
    """The file of the layers above."""
    path = tmp_path_factory.mktemp("layers") / "layers.py"
    path.write_text(LAYERS)
    return path


def measured(launch, layers, asked, rivals):
    """Measure rivals in the case's setting, in one worker; by name, how each ended."""
    axes = {"phase": Phase.BACKWARD, "gradients": Gradients.INPUTS_AND_WEIGHTS, **asked.axes}
    setting = Setting("probe", 5, 3, backend=Backend.JAX, **axes)
    features = FEATURES.get(asked.layer, (3,))
    task = Task(setting, tuple(rivals), f"{layers}:{asked.layer}", features, 1, 0.0)
    return {one.rival.name: one for one in launch.measure(task)}


def asked_anyway(folder, strategy):
    """A copy of the strategy that is not asked whether it refuses."""
    source = Path(strategy.path).read_text()
    path = folder / f"{len(list(folder.iterdir()))}.py"
    path.write_text(re.sub(r"^def refuses\b", "def formerly_refused", source, flags=re.MULTILINE))
    return RivalSpec(f"{strategy.name} anyway", str(path), dict(strategy.parameters))


@pytest.mark.parametrize(
    "asked",
    [*ASKED, *(pytest.param(one, marks=pytest.mark.whole) for one in SLOW)],
    ids=lambda asked: asked.label,
)
def test_what_is_refused_on_jax_fails_and_what_is_not_lifts(launch, layers, tmp_path, asked):
    names = [*asked.refused, *asked.lifted, "fold_time"]
    copies = [asked_anyway(tmp_path, STRATEGIES[name]) for name in [*asked.refused, "fold_time"]]
    rivals = [*(STRATEGIES[name].rival() for name in names), *copies]
    found = measured(launch, layers, asked, rivals)
    for name in asked.refused:
        assert (found[name].status, found[name].reason[-1:]) == (Status.REFUSED, "."), name
        assert found[f"{name} anyway"].status in {Status.FAILED, Status.LAW_BROKEN}, name
    for name in (*asked.lifted, "fold_time", "fold_time anyway"):
        assert found[name].status is Status.MEASURED, (name, found[name].reason)
