"""The words of the page's script: about what was measured, which `choose` tells too, and its own.

Names are escaped and cut.
"""

import math
from collections.abc import Iterator

from timelift.analyse.estimates import Interval
from timelift.analyse.findings import RunFindings
from timelift.analyse.ranking import RankedCase, Ranking
from timelift.analyse.recommend import Price, Recommendation
from timelift.analyse.serving import SlowCalls, Whose
from timelift.analyse.verdicts import Verdict
from timelift.axis_values import Phase
from timelift.case import Case
from timelift.errors import counted, first_few
from timelift.escape import NAME_LIMIT, plain
from timelift.present import conditions, words
from timelift.present.answer import FASTEST, in_one_sentence

_TIMES_SIGN = "\N{MULTIPLICATION SIGN}"
#: Verdicts beside the baseline.
_VERDICTS = {
    Verdict.FASTER: "shown faster",
    Verdict.SLOWER: "shown slower",
    Verdict.SAME: "no difference that counts",
    Verdict.UNDECIDED: "undecided",
}
#: Titles of the facts about a strategy in a setting, in the order of `facts`.
FACTS = (
    *("times as fast tomorrow", "time", "nine of ten in", "99 of 100 in"),
    *("first call", "peak memory", "may cost", "not ranked"),
)
#: What the slowest of a hundred calls may have in them.
_WHOSE = {
    Whose.MACHINE: ", the machine's own slow calls included",
    Whose.UNDECIDED: ", perhaps the machine's own slow calls",
}
#: The script's own words, with places for values.
WORDS = {
    "strategy": "strategy",
    "calls": {phase: words.a_call(phase) for phase in Phase},
    "timesAsFast": "times as fast as {baseline}",
    "beside": "beside {baseline}",
    "besideBaselines": "beside {baselines}",
    "sizes": "small marks: {least}; large marks: {most}",
    "or": " or ",
    "pointed": "{strategy}: {time} {call}",
    "missing": (
        "Not measured: {asked} with the rest of this choice. "
        "Shown is the nearest that was: {shown}."
    ),
    "here": "Strategies here",
    "noLift": "no lift",
    "code": "Code to paste",
    "copy": "Copy",
    "copied": "Copied",
    "pressToCopy": "Press Ctrl-C to copy",
    "timeOf": "time of {call}",
    "everySize": "every size",
    "markedBaseline": "{strategy} (baseline)",
    "fastestOf": "Fastest of {workload}",
    "drawn": "Strategies in the charts",
    "all": "All {count}",
    "cheapest": "The {count} cheapest",
    "few": [" These are {few} of {all}; ", "choose others", "."],
    "rows": "{left} of {all} rows",
    "search": "Search ",
    "tickTimes": f"{{value}}{_TIMES_SIGN}",
    "tickMemory": f"{{value}} {words.MEBIBYTES.name}",
}
#: The units of a tick, the largest last: the name, and the size in microseconds.
UNITS = [
    [unit.name, 1e6 * unit.size] for unit in (words.MICROSECONDS, words.MILLISECONDS, words.SECONDS)
]
#: The most strategies that a sentence names.
_NAMED = 6
#: Characters after which a title and a reason are cut.
TEXT_LIMIT = 200


def name_on_page(name: str) -> str:
    return plain(name, NAME_LIMIT)


def lead(ranking: Ranking | None, best: Recommendation | None, findings: RunFindings) -> str:
    """Return the answer for a setting alone, and which others were not shown slower."""
    if ranking is None:
        return "Nothing was measured here."
    if best is None:
        return f"{'Only one lift' if ranking.rows else 'No lift'} was measured here."
    sentence = in_one_sentence(best)
    others = (row.case.strategy for row in ranking.rows if row.rank_low == 1)
    ties = [name_on_page(name) for name in others if name != best.strategy]
    if ties and best.has_verdict:
        sentence += f" Not shown slower either: {first_few(ties, _NAMED)}."
    few = conditions.on_few_machines(ranking, findings)
    return f"{sentence} Measured {few}." if few else sentence


def fastest(ranking: Ranking | None) -> str:
    """Write the gain of the fastest of a setting, and how many others were not shown slower."""
    if ranking is None or not ranking.rows:
        return ""
    row, ties = ranking.rows[0], len(ranking.not_shown_slower) - 1
    gains = row.speed_up and row.case.strategy != ranking.baseline
    times = f"{words.times_to_hundredths(gain(row, ranking).value)}{_TIMES_SIGN}" if gains else ""
    tied = f"{counted(ties, 'other')} not shown slower" if ties > 0 else ""
    return ", ".join(filter(None, [times, tied]))


def base_row(ranking: Ranking) -> RankedCase:
    """Return the row that others of a setting are compared with: the baseline's or the first."""
    of_baseline = (row for row in ranking.rows if row.case.strategy == ranking.baseline)
    return next(of_baseline, ranking.rows[0] if ranking.rows else ranking.all_rows[0])


def gain(row: RankedCase, ranking: Ranking) -> Interval:
    """Return the speed-up of a row over the base row; beside a baseline it has an interval."""
    base = base_row(ranking).seconds_per_call.value
    return row.speed_up or Interval(base / row.seconds_per_call.value)


def beside(row: RankedCase, ranking: Ranking) -> str:
    """Write the verdict of a row beside the baseline, or that it is the base row itself."""
    if not row.rank_low:
        return "not ranked"
    if row is base_row(ranking):
        return "baseline" if ranking.baseline else FASTEST
    return _VERDICTS[row.speed_up.verdict] if row.speed_up else ""


def facts(row: RankedCase, findings: RunFindings) -> Iterator[str]:
    """Yield the facts of a case in the order of `FACTS`, '' for an unknown one."""
    case, seconds = row.case, row.seconds_per_call
    first_call, peak = findings.first_calls.get(case), findings.peak_bytes.get(case)
    best, cost = findings.recommendation_by_setting.get(case.setting), row.cost_over_best.high
    yield words.from_low_to_high(findings.tomorrow(row) or Interval(math.nan))
    call = f"{words.a_call(case.setting.phase)}{_over(case, findings)}"
    yield f"{words.with_interval(seconds, words.time_in_words)} {call}"
    yield from slow_calls(findings.slow_calls.get(case))
    yield words.with_interval(first_call, words.time_in_words) if first_call else ""
    yield (
        f"{words.three_figures(peak / words.MEBIBYTES.size)} {words.MEBIBYTES.name}" if peak else ""
    )
    is_known = best is not None and best.has_verdict and math.isfinite(cost)
    yield f"at most {words.over_the_best(cost)}" if is_known else ""
    yield findings.meanings.why_unknown(case)


def slow_calls(calls: SlowCalls | None) -> Iterator[str]:
    """Yield the time in which nine of ten served calls are, and 99 of 100; '' where unknown."""
    p90, p99 = (calls.p90, calls.p99) if calls else (None, None)
    yield words.with_interval(p90, words.time_in_words) if p90 else ""
    whose = _WHOSE.get(calls.whose, "") if calls else ""
    yield f"{words.with_interval(p99, words.time_in_words)}{whose}" if p99 else ""


def _over(case: Case, findings: RunFindings) -> str:
    """Write the time as a multiple of that in a simpler phase, or ''."""
    ratio = findings.over_simpler_phase.get(case)
    simpler = "backward" if case.setting.phase is Phase.TRAIN else "forward"
    return f", {words.times(ratio)} times a {simpler} call" if ratio else ""


def worst(price: Price, answer: Recommendation) -> str:
    """Write the most that a strategy costs over the best: `1.31x, in 2 of 4` settings."""
    where = (
        f", in {price.settings} of {answer.settings}" if price.settings < answer.settings else ""
    )
    return f"{words.times_at_most(price.ratio)}{_TIMES_SIGN}{where}"


def price_title(price: Price, answer: Recommendation) -> str:
    typical = f"{words.times_to_hundredths(price.typical)}{_TIMES_SIGN}"
    return f"{name_on_page(price.strategy)}: typically {typical}, at most {worst(price, answer)}"
