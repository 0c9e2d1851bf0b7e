"""A layer that is lifted twice: over the steps of the steps of a sequence."""

import pytest

from studies import law
from tests.support import engines
from tests.support.law_cases import BOTH, ends_of
from tests.support.law_cover import FULL, GRAPH, ends, rivals, setting
from timelift.case import Backend, Mode, Phase, Setting, Status
from timelift.inner_layer import LayerInputs, StepTensor
from timelift.messages import RivalSpec, Task

#: As many inner steps as steps, so that a swap of both axes shows in values alone.
STEPS = 4
OUTER, INNER = "{} if x.shape[2:] != (6,) else y", "{} if x.shape[2:] == (6,) else y"
MIXED = "self.lift(x + 0.01 * ops.mean(x, axis=1, keepdims=True))"
RIGHT = {"folded": "y", "step by step": "self.steps(x, training)"}
#: The last one shows in no output.
WRONG = {
    "swaps the axes of time": OUTER.format("ops.swapaxes(y, 1, 2)"),
    "mixes steps": OUTER.format(MIXED),
    "mixes inner steps": INNER.format(MIXED),
    "is late by an inner step": INNER.format("ops.roll(y, 1, axis=1)"),
    "is wrong at one inner step": INNER.format("ops.where(at(y, 1, 2), 1.01 * y, y)"),
    "stops a gradient": INNER.format("ops.where(at(y, 1, 2), ops.stop_gradient(y), y)"),
}
LIFT_DENSE = ("fold_time", "native", "loop_unstack", "vectorized_map", "time_distributed")
#: A layer in a closure, which Keras does not see, so it trains nothing; as one of two layers it
#: cannot be lifted again.
CLOSURE = """
import keras

def build(layer, shape, dtype=None, *, twice=False):
    inputs = keras.Input(shape, dtype=dtype)
    y = keras.layers.Lambda(lambda x: layer(x))(inputs)
    return keras.Model(inputs, keras.layers.Identity()(y) if twice else y)
"""


def ends_on_dense(backend, phase, folder):
    usual = Setting("nested", STEPS, 3, Phase(phase), Mode.EAGER, gradients=BOTH, backend=backend)
    inputs = LayerInputs((StepTensor((STEPS, 6)),), lifts=2)
    closures = [RivalSpec(str(n), f"{folder}/closure.py", {"twice": n > 1}) for n in (1, 2)]
    chosen = *law.rivals(RIGHT | WRONG), *rivals(list(LIFT_DENSE)), *closures
    how = f"{law.PLANTED}:dense", inputs, 7, 0.0
    return ends_of(Task(usual, chosen, *how, warms=False, law_steps=STEPS))


@pytest.mark.parametrize(
    "cell",
    [
        "tensorflow forward",
        "tensorflow backward",
        pytest.param("jax forward", marks=pytest.mark.whole),
        "torch backward",
    ],
)
def test_both_lifts_are_held_to_the_law(tmp_path, cell):
    backend, phase = cell.split()
    (tmp_path / "closure.py").write_text(CLOSURE)
    asked = f"ends_on_dense(Backend('{backend}'), '{phase}', '{tmp_path}')"
    ended = engines.evaluate(backend, "tests.test_nested_lifts", asked)
    shown = list(WRONG) if phase == "backward" else list(WRONG)[:-1]
    kept = {name for name, (status, _) in ended.items() if status == Status.MEASURED}
    assert kept == {*RIGHT, *WRONG, *LIFT_DENSE} - {*shown}
    assert {ended[name][0] for name in shown} == {Status.LAW_BROKEN}
    assert "would not train the layer" in ended["1"][1]
    assert ended["2"][0] == Status.REFUSED
    assert "by several operations, and a second lift is of one layer" in ended["2"][1]


@pytest.mark.parametrize(
    "phase", [pytest.param(Phase.FORWARD, marks=pytest.mark.whole), Phase.BACKWARD]
)
def test_a_recurrent_layer_is_lifted_twice(phase):
    lifting = ["fold_time", "time_distributed", "loop_unstack"]
    graph = setting(Backend.TENSORFLOW, "documents", (phase, GRAPH, 3, 2, FULL))
    ended = ends(graph, rivals([*lifting, "native", "vectorized_map"]))
    assert [name for name, (status, _) in ended.items() if status is Status.MEASURED] == lifting
    assert ended["native"][1] == "LSTM gives a meaning to other axes than the last."
    assert ended["vectorized_map"][0] is Status.REFUSED
