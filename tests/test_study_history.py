"""The history's marks on simulated truth: a fixed-seed part of `studies.history`."""

import numpy as np
import pytest

from studies import history
from studies.history import HistoryKind, HistorySize, simulate

SHAPE = HistorySize(settings=4, nights=60, slower=2)


@pytest.mark.parametrize(
    "scenario",
    [
        HistoryKind("nothing"),
        HistoryKind("nothing, loud", sd=0.03),
        HistoryKind("lone spikes", spikes=0.02),
    ],
    ids=lambda one: one.name,
)
def test_nothing_is_found_where_nothing_happened(scenario):
    by_rule = history.marks(scenario, SHAPE, 1, [3])
    assert by_rule["timelift"].red_nights.hits <= 1
    if scenario.name != "nothing":
        assert by_rule["ruptures"].false_cases.hits > 5
        assert by_rule["5 %"].false_cases.hits > 5


@pytest.mark.parametrize(
    ("scenario", "nights"),
    [
        (HistoryKind("step", step=0.05, night=30), 3),
        (HistoryKind("loud step", step=0.10, sd=0.03, night=30), 8),
        (HistoryKind("creep", creep=0.10, night=10), 20),
        (HistoryKind("after a move", step=0.05, night=40, moves=20), 6),
    ],
    ids=lambda one: getattr(one, "name", ""),
)
def test_every_slow_down_is_found_in_time(scenario, nights):
    marks = history.marks(scenario, SHAPE, 1, [4])["timelift"]
    assert (marks.slower, marks.found) == (2, 2)
    assert max(marks.late) <= nights


def test_the_marks_can_be_bad():
    step = HistoryKind("step", step=0.05)
    levels, truth = simulate(step, HistorySize(), np.random.default_rng(0))
    always, never = np.ones((40, 90), bool), np.zeros((40, 90), bool)
    assert history.mark(always, truth).false_cases.hits == 40
    assert history.mark(never, truth).found == 0
    perfect = history.mark(truth.slower, truth)
    assert (perfect.found, perfect.false_cases.hits, {*perfect.late}) == (4, 0, {0})
    assert len(levels.cases) == 40


@pytest.mark.parametrize(("night", "false"), [(50, 0), (60, 1)])
def test_a_slow_down_that_ended_may_be_named_for_a_fortnight(night, false):
    scenario = HistoryKind("mended", step=0.05, night=20, mended=40)
    _, truth = simulate(scenario, HistorySize(), np.random.default_rng(0))
    called = np.zeros((40, 90), bool)
    called[0, night] = True
    assert history.mark(called, truth).false_cases.hits == false


def test_creep_counts_from_where_it_reaches_the_gate():
    _, truth = simulate(HistoryKind("creep", creep=0.10), HistorySize(), np.random.default_rng(0))
    first = int(truth.slower[0].argmax())
    assert 45 < first < 65
    assert truth.either[0, 46:first].all()
