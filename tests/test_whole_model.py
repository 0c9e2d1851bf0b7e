"""A change of a whole model keeps the law, and in training nothing else, or it is held back.

Models are changed and judged by a worker, without timings.
"""

import pytest

from tests.support import engines
from timelift.advise.user_model import ModelLift
from timelift.axis_values import Backend
from timelift.source import NOISE_OF_A_CALL

FIRST = {"first": {"1": "fold_time"}}
EACH_AND_BOTH = FIRST | {"second": {"2": "fold_time"}, "both": {"1": "fold_time", "2": "fold_time"}}


def call_changed(call):
    return engines.evaluate("tensorflow", "tests.support.changed_models", call)


def described(name):
    return call_changed(f"described({name!r})")


def raced(name, changes, **how):
    """Return how each of these changes of a model, and the model as written, ends in a worker."""
    ways = {"as_written": {}} | changes
    return call_changed(f"raced({name!r}, 'tensorflow', {ways}, **{how})")


def test_a_change_that_computes_something_else_breaks_the_law():
    strategies = {"changed": "fold_time", "wrong": "doubles", "strange": "own_weights"}
    ends = raced("unnamed", {way: {"1": strategy} for way, strategy in strategies.items()})
    assert {name: status for name, (status, _, _) in ends.items()} == {
        "as_written": "measured",
        "changed": "measured",
        "wrong": "law broken",
        "strange": "failed",
    }
    assert ends["wrong"][1].startswith("the output differs by")
    assert "makes weights of its own" in ends["strange"][1]
    facts = ends["changed"][2]
    assert 0 <= facts["law_error"] < 1e-5
    assert facts["first_call_seconds"] > 0
    assert "law_error" not in ends["as_written"][2]


def test_what_only_rounding_moves_is_neither_a_loss_nor_an_error():
    both = {"1": "fold_time", "2": "fold_time"}
    ends = raced("centred", {"changed": both, "wrong": {"2": "doubles"}})
    assert (ends["changed"][0], ends["wrong"][0]) == ("measured", "law broken")
    assert ends["changed"][2]["law_error"] < 1e-4  # such a weight errs by 0.75 of its own size


#: What a strategy in the place of a lift of the model `held` changes, '' if nothing that counts.
HELD = {
    "moods": ("rounds", "output 'priced' differs by"),
    "masked": ("native", "the mask of output 'masked': [2, 4] as written, none changed"),
    "behind": ("native", "the mask that layers behind it take ends at Own"),
    "looped": ("fold_time", "output 'looped' differs by"),
    "mean": ("fold_time", "the losses of its layers: 8 as written, 5 changed"),
    "sum": ("fold_time", ""),
    "half": ("fold_time", "output 'half': float16[2, 4, 2] as written, float32[2, 4, 2] changed"),
    "statistics": ("fold_time", "in training, output 'statistics' differs by"),
    "zero": ("rounds", ""),
}


@pytest.mark.parametrize(
    ("phase", "unseen"),
    [
        ("train", {"sum", "zero"}),
        pytest.param("forward", {"sum", "zero", "statistics", "mean"}, marks=pytest.mark.whole),
    ],
)
def test_masks_losses_dtypes_and_what_training_does_belong_to_the_law(phase, unseen):
    lifts = enumerate(described("held")["lifts"], 1)
    ways = {lift["name"]: {str(number): HELD[lift["name"]][0]} for number, lift in lifts}
    ends = raced("held", ways, phase=phase)
    assert ends["as_written"][0] == "measured"
    kept = {name for name in HELD if ends[name][0] == "measured"}
    assert kept == unseen
    assert all(reason in ends[name][1] for name, (_, reason) in HELD.items() if name not in kept)


def test_noise_and_nan_cannot_be_compared():
    told = {name: described(name) for name in ("held", "towers", "asked")}
    assert [model["steady"] for model in told.values()] == [True, True, False]
    assert [model["quiet"] for model in told.values()] == [False, True, False]
    assert raced("towers", {"noisy": {"2": "fold_time"}})["noisy"][0] == "measured"
    assert "output of the model as written is NaN" in raced("undefined", FIRST)["first"][1]


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        pytest.param("trained_before", FIRST, id="weights that no seed makes"),
        pytest.param("of_lifts", EACH_AND_BOTH, id="a loop and the lift that it calls"),
    ],
)
def test_each_way_of_changing_a_model_computes_the_same(name, changes):
    ends = raced(name, changes)
    assert {status for status, _, _ in ends.values()} == {"measured"}, ends


@pytest.mark.whole
def test_the_peak_memory_of_a_change_is_read_without_checking_the_law():
    for status, _, facts in raced("twins", FIRST, peak=True).values():
        assert status == "measured"
        assert facts.keys() & {"peak_bytes", "peak_bytes_below"}
        assert "law_error" not in facts


# In training -----------------------------------------------------------------------------------

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
#: Those that `make test` asks, in TensorFlow.
QUICK = (
    *("layer drop beside dropout", "rows rolled"),
    *("loss of what was kept", "layer beyond the loop"),
)


def cases(names):
    for backend in map(str, Backend):
        for name in names:
            marks = () if name in QUICK and backend == "tensorflow" else (pytest.mark.whole,)
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
