"""One rule recommends: whichever surface is asked about a setting or a workload names the same."""

import re
import statistics
from collections import defaultdict
from dataclasses import replace

import pytest
from hypothesis import given, settings

from tests.support.drawn_runs import runs
from tests.support.pages import data, surfaces
from tests.support.simulated import TD, contest, of_lengths, raced, run
from timelift.advise.advice import outcomes
from timelift.analyse.findings import RunFindings
from timelift.analyse.ranking import rank
from timelift.analyse.recommend import recommend
from timelift.analyse.results import Run
from timelift.analyse.verdicts import Verdict
from timelift.case import Case
from timelift.choose.choices import Goal, Query, answer
from timelift.journal.lines import Header
from timelift.measurement import Facts
from timelift.present.answer import answer_table, headline, recommended_in_words, safety
from timelift.present.page.page_words import beside


def told(findings):
    """What each surface says of the run, of the page as much as names a strategy."""
    texts = surfaces(findings)
    return texts | {"page": "\n".join(page_of(texts["page"]))}


def page_of(html):
    """What the page says of all workloads and of each, and what its chooser has for settings."""
    yield re.sub("<.*?>", "", re.search(r'<h1 id="headline">(.*?)</h1>', html)[1])
    yield from map(" ".join, re.findall(r'<tr><th scope="row">(\w+)</th><td>(.*?)</td>', html))
    drawn = data(html)
    names = [one["name"] for one in drawn["strategies"]]
    for place, strategy in enumerate(drawn["settings"]["write"]):
        if strategy >= 0:
            axes = {
                one["name"]: one["values"][drawn["settings"][one["name"]][place]]
                for one in drawn["axes"]
            }
            case = Case.from_fields({**axes, "strategy": names[strategy]})
            yield from (case.setting.label, f"fastest: {case.strategy}")


#: A setting, and how the strategy to write there is named below.
_BELOW = re.compile(
    r"^(?:#+ )?(\w+-T\d+-[\w-]+) *$|^(?:- | +)?(?:fastest|the one to keep|least to lose): (\w+)",
    re.MULTILINE,
)


def named(text):
    """The strategies that a text names, by the setting that they are for."""
    names, about = defaultdict(set), ""
    for label, strategy in _BELOW.findall(text):
        about = label or about
        names[about] |= {strategy} - {""}
    return {label: told for label, told in names.items() if told}


def disagreeing(findings, texts):
    """The surfaces that name another strategy for a setting, a workload or all, or none."""
    settings = {
        setting.label: {best.strategy}
        for setting, best in findings.recommendation_by_setting.items()
    }
    rows = answer_table(findings).rows if findings.answers else ()
    # where the column is left out, the headline has the strategy of every workload
    answers = [rf"\b{row.workload}\W+{re.escape(row.write)}" for row in rows]
    answers = answers if len({row.write for row in rows}) > 1 else []
    answers += [re.escape(headline(findings))] if findings.answers else []
    for name, text in texts.items():
        # where copies were raced, page and report begin with what became of them
        answered = name == "ending" or not (name == "terminal" or findings.run.header.races_copies)
        flat = " ".join(text.split())
        lacks = answered and not all(re.search(each, flat) for each in answers)
        if lacks or (name != "ending" and named(text) != settings):
            yield name


@given(runs())
@settings(max_examples=60)
def test_every_surface_names_the_same_strategy(made):
    findings = RunFindings(made)
    assert [*disagreeing(findings, told(findings))] == []
    answers = {*findings.answers.values(), *findings.recommendation_by_setting.values()}
    assert not {answer.strategy for answer in answers} & made.header.strategies.keys()


@pytest.fixture(scope="module")
def written():
    """What is written of a run in which one strategy is the best everywhere, and its findings."""
    findings = RunFindings(Run(Header(), tuple(run([1, 1.2, 3], sizes=2)), complete=True))
    return findings, told(findings)


@pytest.mark.parametrize("surface", ["page", "ending", "terminal", "markdown"])
def test_a_surface_that_names_another_is_caught(written, surface):
    findings, texts = written
    doctored = texts[surface].replace("rival0", "rival1")
    assert [*disagreeing(findings, texts | {surface: doctored})] == [surface]


@given(runs())
@settings(max_examples=60)
def test_a_workload_of_one_setting_and_the_setting_itself_are_one_question(made):
    findings = RunFindings(made)
    for workload, of_workload in findings.answers.items():
        mine = [ranking for ranking in findings.contests if ranking.setting.workload == workload]
        if len(mine) == 1:
            assert of_workload == findings.recommendation_by_setting[mine[0].setting]


@given(runs())
@settings(max_examples=60)
def test_what_is_recommended_is_measured_most_then_safe_then_cheapest(made):
    for ranking in RunFindings(made).contests:
        best = recommend([ranking])
        rows = {row.case.strategy: row for row in ranking.rows}
        cost = {one.strategy: one.ratio for one in best.prices}
        assert all(
            cost[name] == row.cost_over_best.high
            for name, row in rows.items()
            if row.cost_over_best.is_known
        )
        safe = {name for name in best.never_shown_slower if rows[name].rank_low == 1}
        assert safe == best.never_shown_slower
        assert cost[best.strategy] == min(cost[name] for name in safe or rows)
        assert best.is_never_shown_slower == bool(safe)


def test_the_least_to_lose_may_be_another_than_the_fastest():
    ranking = contest((1.08, 1), (1.03, 1), (3.0, 3))
    best = recommend([ranking])
    assert best.strategy == "rival1"
    assert best.never_shown_slower == {"rival1", "rival0"}
    words = "least to lose: rival1; not shown slower: rival0"
    assert recommended_in_words(ranking, best) == words


@pytest.mark.parametrize(
    ("cost", "seed", "verdict", "begins"),
    [
        (1.06, 5, Verdict.UNDECIDED, "Not decided: native looked best, 1.0"),
        (1.2, 1, Verdict.FASTER, "Write native: 1.2 "),
        (1.0, 1, Verdict.SAME, "Keep TimeDistributed: nothing is shown faster; at most "),
        (0.8, 1, Verdict.SLOWER, "Keep TimeDistributed: the best."),
    ],
)
def test_shown_means_one_thing_to_every_command(cost, seed, verdict, begins):
    measured = raced({"native": 1, TD: cost}, launches=3, seed=seed)
    findings = RunFindings(Run(Header(), tuple(measured), complete=True))
    (ranking,) = findings.rankings
    gain = ranking.row("native").speed_up
    assert (gain.verdict, gain.low > 1) == (verdict, cost > 1)
    assert headline(findings).startswith(begins)
    outcome = outcomes(findings.run, ranking.setting, TD)["native"]
    assert outcome.is_faster == verdict.is_shown * (cost > 1)
    chosen = answer(Query(ranking.setting, Goal.TIME), findings)
    assert (not chosen.strategy) == begins.startswith("Not decided")
    assert beside(ranking.row("native"), ranking).startswith("shown") == verdict.is_shown


def test_a_strategy_that_the_second_row_beats_is_shown_slower_in_many_settings_too():
    safe, beaten = contest((1.0, 1), (1.3, 1), (3.0, 3)), contest((1.0, 1), (1.03, 2), (3.0, 3))
    assert recommend([safe, beaten, safe]).never_shown_slower == {"rival0"}


@given(runs())
@settings(max_examples=60)
def test_slower_and_typical_mean_in_many_settings_what_the_table_of_each_shows(made):
    contests = RunFindings(made).contests
    recommended = recommend(contests)
    if recommended is None:
        return
    ranks = defaultdict(dict)
    rows = [row for one in contests for row in one.rows]
    for row in rows:
        ranks[row.case.strategy][row.case.setting] = row.rank_low
    for name in recommended.never_shown_slower:
        assert list(ranks[name].values()) == [1] * len(contests)
    beaten = sum(rank_low > 1 for rank_low in ranks[recommended.strategy].values())
    assert beaten == (recommended.lost.settings if recommended.lost else 0)
    for price in recommended.prices:
        seen = [row.ratio.value for row in rows if row.case.strategy == price.strategy]
        assert price.typical == statistics.median(seen)


def test_what_was_measured_everywhere_is_the_answer_before_what_lifts_less():
    measured = raced({"native": 1, "fold_time": 2, TD: 3}, of_lengths(8, 16))
    refused = Case(measured[0].case.setting, "native")
    few = [one for one in measured if one.case != refused]
    assert recommend(rank(few)).strategy == "fold_time"


@pytest.mark.parametrize(
    ("first_calls", "told"),
    [
        ((6.7, 0.18), "First call: 6.70 s → 180 ms."),
        ((0.2, 9.0), "First call: 200 ms → 9.00 s."),
        ((3.0, 1.5), None),  # not three times as long
        ((0.9, 0.1), None),  # not a second
    ],
)
def test_a_first_call_that_counts_stands_beside_the_gain(first_calls, told):
    seconds = dict(zip((TD, "native"), first_calls, strict=True))
    measured = [
        replace(
            one,
            launches=tuple(
                replace(each, facts=Facts(first_call_seconds=seconds[one.case.strategy]))
                for each in one.launches
            ),
        )
        for one in raced({"native": 1, TD: 1.5}, launches=3)
    ]
    findings = RunFindings(Run(Header(), tuple(measured), complete=True))
    assert headline(findings).startswith("Write native: 1.5")
    below = safety(findings)
    assert below.startswith(told) if told else "First call" not in below
