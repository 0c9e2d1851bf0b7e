"""A layer that is lifted twice: over the steps of the steps of a sequence."""

from dataclasses import replace

import pytest

from studies import law
from tests import engines, law_cover
from tests.law_cases import BOTH, ends_of
from tests.projects import STRATEGIES, WORKLOADS
from timelift.case import Backend, Mode, Phase, Setting, Status
from timelift.inner_layer import LayerInputs, StepTensor
from timelift.messages import RivalSpec, Task

#: As many inner steps as steps, so that a swap of both axes shows in values alone.
STEPS, FEATURES = 4, 6
OUTER, INNER = "{} if x.shape[2:] != (6,) else y", "{} if x.shape[2:] == (6,) else y"
RIGHT = {"folded": "y", "step by step": "self.steps(x, training)"}
WRONG = {
    "swaps the axes of time": OUTER.format("ops.swapaxes(y, 1, 2)"),
    "mixes steps": OUTER.format("self.lift(x + 0.01 * ops.mean(x, axis=1, keepdims=True))"),
    "mixes inner steps": INNER.format("self.lift(x + 0.01 * ops.mean(x, axis=1, keepdims=True))"),
    "is late by an inner step": INNER.format("ops.roll(y, 1, axis=1)"),
    "is wrong at one inner step": INNER.format("ops.where(at(y, 1, 2), 1.01 * y, y)"),
    "stops a gradient at one inner step": INNER.format(
        "ops.where(at(y, 1, 2), ops.stop_gradient(y), y)"
    ),
}
#: Mistakes that no output shows.
IN_GRADIENTS = {"stops a gradient at one inner step"}
LIFT_DENSE = ("fold_time", "native", "loop_unstack", "vectorized_map", "time_distributed")
#: Its inner model trains nothing, and one of two layers cannot be lifted again.
CLOSURE = """
import keras

def build(layer, shape, dtype=None, *, twice=False):
    inputs = keras.Input(shape, dtype=dtype)
    y = keras.layers.Lambda(lambda x: layer(x))(inputs)
    return keras.Model(inputs, keras.layers.Identity()(y) if twice else y)
"""


def ends_on_dense(backend, phase, folder=""):
    """Hold lifts of a Dense to the law at every step, in this process."""
    setting = Setting("nested", STEPS, 3, Phase(phase), Mode.EAGER, gradients=BOTH, backend=backend)
    inputs = LayerInputs((StepTensor((STEPS, FEATURES)),), lifts=2)
    rivals = [*law.rivals(RIGHT | WRONG), *(STRATEGIES[name].rival() for name in LIFT_DENSE)]
    rivals += [
        RivalSpec(f"closure {twice}", f"{folder}/closure.py", {"twice": twice})
        for twice in (False, True)
    ]
    how = f"{law.PLANTED}:dense", inputs, 7, 0.0
    return ends_of(Task(setting, tuple(rivals), *how, warms=False, law_steps=STEPS))


@pytest.mark.parametrize("phase", ["forward", "backward"])
@pytest.mark.parametrize("backend", Backend)
def test_both_lifts_are_held_to_the_law(tmp_path, backend, phase):
    (tmp_path / "closure.py").write_text(CLOSURE)
    asked = f"ends_on_dense(Backend('{backend}'), '{phase}', '{tmp_path}')"
    ends = engines.evaluate(backend, "tests.test_nested_lifts", asked)
    hidden = IN_GRADIENTS if phase == "forward" else set()
    right = [name for name, (status, _) in ends.items() if status == Status.MEASURED]
    assert right == [*RIGHT, *hidden, *LIFT_DENSE]
    assert {ends[name][0] for name in WRONG.keys() - hidden} == {Status.LAW_BROKEN}
    assert "would not train the layer" in ends["closure False"][1]
    assert ends["closure True"] == [
        Status.REFUSED,
        "it lifts by several operations, and a second lift is of one layer; put them into a layer.",
    ]


def ends_on_documents(backend, phase, names):
    inputs = law_cover.FEWER_WORDS["documents"]
    usual = Setting("documents", 2, 3, Phase(phase), Mode.GRAPH, gradients=BOTH, backend=backend)
    rivals = tuple(replace(STRATEGIES[name].rival()) for name in names)
    return ends_of(Task(usual, rivals, WORKLOADS["documents"].factory, inputs, 7, 0.0))


@pytest.mark.parametrize("phase", ["forward", "backward"])
def test_a_recurrent_layer_is_lifted_twice(phase):
    lifting = ["fold_time", "time_distributed", "loop_unstack"]
    ends = ends_on_documents(Backend.TENSORFLOW, phase, [*lifting, "native", "vectorized_map"])
    assert [name for name, (status, _) in ends.items() if status is Status.MEASURED] == lifting
    assert ends["native"][1] == "LSTM gives a meaning to other axes than the last."
    assert ends["vectorized_map"][0] is Status.REFUSED
