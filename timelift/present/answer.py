"""The answer of a run in words: the strategy to write, its gain, its price, where it is slower.

Names inside are as the file wrote them: a renderer escapes them for its place.
"""

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from timelift.analyse.estimates import Interval
from timelift.analyse.findings import RunFindings
from timelift.analyse.ranking import RankedCase, Ranking, SpeedUp
from timelift.analyse.recommend import Answer, Gain, LostWhere, Recommendation
from timelift.case import SIZES
from timelift.errors import counted
from timelift.escape import NAME_LIMIT, plain
from timelift.inner_layer import TIME_DISTRIBUTED
from timelift.journal.lines import AS_WRITTEN
from timelift.present.tables import Column, Table
from timelift.present.words import (
    TIMES,
    at_most,
    at_values,
    over_the_best,
    times,
    value_in_words,
    with_interval,
)

#: Labels of the recommended strategy of a setting: if it has the shortest time, and if not.
FASTEST, LEAST_TO_LOSE = "fastest", "least to lose"
_KNOWN_AS = {TIME_DISTRIBUTED: "TimeDistributed", AS_WRITTEN: "the model as written"}
#: Characters after which a cell of the table is cut.
_LONGEST_CELL = 200


# What to write -----------------------------------------------------------------------------------


def _to_write(answer: Answer) -> str:
    """Write which strategy to use, and where another: `native in eager mode; else fold_time`."""
    ranges: dict[str, list[tuple[object, ...]]] = {}
    settings: Counter[str] = Counter()
    for part in answer.parts:
        ranges.setdefault(part.strategy, []).append(part.values)
        settings[part.strategy] += len(part.rankings)
    usual = max(settings, key=settings.__getitem__)
    others = [
        f"{name} {_at_ranges(answer.axis, own)}" for name, own in ranges.items() if name != usual
    ]
    return f"{', '.join(others)}; else {usual}" if others else usual


def _at_ranges(axis: str, ranges: Sequence[tuple[object, ...]]) -> str:
    """Write the condition that an axis has a value of some ranges of neighbouring values."""
    ranges = sorted(ranges, key=lambda values: values[0] if isinstance(values[0], int) else 0)
    values = [*itertools.chain(*ranges)]
    if axis not in SIZES or len(values) == len(ranges):
        return at_values(axis, values, are_neighbours=False)
    return " or ".join(at_values(axis, neighbours) for neighbours in ranges)


# What is gained ----------------------------------------------------------------------------------


def _common_baseline(answers: Mapping[str, Answer]) -> str:
    """Return the baseline of most settings, or ''."""
    gains = [gain for answer in answers.values() for gain in answer.gains]
    settings: Counter[str] = Counter()
    for gain in gains:
        settings[gain.baseline] += gain.settings
    first = min(gains, key=lambda gain: (-settings[gain.baseline], gain.place), default=None)
    return first.baseline if first else ""


def known_as(baseline: str) -> str:
    """Return what a baseline is called, which Keras or a user has written, else its own name."""
    return _KNOWN_AS.get(baseline, baseline)


def _gains_in_words(answer: Answer, baseline: str) -> str:
    """Write how many times as fast as each baseline the answer is; `baseline` stays unnamed."""
    gains = sorted(answer.gains, key=lambda gain: gain.baseline != baseline)
    return "; ".join(
        _gain(gain, answer)
        if gain.baseline == baseline
        else f"{gain.baseline}: {_gain(gain, answer)}"
        for gain in gains
    )


def _gain(gain: Gain, answer: Answer) -> str:
    if answer.strategies == (gain.baseline,):
        return "itself"
    text = _gain_in_words(gain, answer)
    where = f", in {gain.settings} of {answer.settings}" if gain.settings < answer.settings else ""
    return f"{text}{where}{_doubt(gain, answer)}"


def _doubt(gain: Gain, answer: Answer) -> str:
    """Write, after a comma, that a gain is not shown; '' where it is, or where no row is judged."""
    if gain.faster or gain.slower or not answer.has_verdict:
        return ""
    speed_up = _only_speed_up(gain, answer)
    return ", no verdict yet" if speed_up and why_not_shown(speed_up) else ", not shown to differ"


def _only_speed_up(gain: Gain, answer: Answer) -> SpeedUp | None:
    """Return the speed-up of the answer's single setting; None if it has several."""
    ((_, row), *_) = answer.parts[0].rows
    return row.speed_up if gain.settings == 1 == answer.settings else None


def _gain_in_words(gain: Gain, answer: Answer) -> str:
    """Write a gain: the range over settings, or the interval of a single one."""
    if speed_up := _only_speed_up(gain, answer):
        return speed_up_in_words(speed_up)
    least, most = times(gain.least), times(gain.most)
    return least if least == most else f"{least} to {most}"


def speed_up_in_words(speed_up: SpeedUp) -> str:
    """Write a speed-up with its interval, unless that is unknown or written like the value."""
    return with_interval(speed_up, times)


# What it costs, and where it loses ---------------------------------------------------------------


def _price_in_words(answer: Answer) -> str:
    """Write the most that the answer costs; too few launches would give a wild bound."""
    if not answer.has_verdict:
        return "unknown"
    return f"{at_most(answer.price)}{'' if answer.is_bound else ', seen'}"


def where_slower(answer: Answer) -> Iterator[str]:
    """Yield where the answer was shown slower, then where it was not measured."""
    if not answer.has_verdict:
        launches = min(row.launches for part in answer.parts for _, row in part.rows)
        count = "one launch" if launches == 1 else counted(launches, "launch")
        yield f"seen in {count}: no verdict"
    elif lost := answer.lost:
        yield _lost_in_words(lost, answer.settings)
    elif answer.is_tested_everywhere:
        yield "nowhere"
    else:
        yield "nowhere, but not tested in every setting"
    if answer.measured < answer.settings:
        missing = answer.settings - answer.measured
        yield f"not measured in {missing} of {answer.settings} settings"


def _lost_in_words(lost: LostWhere, settings: int) -> str:
    """Write `eager, 16 steps: 3.1 to 16 % over the best there (fastest there: native)`."""
    place = "in the dearest" if lost.settings > 1 else "there"
    fastest = f" (fastest {place}: {lost.fastest})" if lost.fastest else ""
    high, low = lost.dearest.cost_over_best.high, lost.dearest.cost_over_best.low
    is_range = lost.settings == 1 and low > 1
    cost = over_the_best(high, low) if is_range else f"up to {over_the_best(high)}"
    cost = f"{cost} there{fastest}"
    return f"{_lost_where(lost, settings)}: {cost}" if settings > 1 else cost


def _lost_where(lost: LostWhere, settings: int) -> str:
    """Write `eager, 16 steps`, or `in 2 of 4 settings`."""
    shared = sorted(lost.shared.items(), key=lambda item: item[0] in SIZES)
    where = ", ".join(value_in_words(axis, value) for axis, value in shared)
    if not lost.has_no_exception:
        count = f"in {lost.settings} of {settings} settings"
        where = f"{where} ({count})" if where else count
    return where


# A row a workload --------------------------------------------------------------------------------


@dataclass(frozen=True)
class AnswerRow:
    """The answer for a workload in words; `is_safe` if nowhere shown slower."""

    workload: str
    write: str
    gain: str
    price: str
    slower: str
    settings: int
    is_safe: bool = False


def answer_table(findings: RunFindings) -> Table:
    """Return a row a workload, without empty columns."""
    baseline = _common_baseline(findings.answers)
    columns = (
        Column("workload"),
        Column("write", limit=_LONGEST_CELL),
        Column(
            "gain",
            f"times as fast as {known_as(baseline)}" if baseline else "speed-up",
            drop_order=1,
            limit=_LONGEST_CELL,
        ),
        Column("price", "costs over the best, at most", drop_order=2),
        Column("slower", "shown slower", limit=_LONGEST_CELL),
    )
    rows = [*_rows(findings, baseline)]
    return Table("answer", "What to write", columns, rows).without_empty_columns()


def _rows(findings: RunFindings, baseline: str) -> Iterator[AnswerRow]:
    by_workload: dict[str, list[Ranking]] = {}
    for ranking in findings.rankings:
        by_workload.setdefault(ranking.setting.workload, []).append(ranking)
    for name, rankings in sorted(by_workload.items()):
        answer = findings.answers.get(name)
        yield _row(name, answer, baseline) if answer else _without_contest(name, rankings)


def _without_contest(workload: str, rankings: Sequence[Ranking]) -> AnswerRow:
    names = dict.fromkeys(row.case.strategy for ranking in rankings for row in ranking.rows)
    only = f"only {next(iter(names))} was measured" if len(names) == 1 else "nothing to compare"
    return AnswerRow(workload, only if names else "no lift was measured", "", "", "", len(rankings))


def _row(workload: str, answer: Answer, baseline: str) -> AnswerRow:
    return AnswerRow(
        workload=workload,
        write=_to_write(answer),
        gain=_gains_in_words(answer, baseline),
        price=_price_in_words(answer),
        slower="; ".join(where_slower(answer)),
        settings=answer.settings,
        is_safe=answer.is_never_shown_slower,
    )


# In a setting ------------------------------------------------------------------------------------


def recommended_in_words(ranking: Ranking, best: Recommendation) -> str:
    """Write the recommended strategy of a setting, and which others were not shown slower."""
    name = best.strategy
    label = FASTEST if name == ranking.rows[0].case.strategy else LEAST_TO_LOSE
    ties = [row for row in ranking.rows if row.rank_low == 1 and row.case.strategy != name]
    if not ties:
        return f"{label}: {name}"
    names = ", ".join(row.case.strategy for row in ties)
    why = next(filter(None, (why_not_shown(row.ratio) for row in ties)), "")
    return f"{label}: {name}; not shown slower: {names}{why}"


def why_not_shown(ratio: Interval) -> str:
    """Write why a ratio is not shown to differ from 1; '' where its interval holds 1."""
    is_beyond = ratio.low > 1 or ratio.high < 1
    return " (an interval without 1 is no verdict by itself)" if is_beyond else ""


def cost_in_words(row: RankedCase) -> str:
    strategy, cost = row.case.strategy, row.cost_over_best
    if not cost.is_known:
        return f"what choosing `{strategy}` costs over the best is not known from one launch"
    if cost.low > 1:
        return f"`{strategy}` costs {over_the_best(cost.high, cost.low)}"
    return f"choosing `{strategy}` costs at most {over_the_best(cost.high)}"


def cost_sentences(ranking: Ranking, strategy: str) -> Iterator[str]:
    """Yield what a strategy costs over the best, and what the slowest of the setting costs."""
    row, last = ranking.row(strategy), ranking.rows[-1]
    if row.cost_over_best.high > 1:
        yield cost_in_words(row)
    if last.cost_over_best.low > 1 and last is not row:
        yield cost_in_words(last)


# All settings in two sentences -------------------------------------------------------------------


def headline(findings: RunFindings) -> str:
    answer = findings.answer
    if answer is None:
        return "No two strategies were measured in one setting, so there is nothing to compare yet."
    return in_one_sentence(answer)


def in_one_sentence(answer: Answer) -> str:
    name = plain(_to_write(answer))
    if not answer.has_verdict:
        return f"{name} looked best{_gained(answer)}, {'; '.join(where_slower(answer))}."
    if answer.suits_few:
        rankings = (ranking for part in answer.parts for ranking in part.rankings)
        workloads = {ranking.setting.workload for ranking in rankings}
        place = "your workload" if len(workloads) > 1 else "your case"
        return f"No single strategy suits all {answer.settings} settings: see {place} below."
    if answer.strategies == tuple(gain.baseline for gain in answer.gains):
        return f"Keep {name}: nothing is gained over it{_safety(answer, ', and ', 'it was ')}."
    gained = _gained(answer)
    return f"Write {name}{gained}{_safety(answer, ', and ' if gained else ': ')}."


def _gained(answer: Answer) -> str:
    gains = [gain for gain in answer.gains if answer.strategies != (gain.baseline,)]
    if not gains:
        return ""
    first, *others = gains
    if first.settings < answer.settings:
        where, these = f" in {first.settings} of {answer.settings} settings", "these"
    else:
        where, these = " here" if answer.settings > 1 else "", f"{first.settings} settings"
    is_shown_in_some = answer.has_verdict and first.faster not in {0, first.settings}
    shown = f", shown in {first.faster} of {these}" if is_shown_in_some else ""
    rest = (
        f", {_gain_in_words(gain, answer)} times as fast as {_name(gain.baseline)} "
        f"in {gain.settings}"
        for gain in others
    )
    times, name = _gain_in_words(first, answer), _name(first.baseline)
    start = f": {times} times as fast as {name}"
    return "".join((start, where, _doubt(first, answer), shown, *rest))


def _name(baseline: str) -> str:
    return plain(known_as(baseline), NAME_LIMIT)


def _safety(answer: Answer, link: str, subject: str = "") -> str:
    """Write whether the answer was shown slower anywhere, and whether it was tested everywhere."""
    if answer.lost:
        where = f" in {answer.lost.settings} of {answer.settings} settings"
        return f", but {subject}shown slower{where if answer.settings > 1 else ''}"
    text = f"{link}{subject}never shown slower"
    if not answer.is_tested_everywhere:
        return f"{text}, but not tested in every setting"
    return text if subject else f"{text} than anything else"


def price_sentence(answer: Answer) -> str:
    """Write what the answer costs at most over the best of any setting."""
    if not (answer.has_verdict and math.isfinite(answer.price)):
        return "What it costs over the best is not known from so few launches."
    over = over_the_best(answer.price)
    several = answer.settings > 1
    if not answer.is_bound:
        return f"{'In the worst setting it' if several else 'It'} was seen to cost {over}."
    if answer.lost:
        name = plain(_to_write(answer))
        subject = f"{name} has the least to lose: it" if answer.suits_few else "It"
        return f"{subject} costs at most {over}."
    if answer.price <= 1 and answer.measured == answer.settings:
        return f"It is the best{' in every setting' if several else ''}."
    # a larger bound says more about the noise than about the strategy
    if answer.price < TIMES:
        return f"It costs at most {over}{', in any setting' if several else ''}."
    return (
        f"What it costs over the best is known no better than up to {over}"
        f"{', in the noisiest setting' if several else ''}; more launches would narrow that."
    )
