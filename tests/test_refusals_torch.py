"""Every refusal on PyTorch is true: asked anyway, the strategy fails where a fold does not."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests import engines
from timelift.case import Backend, Gradients, Lengths, Mode, Phase, Setting, Status, TimeAxis
from timelift.measure import catalogue
from timelift.measure.launch import LaunchProcess, Limits
from timelift.messages import RivalSpec, Task
from timelift.project import Project

engines.skip_without("torch")
STRATEGIES = catalogue.read_strategies(Project(Path(__file__).parent.parent).strategies.values())
EAGER, BACKWARD = {"mode": Mode.EAGER}, {"mode": Mode.EAGER, "phase": Phase.BACKWARD}
DYNAMIC = {"mode": Mode.GRAPH, "time_axis": TimeAxis.DYNAMIC}
BOTH = {"phase": Phase.BACKWARD, "gradients": Gradients.INPUTS_AND_WEIGHTS}
#: A mask breaks a model into several graphs, which must not take their shapes for unknown ones.
MASKED = {"mode": Mode.GRAPH, "phase": Phase.BACKWARD, "lengths": Lengths.UNIFORM}
DENSE, IMAGE, SERIES = (3,), (5, 6, 2), (4, 3)
#: Strategies whose loop PyTorch unrolls.
UNROLLED = (*"ops_scan ops_fori ops_map rnn_cell time_distributed simple_rnn lstm gru".split(),)
LAYERS = """
import keras
from keras import layers

class Scaled(layers.Layer):
    def build(self, shape):
        self.stddev = self.add_weight(shape=(shape[-1],), initializer="ones")

    def call(self, inputs):
        return inputs * self.stddev

def frozen():
    layer = layers.BatchNormalization()
    layer.trainable = False
    return layer

{definitions}
"""


@dataclass(frozen=True)
class Asked:
    """Strategies, the layer that they are to lift, and where in the axes."""

    strategies: tuple
    layer: str
    features: tuple
    axes: dict = field(default_factory=dict)

    @property
    def label(self):
        """The question in a few words."""
        return "-".join([self.strategies[0], self.layer, *map(str, self.axes.values())])


VMAP, CONVOLVED = ("vectorized_map",), ("conv1d_pointwise", "conv_per_feature")
REFUSED = [
    Asked(VMAP, "layers.Dropout(0.5)", DENSE, BACKWARD),
    Asked(VMAP, "layers.GaussianNoise(0.5)", DENSE, BACKWARD),
    Asked(VMAP, "layers.LSTM(2, dropout=0.5)", SERIES, BACKWARD),
    Asked(VMAP, "layers.BatchNormalization()", DENSE, BACKWARD),
    Asked(VMAP, "layers.Conv2D(2, 3)", IMAGE, EAGER),
    Asked(VMAP, "layers.Conv3D(2, 2)", (3, 3, 3, 1), EAGER),
    Asked(VMAP, "layers.DepthwiseConv2D(2)", IMAGE, EAGER),
    Asked(VMAP, "layers.SeparableConv2D(2, 2)", IMAGE, EAGER),
    Asked(UNROLLED[:1], "layers.Dense(2)", DENSE, DYNAMIC),
]
#: Each of these takes PyTorch seconds to compile.
OTHERS_REFUSED = [
    Asked(UNROLLED[1:], "layers.Dense(2)", DENSE, DYNAMIC),
    Asked(CONVOLVED, "layers.Dense(2)", DENSE, {**DYNAMIC, **BOTH}),
]
#: Next to each reason, what it does not reach.
LIFTED = [
    Asked(VMAP, "layers.Dropout(0.5)", DENSE, EAGER),
    Asked(VMAP, "layers.Dropout(0.0)", DENSE, BACKWARD),
    Asked(VMAP, "Scaled()", DENSE, BACKWARD),
    Asked(VMAP, "layers.LSTM(2)", SERIES, BACKWARD),
    Asked(VMAP, "layers.BatchNormalization()", DENSE, EAGER),
    Asked(VMAP, "frozen()", DENSE, BACKWARD),
    Asked(VMAP, "layers.Conv1D(2, 3)", SERIES, BACKWARD),
    Asked(VMAP, "layers.Conv2D(2, 3, data_format='channels_first')", (2, 5, 6), BACKWARD),
    Asked(VMAP, "layers.Conv2DTranspose(2, 3)", IMAGE, BACKWARD),
    Asked(VMAP, "layers.SeparableConv1D(2, 3)", SERIES, BACKWARD),
]
#: The same where it is compiled.
OTHERS_LIFTED = [Asked(("conv_per_feature",), "layers.Dense(2)", DENSE, MASKED)]


@pytest.fixture(scope="module")
def ask(tmp_path_factory):
    """Ask one launch process to lift a layer; by rival, its status and its reason."""
    home = tmp_path_factory.mktemp("asked")
    with LaunchProcess(Backend.TORCH, Limits(240)) as launch:

        def answers(asked, rivals):
            number = len(list(home.iterdir()))
            path = home / f"layer_{number}.py"
            path.write_text(
                LAYERS.format(definitions=f"def make_layer():\n    return {asked.layer}")
            )
            whole = {"gradients": Gradients.INPUTS_AND_WEIGHTS}  # where nothing trains, too
            axes = {"phase": Phase.FORWARD, "backend": Backend.TORCH, **whole, **asked.axes}
            setting = Setting("probe", 5, 3, **axes)
            task = Task(setting, tuple(rivals), f"{path}:make_layer", asked.features, 1, 0.0)
            return {one.rival.name: (one.status, one.reason) for one in launch.measure(task)}

        yield answers


def without_refusal(name, folder):
    """The strategy's own file, in which nothing refuses."""
    path = folder / f"{name}.py"
    text = STRATEGIES[name].path.read_text()
    path.write_text(text.replace("def refuses(", "def never_asked("))
    return RivalSpec(f"{name} anyway", str(path), {})


@pytest.mark.parametrize(
    "asked",
    [*REFUSED, *(pytest.param(one, marks=pytest.mark.whole) for one in OTHERS_REFUSED)],
    ids=lambda asked: asked.label,
)
def test_a_refusal_is_true_and_a_fold_does_what_is_refused(ask, asked, tmp_path):
    rivals = [STRATEGIES[name].rival() for name in (*asked.strategies, "fold_time")]
    anyway = [without_refusal(name, tmp_path) for name in asked.strategies]
    found = ask(asked, [*rivals, *anyway])
    for name in asked.strategies:
        assert found[name][0] is Status.REFUSED
        assert found[name][1].endswith(".")
        assert found[f"{name} anyway"][0] is Status.FAILED
    assert found["fold_time"] == (Status.MEASURED, "")


@pytest.mark.parametrize(
    "asked",
    [*LIFTED, *(pytest.param(one, marks=pytest.mark.whole) for one in OTHERS_LIFTED)],
    ids=lambda asked: asked.label,
)
def test_what_works_is_not_refused(ask, asked):
    rivals = [STRATEGIES[name].rival() for name in asked.strategies]
    assert ask(asked, rivals) == dict.fromkeys(asked.strategies, (Status.MEASURED, ""))
