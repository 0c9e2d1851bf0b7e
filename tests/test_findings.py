"""Findings of a run: the front of time and memory, and how well its comparisons are decided."""

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest

from tests.support import journals
from tests.support.endings import measured
from tests.support.simulated import LOUD
from timelift.analyse import findings, quality
from timelift.analyse.estimates import Interval
from timelift.analyse.findings import RunFindings, pareto_front
from timelift.analyse.ranking import RankedCase, Ranking, rank
from timelift.analyse.verdicts import Verdict
from timelift.case import Case
from timelift.present import conditions


def _ranking(**seconds):
    setting = journals.case().setting
    rivals = [
        RankedCase(Case(setting, name), Interval(each), Interval(1, 1, 1), Verdict.SAME, 1, 1, 3)
        for name, each in seconds.items()
    ]
    return Ranking(setting, tuple(rivals))


def test_the_front_has_what_is_beaten_in_neither_time_nor_memory():
    ranking = _ranking(a=1.0, b=1.0, c=2.0, d=3.0)
    peak = dict(zip((row.case for row in ranking.rows), (8.0, 9.0, 8.0, 2.0), strict=True))
    assert [row.case.strategy for row in pareto_front(ranking.rows, peak)] == ["a", "d"]


def test_nothing_is_on_the_front_that_one_of_unknown_memory_may_beat():
    ranking = _ranking(a=1.0, b=2.0, c=3.0, d=4.0)
    a, b, c, d = (row.case for row in ranking.rows)
    known = {a: 8.0, b: 9.0, c: 4.0, d: 2.0}
    fronts = {None: [a, c, d], a: [], b: [a], c: [a], d: [a, c]}
    for unknown, front in fronts.items():
        peaks = {case: size for case, size in known.items() if case != unknown}
        assert [row.case for row in pareto_front(ranking.rows, peaks)] == front


def test_the_asked_precision_is_the_headers(tmp_path):
    for nonsense in ("x", "-1", [], {}):
        run = measured(tmp_path, LOUD, precision=nonsense)
        assert RunFindings(run).decided.precision == 0.02


def test_the_asked_share_is_compared_as_a_log_ratio(tmp_path):
    run = measured(tmp_path, precision="0.25")
    for ratio, noisy in ((1.24, False), (1.27, True)):
        row = SimpleNamespace(
            half_width=math.log(ratio), verdict=Verdict.UNDECIDED, launches=3, first_costs=2.0
        )
        assert quality.is_too_noisy(run, [SimpleNamespace(rows=[None, row])]) == noisy


@pytest.mark.parametrize(
    ("first_costs", "words"),
    [
        (1.019, "1 comparison: none with a verdict, 1 where the fastest costs at most 2 % more"),
        (1.021, "1 comparison: none with a verdict, 1 undecided; "),
        (math.nan, "1 comparison: none with a verdict, 1 undecided; "),
    ],
)
def test_a_comparison_without_a_verdict_is_decided_where_the_price_is_known(
    tmp_path, monkeypatch, first_costs, words
):
    run = measured(tmp_path)
    (ranking,) = rank(run.measurements)
    row = replace(
        ranking.rows[1],
        verdict=Verdict.UNDECIDED,
        ratio=Interval(1.0, high=first_costs),
        half_width=0.3,
    )
    rankings = [replace(ranking, rows=(ranking.rows[0], row))]
    monkeypatch.setattr(findings, "rank_run", lambda *_: rankings)
    assert conditions.comparisons(RunFindings(run)).startswith(words)
    undecided = int("1 undecided" in words)
    assert quality.decided(run, rankings) == quality.Decided(0.02, 1, undecided, 1 - undecided)
    few = [replace(ranking, rows=(ranking.rows[0], replace(row, launches=2)))]
    assert quality.decided(run, few).undecided == 1
    assert quality.is_too_noisy(run, rankings) != (first_costs < 1.02)
