"""What a fold changes in training is held back, and nothing else: by a worker, without timings."""

import pytest

from tests.support import engines
from timelift.advise.user_model import ModelLift
from timelift.case import Backend
from timelift.source import NOISE_OF_A_CALL

#: What a model with this name would have changed: of its lift by the words of the strategies, or,
#: without a word for it, a train step, as its law says.
CHANGED = {
    **dict.fromkeys(("layer drop", "rare layer drop", "dropout of all rows"), "DROPOUT"),
    "layer drop beside dropout": "DROPOUT",
    **dict.fromkeys(("noise of no seed", "rows mixed up", "rows rolled"), "BATCH_NORM"),
    **dict.fromkeys(("mean of rows", "statistics"), "BATCH_NORM"),
    "loss of what was kept": "log 'loss' differs",
    "the same and dropout": "log 'loss' differs",
    "gradient clipped": "weight 0 after a train step differs",
    "loss of a step": "log 'loss' differs",
}
#: Models with nothing to hold back, and what is told of how that was asked.
KEPT = {
    **dict.fromkeys(("dropout", "noise", "dropout behind", "masked"), "steady quiet"),
    **dict.fromkeys(("statistics behind", "no gradient", "training apart"), "steady"),
    **dict.fromkeys(("own loss", "own optimiser", "layer beyond the loop"), "steady"),
    **dict.fromkeys(("regularised", "two outputs"), "steady"),
}
#: Those that `make test` asks, in TensorFlow; JAX compiles the loop of "masked" in every call.
QUICK = (
    *("layer drop beside dropout", "rows rolled"),
    *("loss of what was kept", "layer beyond the loop"),
)
SLOW = {("masked", "jax")}


def cases(names):
    for backend in map(str, Backend):
        for name in names:
            marks = () if name in QUICK and backend == "tensorflow" else (pytest.mark.whole,)
            if (name, backend) not in SLOW:
                yield pytest.param(name, backend, marks=marks, id=f"{name}-{backend}")


def judged(name, backend):
    return engines.evaluate(backend, "tests.support.trained_models", f"judged({name!r})")


@pytest.mark.parametrize(("name", "backend"), [*cases(CHANGED)])
def test_what_folding_changes_in_training_is_held_back(name, backend):
    means, reason, _ = judged(name, backend)
    assert CHANGED[name] in (*means, *reason.partition(CHANGED[name]))


@pytest.mark.parametrize(("name", "backend"), [*cases(KEPT)])
def test_what_folding_keeps_in_training_is_not_held_back(name, backend):
    assert judged(name, backend) == [[], "", KEPT[name]]


def test_a_layer_called_beyond_its_loop_stays_what_it_is():
    loss, folded = engines.evaluate(
        "tensorflow", "tests.support.trained_models", "losses('layer beyond the loop')"
    )
    assert folded == pytest.approx(loss, rel=1e-5)


@pytest.mark.parametrize(
    ("statistics", "noise"),
    [("per_step", "independent"), ("per_step_and_first_again", "independent")]
    + [(word, "shared") for word in ("pooled", "first_step", "refused", "per_group")],
)
def test_noise_of_a_call_is_shared_by_the_steps_that_share_a_call(statistics, noise):
    lift = ModelLift(1, "", "", "", "", "loop_slice", "", ("noise", NOISE_OF_A_CALL))
    written = {"DROPOUT": "independent", "BATCH_NORM": "per_step"}
    differences = lift.differences(written, {"DROPOUT": "independent", "BATCH_NORM": statistics})
    assert differences == ({} if noise == "independent" else {"DROPOUT": ("independent", noise)})
