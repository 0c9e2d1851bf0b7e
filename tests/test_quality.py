"""What a report says of the machine's quiet, and that it says nothing where nothing is known."""

import dataclasses
import math
from types import SimpleNamespace

import pytest

from tests import journals
from tests.simulated import LOUD, QUIET, pair
from tests.simulated import run as simulated_run
from timelift.analyse import findings, quality, results
from timelift.analyse.estimates import Interval
from timelift.analyse.findings import RunFindings
from timelift.analyse.ranking import rank
from timelift.analyse.verdicts import Verdict
from timelift.present import conditions
from timelift.present.full_report import report

FACTS = {"canary_seconds": 4e-5, "stolen_share": 0.0, "waited_share": 0.03}


def measured(path, scenario=QUIET, facts=FACTS, canaries=(1, 1, 1), **options):
    """A run of two rivals in one setting, whose launches saw these facts."""
    lines = []
    for name, rounds in zip("ab", pair(1.0, launches=3, scenario=scenario), strict=True):
        for launch, (seconds, times) in enumerate(zip(rounds, canaries, strict=True), start=1):
            beat = facts.get("canary_seconds")
            seen = facts | ({"canary_seconds": beat * times} if beat else {})
            lines.append(journals.line(journals.case(name), launch, seconds.tolist(), facts=seen))
    header = journals.header(options=options)
    return results.load(journals.write(path / "run.jsonl", header, *lines, journals.END))


def seen_in(run):
    """What is said of the machine."""
    return "; ".join(conditions.disturbances(quality.machine_activity(run)))


def noise(run):
    """What is said of the asked precision, if it was not reached."""
    return dict(report(RunFindings(run)).head).get("noise")


def test_what_was_seen_is_told_in_shares(tmp_path):
    seen = seen_in(measured(tmp_path))
    assert "in every second, threads waited 0.03 s for a processor" in seen
    assert "the host gave 0.0 % of the time to other guests" in seen
    assert "took 0.0 % more or less from launch to launch" in seen
    assert "took 34.8 % more" in seen_in(measured(tmp_path, canaries=(1, 2, 1.5)))


@pytest.mark.parametrize("missing", FACTS)
def test_what_was_not_looked_at_is_not_said(tmp_path, missing):
    words = dict(zip(FACTS, ("piece of work", "other guests", "waited"), strict=True))
    facts = {name: value for name, value in FACTS.items() if name != missing}
    seen = seen_in(measured(tmp_path, facts=facts))
    assert [name for name, word in words.items() if word not in seen] == [missing]


def test_a_container_that_was_held_back_is_named_with_what_would_help(tmp_path):
    held_back = measured(tmp_path, LOUD, FACTS | {"throttled_periods": 7})
    assert "the container's processor quota held it back in 21 periods" in seen_in(held_back)
    assert "a higher processor quota (docker run --cpus)" in noise(held_back)
    free = measured(tmp_path, LOUD, FACTS | {"throttled_periods": 0})
    assert "the container's processor quota never held it back" in seen_in(free)
    assert "docker" not in noise(free)
    assert "quota" not in seen_in(measured(tmp_path, LOUD))


def test_rounds_that_were_lost_are_counted_once_for_all_rivals(tmp_path):
    said = "6 rounds lost, since a rival was traced anew"
    assert said in seen_in(measured(tmp_path, facts=FACTS | {"dropped_rounds": 2}))
    assert "lost" not in seen_in(measured(tmp_path, facts=FACTS | {"dropped_rounds": 0}))


def test_a_run_of_an_older_timelift_says_nothing(tmp_path):
    run = measured(tmp_path, facts={})
    assert seen_in(run) == ""
    assert "disturbances" not in [label for label, _ in report(RunFindings(run)).head]


def test_a_loud_machine_is_called_noisy_with_what_would_help_and_a_quiet_one_is_not(tmp_path):
    assert noise(measured(tmp_path)) is None
    said = noise(measured(tmp_path, LOUD))
    assert said.startswith("1 comparison: none with a verdict, 1 undecided")
    assert said.endswith("--threads 1 or --budget 15m would narrow it")


def test_the_asked_precision_is_the_headers(tmp_path):
    assert noise(measured(tmp_path, LOUD, precision="0.9")) is None
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
    row = dataclasses.replace(
        ranking.rows[1],
        verdict=Verdict.UNDECIDED,
        ratio=Interval(1.0, high=first_costs),
        half_width=0.3,
    )
    rankings = [dataclasses.replace(ranking, rows=(ranking.rows[0], row))]
    monkeypatch.setattr(findings, "rank_run", lambda *_: rankings)
    assert conditions.comparisons(RunFindings(run)).startswith(words)
    undecided = int("1 undecided" in words)
    assert quality.decided(run, rankings) == quality.Decided(0.02, 1, undecided, 1 - undecided)
    few = [
        dataclasses.replace(ranking, rows=(ranking.rows[0], dataclasses.replace(row, launches=2)))
    ]
    assert quality.decided(run, few).undecided == 1
    assert quality.is_too_noisy(run, rankings) != (first_costs < 1.02)


def test_what_the_first_costs_over_every_row_is_its_price():
    for costs in ([1, 1.01, 1.02], [1, 1.5]):
        for one in rank(simulated_run(costs, sizes=3)):
            parts = [row.first_costs for row in one.rows[1:]]
            assert one.rows[0].cost_over_best.high == pytest.approx(max(1.0, *parts))


@pytest.mark.parametrize(
    ("facts", "canaries", "word"),
    [
        ({"stolen_share": 0.05}, (1, 1, 1), "a host without other guests"),
        ({"throttled": 1}, (1, 1, 1), "a cooler GPU"),
        ({}, (1, 2, 1.5), "a machine without other programs"),
    ],
)
def test_what_would_help_is_named_where_its_reason_was_seen(tmp_path, facts, canaries, word):
    assert word in noise(measured(tmp_path, LOUD, FACTS | facts, canaries))
    assert word not in noise(measured(tmp_path, LOUD))


@pytest.mark.parametrize("value", [None, -1, 2.0])
def test_impossible_facts_are_no_facts(tmp_path, value):
    run = measured(tmp_path, LOUD, dict.fromkeys(FACTS, value))
    assert "piece of work" not in seen_in(run)
    assert noise(run)
