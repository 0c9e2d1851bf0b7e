"""The first screen: an answer, a condition or the least to lose; how quiet the machine was."""

import math
import re
from dataclasses import replace
from types import SimpleNamespace

import pytest

from tests import journals, pages
from tests.journals import AGAINST
from tests.pages import Elements, harm, reported, section
from tests.simulated import LOOP, LOUD, QUIET, TD, pair, raced
from tests.simulated import run as simulated_run
from tests.test_gate_outcomes import run_file
from tests.test_summary import at, found
from timelift.analyse import findings, quality, results
from timelift.analyse.estimates import Interval
from timelift.analyse.findings import RunFindings, pareto_front
from timelift.analyse.ranking import RankedCase, Ranking, rank
from timelift.analyse.recommend import recommend, recommend_by
from timelift.analyse.verdicts import Verdict
from timelift.case import Case
from timelift.present import conditions
from timelift.present.answer import headline, safety
from timelift.present.full_report import report

LENGTHS = at("tokens", 2)


def without(strategy, measured):
    """The measurements but for that of a strategy at the second length."""
    rare = Case(LENGTHS[1], strategy)
    return [one for one in measured if one.case != rare]


@pytest.mark.parametrize(("count", "end"), [(2, ", in tokens-T(8|16)-B4-.*"), (1, "")])
def test_what_is_no_best_costs_something_in_a_setting_that_is_named(count, end):
    seen = found(raced({"best": 1, "close": 1, TD: 2}, LENGTHS[:count]))
    assert re.search(rf"; at most [\d.]+ % over the best{end}\.$", headline(seen))


def test_what_loses_everywhere_is_still_the_one_answer_with_what_it_costs():
    costs = {"steady": 1.2, "short": [1, 3, 3, 1] * 2, "long": [3, 1, 1, 3] * 2, TD: 6}
    seen = found(raced(costs, at("tokens", 8)))
    words = r"Write steady: 5.0 times as fast as .*; at most 2\d % over the best, in tokens-.*"
    assert re.fullmatch(words, headline(seen))
    assert safety(seen).startswith("Shown slower in 8 of 8 settings, fastest there: ")


def test_where_it_loses_is_told_of_each_workload_if_there_are_several():
    costs = {"steady": 1, "other": [0.9, 2] * 2, TD: 5}
    seen = found(raced(costs, LENGTHS + at("frames", 2)))
    assert safety(seen) == "Shown slower in 2 of 4 settings."


def test_a_gain_that_was_not_shown_everywhere_says_where_it_was():
    seen = found(raced({"best": 1, TD: [2, 1]}, LENGTHS))
    assert safety(seen) == "Shown faster than TimeDistributed in 1 of 2 settings, slower nowhere."


def test_what_everybody_writes_is_kept_where_nothing_is_gained():
    assert headline(found(raced({TD: 1, "other": 2}, LENGTHS))) == (
        "Keep time_distributed: the best in every setting."
    )


def test_a_gain_over_another_baseline_is_said_apart():
    text = headline(found(without(TD, raced({"best": 1, TD: 2, LOOP: 4}, LENGTHS))))
    assert "2.0 times as fast as TimeDistributed in 1 of 2 settings" in text
    assert ", 4.0 times as fast as loop_slice in 1; the best" in text


def test_no_gain_is_told_over_the_advice_itself():
    text = headline(found(without(TD, raced({"fold_time": 1, TD: 2, "x": 5}, LENGTHS))))
    start = "Write fold_time: 2.0 times as fast as TimeDistributed in 1 of 2 settings;"
    assert text.startswith(start)
    assert text.count("fold_time") == 1


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


def test_each_phase_is_paired_with_a_simpler_one_of_its_own_setting(tmp_path):
    alone = journals.grid(("loop_slice",), seq_lens=(8,), phases=("forward", "train"))
    cases = journals.grid(("native",), seq_lens=(8,), phases=("forward", "backward", "train"))
    others = [journals.case(seq_len=8, phase="backward", gradients="inputs_and_weights")]
    lines = journals.campaign([*cases, *alone, *others])
    seen = pages.found(tmp_path / "run", journals.header(), *lines)
    rows = {row.case: row.seconds_per_call.value for one in seen.rankings for row in one.rows}
    forward, backward, train = (rows[case] for case in cases)
    assert seen.over_simpler_phase == {
        cases[1]: backward / forward,
        cases[2]: train / backward,
        others[0]: rows[others[0]] / forward,
    }


def test_nothing_is_chosen_from_a_run_without_rivals():
    assert recommend_by("workload", []) == {}
    assert recommend([_ranking(a=1.0)]) is None
    assert recommend([_ranking(a=1.0, b=2.0)]) is not None


@pytest.mark.parametrize(
    ("slow", "headline", "count"),
    [
        (1.06, "1 of 4 cases fails the gate against main: 1 slower.", "1 slower, 3 same"),
        (0.9, "None of 4 cases fails the gate against main.", "1 faster, 3 same"),
    ],
)
def test_a_gate_says_first_what_fails_it(tmp_path, slow, headline, count):
    html = reported(run_file(tmp_path, slow=slow))
    (said,) = re.findall(r'<h1 id="headline">(.*?)</h1>', html)
    assert re.sub("<.*?>", "", said) == headline
    words = " ".join(Elements(section(html, "answer")).words)
    assert f"gate 3 %, 1.5 % ignored: {count}." in words
    assert "Write" not in words
    assert not {"Your case", "Fastest by size"} & {*Elements(html).words}
    assert "over the best" not in section(html, "answer").partition("</details>")[2]
    assert html.index('class="answers"') < html.index('<dl class="trusted">')
    assert "new: mine" in {*Elements(html).words}


def test_hostile_names_of_sides_are_text(tmp_path):
    evil = "<script>alert(1)</script>\x1b"
    html = reported(run_file(tmp_path, slow=1.06, against=AGAINST | {"label": evil}))
    assert harm(html) == []
    assert "&lt;script&gt;alert(1)" in html


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
