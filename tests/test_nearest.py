"""The hint of what a mistyped word may mean."""

import pytest

from timelift.errors import nearest


@pytest.mark.parametrize(
    ("word", "known", "hint"),
    [
        ("natve", ["native", "fold_time"], "nearest: native"),
        ("fold", ["fold_b", "fold_a", "x"], "nearest: fold_b, fold_a"),
        ("speed", ["time", "memory"], "known: memory, time"),
        ("a", [], "known: none"),
    ],
)
def test_a_hint_names_what_is_near_or_else_all(word, known, hint):
    assert nearest(word, known) == hint


def test_a_hint_lists_no_thousand_names():
    hint = nearest("zzz", [f"run{place:04}" for place in range(1_200)])
    assert hint.endswith("run0011 and 1,188 more")
    assert len(hint) < 150


def test_what_the_run_has_is_named_first():
    lacked = ["tokens_wide", "windows"]
    hint = nearest("tokns", ["tokens", "frames"], not_in_run=lacked)
    assert hint == "nearest: tokens; not in this run: tokens_wide"
