"""A lift of a layer that training changes does what the layer does, or what its file declares."""

import numpy as np
import pytest

from tests.support import engines
from timelift.axis_values import Backend, Status
from timelift.worker.judge import calls_of

#: A mistake of each kind: noise, variables, what is declared, and results.
FEW = (
    "noise is never drawn, undeclared",
    "noise is drawn and thrown away",
    "statistics of all steps are said to be those of each",
    "outputs are shifted beside statistics",
)
whole = pytest.mark.whole


def evaluate(backend, expression):
    return engines.evaluate(backend, "tests.support.trained_lifts", expression)


@pytest.mark.parametrize(
    ("backend", "names", "how"),
    [
        (Backend.TENSORFLOW, FEW, ()),
        pytest.param(Backend.TENSORFLOW, "ALL", ("train", "graph"), marks=whole),
        pytest.param(Backend.JAX, "ALL", (), marks=whole),
        pytest.param(Backend.TORCH, "ALL", ("train",), marks=whole),
    ],
)
def test_what_is_wrong_in_training_alone_is_found_and_what_is_right_passes(backend, names, how):
    found = evaluate(backend, f"ends({names}, *{how})")
    refused = {name for name, end in found.items() if end["right"][0] == Status.REFUSED}
    assert len(found) - len(refused) >= len(FEW)
    for name in found.keys() - refused:
        assert found[name]["right"] == MEASURED, name
        assert is_found(*found[name]["wrong"]), name


MEASURED = [Status.MEASURED, ""]


def is_found(status, reason, why):
    return status == Status.LAW_BROKEN and why in reason


@pytest.mark.parametrize(
    ("backend", "layers", "how"),
    [
        (Backend.TENSORFLOW, ("statistics",), ()),
        pytest.param(Backend.TENSORFLOW, ("both", "regularised"), ("train", "graph"), marks=whole),
        pytest.param(Backend.JAX, ("both",), ("train", "eager"), marks=whole),
        pytest.param(Backend.TORCH, "LAYERS", ("backward", "eager"), marks=whole),
    ],
)
def test_no_shipped_strategy_is_condemned(backend, layers, how):
    ended = evaluate(backend, f"{{layer: shipped(layer, *{how}) for layer in {layers}}}")
    for ends in ended.values():
        assert [name for name, end in ends.items() if end[0] == Status.LAW_BROKEN] == []
        assert ends["fold_time"] == ends["loop_slice"] == MEASURED


def test_what_a_file_does_not_declare_is_observed_where_it_can_be():
    names = "'both', 'regularised', 'apart', 'frozen'"
    assert evaluate(Backend.TENSORFLOW, f"observed('fold_time', {names})") == {
        "both": [["noise", "statistics"], {"DROPOUT": "independent", "BATCH_NORM": "pooled"}],
        "regularised": [["losses"], {"INNER_LOSSES": "averaged"}],
        "apart": [["noise", "statistics"], {"DROPOUT": "independent", "BATCH_NORM": "unknown"}],
        "frozen": [[], None],  # though it has variables that could change
    }


def test_what_equals_the_layer_at_every_step_changes_nothing_whatever_is_declared():
    observed = evaluate(Backend.TENSORFLOW, "observed('fold_time', 'doubled', declares=True)")
    assert observed == {"doubled": [["statistics"], {"BATCH_NORM": "per_step"}]}


@pytest.mark.whole
def test_losses_of_steps_with_masks_are_those_of_the_layer_with_them():
    ends = evaluate(Backend.TENSORFLOW, "ends_with_masks()")
    assert ends == {"fold_time": MEASURED, "loop_slice": MEASURED}


@pytest.mark.parametrize(
    ("word", "k", "changing", "making"),
    [
        ("per_step", 0, [2, 2, 2, 2, 2], 5),
        ("pooled", 0, [10], 1),
        ("first_step", 0, [2], 5),
        ("per_step_and_first_again", 0, [2, 2, 2, 2, 2, 2], 5),
        ("per_chunk", 2, [4, 4, 2], 3),
        ("per_group", 4, [5, 5], 2),
    ],
)
def test_a_word_stands_for_calls_on_steps(word, k, changing, making):
    changes, makes = calls_of(word, np.ones((2, 5), bool), k)
    assert [len(steps) for _, steps in changes] == changing
    assert len(makes) == making
    seen = np.zeros((2, 5), int)
    for rows in makes:
        np.add.at(seen, rows, 1)
    assert (seen == 1).all()


@pytest.mark.parametrize("word", ["per_chunk", "as_i_like", ""])
def test_another_word_or_a_chunk_of_unknown_size_stands_for_none(word):
    assert calls_of(word, np.ones((2, 5), bool), 0) is None
