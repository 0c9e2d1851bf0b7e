"""Strategies stand where TimeDistributed stood (`support/drop_in.py`), with nests and masks too."""

import pytest

from tests.support import engines, law_cover
from tests.support.law_cover import BACKWARD, DYNAMIC, EAGER, FULL, GRAPH, HAND_THE_MASK, UNIFORM
from tests.support.projects import STRATEGIES
from timelift.axis_values import Backend, Status

#: On other backends each takes seconds: a loop in Python, and one of the backend.
ELSEWHERE = ("loop_slice", "ops_scan")
#: Strategies that refuse where JAX compiles, as a train step does.
NOT_COMPILED = {Backend.JAX: {"bucketing[k=4]"}}


def call_in(backend, call):
    return engines.evaluate(backend, "tests.support.drop_in", call)


def here(backend):
    names = [name for name, strategy in STRATEGIES.items() if backend in strategy.backends]
    return [name for name in names if name not in NOT_COMPILED.get(backend, ())]


@pytest.mark.parametrize(
    "backend",
    [Backend.TENSORFLOW, pytest.param(Backend.JAX, marks=pytest.mark.whole), Backend.TORCH],
)
def test_a_strategy_stands_where_time_distributed_stood(backend):
    """Outputs, mask, `training`, a train step, saving and loading, each in one form in turn."""
    names = here(backend) if backend is Backend.TENSORFLOW else [*ELSEWHERE]
    faults = call_in(backend, f"faults_by_form({names}, every=False, eagerly=True)")
    assert len(faults) == len(names)
    assert not any(faults.values()), faults


@pytest.mark.whole
@pytest.mark.parametrize("backend", Backend)
def test_every_strategy_stands_there_in_every_form(backend):
    faults = call_in(backend, f"faults_by_form({here(backend)}, every=True, eagerly=False)")
    assert not any(faults.values()), faults


#: A piece of a strategy, what is put in its place, and the fault that must be seen.
FAULTY = {
    ("fold_time", "def compute_mask", "def other_mask"): "outputs or mask",
    ("fold_chunks[k=8]", '"k": self.k, ', ""): "config",
    ("fold_chunks[k=8]", "training=training, **", "training=False, **"): "training",
    ("fold_time", '@keras.saving.register_keras_serializable(package="fold_time")', ""): (
        "Could not locate class 'FoldTime'"
    ),
}


def test_a_lift_that_cannot_take_its_place_is_caught():
    faults = call_in(Backend.TENSORFLOW, f"faults_of_broken({list(FAULTY)})")
    for (_, old, _), fault in FAULTY.items():
        assert fault in " ".join(faults[old]), old


PLAIN = "extra=float32[6],token=int32[]<5,words=float32[7,4]"
MASKED = PLAIN + "+mask"
USUAL = BACKWARD, *EAGER, UNIFORM


def ends(backend, row, inputs, names, path=""):
    arguments = str(backend), [*map(str, row)], inputs, names, str(path)
    return engines.evaluate(backend, "tests.support.law_nests", f"ends_of_strategies(*{arguments})")


def lifting(ended):
    assert not {name: end for name, end in ended.items() if end[0] in law_cover.BROKEN}
    return {name for name, (status, _) in ended.items() if status == Status.MEASURED}


def test_a_steps_own_mask_among_several_inputs_is_handed_to_the_step_or_refused():
    assert lifting(ends(Backend.TENSORFLOW, USUAL, MASKED, [*STRATEGIES])) == HAND_THE_MASK


def test_what_hands_no_mask_lifts_several_inputs_and_outputs_without_one():
    names = sorted(STRATEGIES.keys() - HAND_THE_MASK)
    lifted = lifting(ends(Backend.TENSORFLOW, USUAL, PLAIN, names))
    assert lifted == {"bucketing[k=4]", "ragged_flat_values"}


def test_a_strategy_that_mixes_up_masks_is_caught(tmp_path):
    text, path = STRATEGIES["fold_time"].path.read_text(), tmp_path / "mixed.py"
    path.write_text(text.replace("fold(m) if", "fold(m[:, ::-1]) if"))
    status, _ = ends(Backend.TENSORFLOW, USUAL, MASKED, ["fold_time"], path)["fold_time"]
    assert status == Status.LAW_BROKEN


@pytest.mark.whole
@pytest.mark.parametrize("inputs", [PLAIN, MASKED])
@pytest.mark.parametrize("phase", [law_cover.FORWARD, BACKWARD])
@pytest.mark.parametrize(
    ("backend", "way"),
    [
        *((Backend.TENSORFLOW, way) for way in (EAGER, GRAPH, DYNAMIC)),
        *((Backend.JAX, GRAPH), (Backend.TORCH, EAGER)),
    ],
)
def test_every_strategy_keeps_the_law_of_several_inputs(backend, way, phase, inputs):
    lengths = UNIFORM if way in (EAGER, DYNAMIC) else FULL
    lifted = lifting(ends(backend, (phase, *way, lengths), inputs, [*STRATEGIES]))
    assert lifted >= {"fold_time", "ops_map", "vectorized_map"}
    assert ("loop_slice" in lifted) == (way is not DYNAMIC)
