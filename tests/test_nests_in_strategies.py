"""Strategies lift several inputs and outputs, and hand a step its own mask, or refuse."""

from itertools import product

import pytest

from tests import engines
from tests.law_cover import BACKWARD, BROKEN, DYNAMIC, EAGER, FORWARD, FULL, GRAPH, UNIFORM
from tests.projects import STRATEGIES
from timelift.case import Backend, Status

PLAIN = "extra=float32[6],token=int32[]<5,words=float32[7,4]"
MASKED = PLAIN + "+mask"
#: What lifts the layer of `tests/law_nests.py` with a mask of its own for the words.
HAND_THE_MASK = {
    *("fold_time", "fold_chunks[k=8]", "fold_chunks[k=8,remat=True]", "loop_slice", "loop_unstack"),
    *("loop_lengths", "loop_shrinking", "mask_and_pad", "pack_valid", "vectorized_map"),
    *("ops_map", "ops_scan", "ops_fori", "tf_scan", "tf_while_loop", "tf_vectorized_map"),
    "tf_map_fn[parallel_iterations=10]",
}
#: A phase, a mode, a time axis and lengths.
USUAL = BACKWARD, *EAGER, UNIFORM


def ends(backend, row, inputs, names, path=""):
    """Return status and reason of each strategy, in a process of the backend."""
    arguments = str(backend), [*map(str, row)], inputs, names, str(path)
    return engines.evaluate(backend, "tests.law_nests", f"ends_of_strategies(*{arguments})")


def lifting(ended):
    assert not {name: end for name, end in ended.items() if end[0] in BROKEN}
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
@pytest.mark.parametrize("phase", [FORWARD, BACKWARD])
@pytest.mark.parametrize(
    ("backend", "way"),
    [
        *product([Backend.TENSORFLOW], [EAGER, GRAPH, DYNAMIC]),
        *((Backend.JAX, GRAPH), (Backend.TORCH, EAGER)),
    ],
)
def test_every_strategy_keeps_the_law_of_several_inputs(backend, way, phase, inputs):
    row = phase, *way, UNIFORM if way in (EAGER, DYNAMIC) else FULL
    lifted = lifting(ends(backend, row, inputs, [*STRATEGIES]))
    assert lifted >= {"fold_time", "ops_map", "vectorized_map"}
    assert ("loop_slice" in lifted) == (way is not DYNAMIC)
