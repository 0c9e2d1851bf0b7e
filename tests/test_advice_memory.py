"""A change that takes much memory is tried in chunks, and told with its peak."""

from dataclasses import replace

import pytest

from tests.support.advised import LIFT, TIMES, make_model, of_lifts, raced, run
from tests.support.projects import ROOT
from timelift.advise.advice import decide
from timelift.advise.advice_code import advice_code
from timelift.advise.advice_words import document
from timelift.advise.races import pages
from timelift.axis_values import Status
from timelift.case import Case
from timelift.present.terminal import to_text
from timelift.project import Project

REAL_PAGES = pages(Project(ROOT))
CHUNKED = "fold_chunks[k=8,remat=True]"


def of_one_lift(folder):
    model = make_model(lifts=[LIFT])
    return decide(model, run(folder, of_lifts(model, TIMES)))


def with_peaks(advice, peaks):
    """The advice with the peaks, before and after, of the last race of all changes."""
    last = advice.races[-1]
    all_changes = replace(last.outcomes[last.changes], peak_bytes=peaks)
    race = replace(last, outcomes={**last.outcomes, last.changes: all_changes})
    return decide(advice.model, advice.run, (*advice.races[:-1], race))


@pytest.mark.parametrize(
    ("added", "after", "to_race"),
    [
        ([], 300, ((1, CHUNKED),)),
        (["noise"], 300, ((1, "fold_chunks[k=8]"),)),
        (["statistics"], 300, ()),
        (["losses"], 300, ()),
        (["noise of a call"], 300, ()),
        ([], 190, ()),
    ],
)
def test_a_change_that_takes_much_memory_is_raced_in_chunks(tmp_path, added, after, to_race):
    known = raced(tmp_path, of_one_lift(tmp_path), {"as_written": 2.0, "changed": 1.0})
    known = with_peaks(known, (100, after))
    own = [replace(one, lift=replace(one.lift, added=tuple(added))) for one in known.lifts]
    known = replace(known, lifts=tuple(own))
    assert (known.advised, known.to_race) == (((1, "fold_time"),), to_race)


def test_the_peak_of_chunks_is_told_beside_that_of_the_change(tmp_path):
    known = raced(tmp_path, of_one_lift(tmp_path), {"as_written": 2.0, "changed": 1.0})
    known = with_peaks(known, (100 << 20, 300 << 20))
    known = raced(tmp_path, known, {"as_written": 2.0, "changed": 1.5})
    same = with_peaks(known, (100 << 20, 290 << 20))
    assert "with no less memory (100 → 290 MiB, where" in to_text(document([same], REAL_PAGES))
    known = with_peaks(known, (100 << 20, 60 << 20))
    assert (known.advised, known.to_race) == (((1, "fold_time"),), ())
    said = " ".join(to_text(document([known], REAL_PAGES)).split())
    assert "change lift 1 to FoldTime(Dense(32)): the train step becomes 2.0" in said
    less = "with less memory (100 → 60.0 MiB, where it is 100 → 300 MiB), FoldChunks(Dense(32), k=8"
    assert f"{less}, remat=True): the train step becomes 1.3 times as fast" in said


@pytest.mark.parametrize("added", [[], ["statistics"]])
def test_what_is_folded_beyond_the_memory_limit_is_folded_in_chunks(tmp_path, added):
    model = make_model(lifts=[LIFT | {"added": added}])
    alone = of_lifts(model, {"time_distributed": 2.0})
    no_memory = [
        (Case(model.setting_of(model.lifts[0]), "fold_time"), Status.OUT_OF_MEMORY, "5 GB")
    ]
    known = decide(model, run(tmp_path, alone, ended=no_memory))
    assert known.to_race == (() if added else ((1, CHUNKED),))
    if added:
        return
    known = raced(tmp_path, known, {"as_written": 2.0, "changed": 1.0})
    assert (known.verdict, known.advised) == ("change", ((1, CHUNKED),))
    code = "\n".join(advice_code(known, REAL_PAGES, is_at_hand=True))
    assert "functools.partial(FoldChunks, k=8, remat=True)" in code
    assert "class FoldChunks(keras.layers.Wrapper):" in code
