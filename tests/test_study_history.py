"""The history's marks on simulated truth: a fixed-seed part of `studies.history`."""

import numpy as np
import pytest

from studies import history
from studies.history import HistoryKind, HistorySize, simulate

SHAPE = HistorySize(settings=4, nights=60, slower=2)


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
