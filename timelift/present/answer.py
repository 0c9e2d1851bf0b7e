"""The answer of a run in words: what to write, what is gained by it, what it costs, where it loses.

Names inside are as the file wrote them: a renderer escapes them for its place.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from timelift.analyse.findings import RunFindings
from timelift.analyse.ranking import RankedCase, Ranking, SpeedUp
from timelift.analyse.recommend import Answer, Gain, LostWhere, Recommendation
from timelift.case import SIZES
from timelift.errors import counted
from timelift.escape import NAME_LIMIT, plain
from timelift.present.tables import Column, Table
from timelift.present.words import (
    TIMES,
    at_most,
    at_values,
    over_the_best,
    sizes_in_words,
    times,
    value_in_words,
    with_interval,
)

_KNOWN_AS: Mapping[str, str] = {"time_distributed": "TimeDistributed"}
#: What the recommended strategy of a setting is called if it has the shortest time, and if not.
FASTEST, LEAST_TO_LOSE = "fastest", "least to lose"
NOTHING = "No two strategies were measured in one setting, so there is nothing to compare yet."
#: A longer text of the table is cut.
_LONGEST_CELL = 200


# What to write -----------------------------------------------------------------------------------


def to_write(answer: Answer) -> str:
    """Write which strategy to use, and where another: `native in eager mode; else fold_time`."""
    runs: dict[str, list[tuple[object, ...]]] = {}
    settings: dict[str, int] = {}
    for part in answer.parts:
        runs.setdefault(part.strategy, []).append(part.values)
        settings[part.strategy] = settings.get(part.strategy, 0) + len(part.rankings)
    usual = max(settings, key=settings.__getitem__)
    others = [
        f"{name} {_at_runs(answer.axis, values)}" for name, values in runs.items() if name != usual
    ]
    return f"{', '.join(others)}; else {usual}" if others else usual


def _at_runs(axis: str, runs: Sequence[tuple[object, ...]]) -> str:
    """Write the condition that an axis has a value of some runs of neighbours."""
    runs = sorted(runs, key=_first_size)
    values = [value for run in runs for value in run]
    if axis not in SIZES:
        return at_values(axis, values)
    if len(values) == len(runs):
        return f"at {sizes_in_words(axis, values, ' or ')}"
    return " or ".join(at_values(axis, run) for run in runs)


def _first_size(run: Sequence[object]) -> int:
    return run[0] if isinstance(run[0], int) else 0


# What is gained ----------------------------------------------------------------------------------


def common_baseline(answers: Mapping[str, Answer]) -> str:
    """Return what most settings have their speed-ups over; empty where none has any."""
    gains = [gain for one in answers.values() for gain in one.gains]
    settings: dict[str, int] = {}
    for gain in gains:
        settings[gain.baseline] = settings.get(gain.baseline, 0) + gain.settings
    first = min(gains, key=lambda gain: (-settings[gain.baseline], gain.place), default=None)
    return first.baseline if first else ""


def known_as(baseline: str) -> str:
    """Return what people call a baseline that is a part of Keras."""
    return _KNOWN_AS.get(baseline, baseline)


def gains_in_words(answer: Answer, baseline: str) -> str:
    """Write how many times as fast as each baseline the answer is, `baseline` without its name."""
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
    text = gain_in_words(gain, answer)
    part = f", in {gain.settings} of {answer.settings}" if gain.settings < answer.settings else ""
    is_shown = gain.faster or gain.slower or not answer.has_verdict
    return f"{text}{part}" if is_shown else f"{text}{part}, not shown to differ"


def gain_in_words(gain: Gain, answer: Answer) -> str:
    """Write the range over settings, or the interval of the only one."""
    if gain.settings == 1 == answer.settings:
        ((_, row),) = answer.parts[0].rows
        assert row.speed_up
        return speed_up_in_words(row.speed_up)
    least, most = times(gain.least), times(gain.most)
    return least if least == most else f"{least} to {most}"


def speed_up_in_words(speed_up: SpeedUp) -> str:
    """Write a speed-up with its interval, if that is known and wider than what is written."""
    return with_interval(speed_up, times)


# What it costs, and where it loses ---------------------------------------------------------------


def price(answer: Answer) -> str:
    """Write the most that the answer costs; a bound from too few launches would be a wild one."""
    if not answer.has_verdict:
        return "unknown"
    return f"{at_most(answer.price)}{'' if answer.is_bound else ', seen'}"


def where_slower(answer: Answer, *, briefly: bool = False) -> Iterator[str]:
    """Write where what is to be written was shown slower, and whatever else limits the answer."""
    if not answer.has_verdict:
        launches = min(row.launches for part in answer.parts for _, row in part.rows)
        many = "one launch" if launches == 1 else counted(launches, "launch")
        yield f"seen in {many}: no verdict"
    elif lost := answer.lost:
        in_words = _lost_where if briefly and answer.settings > 1 else _lost_in_words
        yield in_words(lost, answer.settings)
    elif answer.is_tested_everywhere:
        yield "nowhere"
    else:
        yield "nowhere, but not tested in every setting"
    if answer.measured < answer.settings:
        missing = answer.settings - answer.measured
        yield f"not measured in {missing} of {answer.settings} settings"


def _lost_in_words(lost: LostWhere, settings: int) -> str:
    """Write `eager, 16 steps: 3.1 to 16 % over the best there (fastest there: native)`."""
    many = lost.settings > 1
    named = f" ({'fastest in the dearest' if many else 'fastest there'}: {lost.fastest})"
    much = f"{_lost_at_most(lost)} there{named if lost.fastest else ''}"
    return f"{_lost_where(lost, settings, ' settings')}: {much}" if settings > 1 else much


def _lost_at_most(lost: LostWhere) -> str:
    cost = lost.dearest.cost_over_best
    is_range = lost.settings == 1 and cost.low > 1
    return over_the_best(cost.high, cost.low) if is_range else f"up to {over_the_best(cost.high)}"


def _lost_where(lost: LostWhere, settings: int, noun: str = "") -> str:
    """Write `eager, 16 steps`, or in how many settings."""
    shared = sorted(lost.shared.items(), key=lambda item: item[0] in SIZES)
    where = ", ".join(value_in_words(axis, value) for axis, value in shared)
    if not lost.has_no_exception:
        some = f"in {lost.settings} of {settings}{noun}"
        where = f"{where} ({some})" if where else some
    return where


# A row a workload --------------------------------------------------------------------------------


@dataclass(frozen=True)
class AnswerRow:
    """The answer for a workload in words; `is_safe` if what to write was nowhere shown slower.

    `briefly` is the first half of `slower`, for a table that has no room for more.
    """

    workload: str
    write: str
    gain: str
    price: str
    slower: str
    settings: int
    briefly: str = ""
    is_safe: bool = False


def answer_table(found: RunFindings) -> Table:
    """Return what to write for each workload, a row each, without the columns that are empty."""
    baseline = common_baseline(found.answers)
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
    rows = [*_rows(found, baseline)]
    return Table("answer", "What to write", columns, rows).without_empty_columns()


def _rows(found: RunFindings, baseline: str) -> Iterator[AnswerRow]:
    by_workload: dict[str, list[Ranking]] = {}
    for ranking in found.rankings:
        by_workload.setdefault(ranking.setting.workload, []).append(ranking)
    for name, rankings in sorted(by_workload.items()):
        answer = found.answers.get(name)
        yield _row(name, answer, baseline) if answer else _without_contest(name, rankings)


def _without_contest(workload: str, rankings: Sequence[Ranking]) -> AnswerRow:
    names = dict.fromkeys(row.case.strategy for one in rankings for row in one.rows)
    only = f"only {next(iter(names))} was measured" if len(names) == 1 else "nothing to compare"
    return AnswerRow(workload, only if names else "no lift was measured", "", "", "", len(rankings))


def _row(workload: str, answer: Answer, baseline: str) -> AnswerRow:
    return AnswerRow(
        workload=workload,
        write=to_write(answer),
        gain=gains_in_words(answer, baseline),
        price=price(answer),
        slower="; ".join(where_slower(answer)),
        settings=answer.settings,
        briefly=next(where_slower(answer, briefly=True)),
        is_safe=answer.is_never_shown_slower,
    )


# In a setting ------------------------------------------------------------------------------------


def at_setting(ranking: Ranking, best: Recommendation) -> str:
    """Write which strategy to use in a setting, and which were not shown slower either."""
    name = best.strategy
    why = FASTEST if name == ranking.rows[0].case.strategy else LEAST_TO_LOSE
    close = [other for other in ranking.not_shown_slower if other != name]
    return f"{why}: {name}" + (f"; not shown slower: {', '.join(close)}" if close else "")


def cost_in_words(row: RankedCase) -> str:
    strategy, cost = row.case.strategy, row.cost_over_best
    if not cost.is_known:
        return f"what choosing `{strategy}` costs over the best is not known from one launch"
    if cost.low > 1:
        return f"`{strategy}` costs {over_the_best(cost.high, cost.low)}"
    return f"choosing `{strategy}` costs at most {over_the_best(cost.high)}"


def price_sentences(ranking: Ranking, strategy: str) -> Iterator[str]:
    """Write what a strategy costs, if anything, and what the last of the setting does."""
    row, last = ranking.row(strategy), ranking.rows[-1]
    if row.cost_over_best.high > 1:
        yield cost_in_words(row)
    if last.cost_over_best.low > 1 and last is not row:
        yield cost_in_words(last)


# All settings in two sentences -------------------------------------------------------------------


def headline(found: RunFindings) -> str:
    """Write the answer for all settings in one sentence."""
    answer = found.answer
    if answer is None:
        return NOTHING
    name = plain(to_write(answer))
    if not answer.has_verdict:
        return f"{name} looked best{_gained(answer)}, {'; '.join(where_slower(answer))}."
    if answer.suits_few:
        return (
            f"No single strategy suits all {answer.settings} settings: see {_below(answer)} below."
        )
    if answer.strategies == tuple(gain.baseline for gain in answer.gains):
        return f"Keep {name}: nothing is gained over it{_safety(answer, subject='it was ')}."
    gained = _gained(answer)
    return f"Write {name}{gained}{_safety(answer, begins=not gained)}."


def _gained(answer: Answer) -> str:
    """Write how many times as fast the answer is, in which of the settings."""
    gains = [one for one in answer.gains if answer.strategies != (one.baseline,)]
    if not gains:
        return ""
    first, *others = gains
    here = " here" if first.settings == answer.settings > 1 else ""
    some = f" in {first.settings} of {answer.settings} settings"
    where = here or (some if first.settings < answer.settings else "")
    rest = (
        f", {gain_in_words(one, answer)} times as fast as {_name(one.baseline)} in {one.settings}"
        for one in others
    )
    gain, name = gain_in_words(first, answer), _name(first.baseline)
    begun = f": {gain} times as fast as {name}"
    if answer.has_verdict and not (first.faster or first.slower):
        begun = f": not shown to differ from {name}, {gain} times as fast"
    return "".join((begun, where, _shown(first, answer), *rest))


def _shown(gain: Gain, answer: Answer) -> str:
    """Write in how many settings the gain was shown, if not in all that are told of."""
    if not answer.has_verdict or gain.faster in {0, gain.settings}:
        return ""
    whole = gain.settings == answer.settings
    return f", shown in {gain.faster} of {f'{gain.settings} settings' if whole else 'these'}"


def _below(answer: Answer) -> str:
    workloads = {one.setting.workload for part in answer.parts for one in part.rankings}
    return "your workload" if len(workloads) > 1 else "your case"


def _name(baseline: str) -> str:
    return plain(known_as(baseline), NAME_LIMIT)


def _safety(answer: Answer, *, begins: bool = False, subject: str = "") -> str:
    """Write whether the answer was shown slower anywhere, and whether it was measured there."""
    if answer.lost:
        where = f" in {answer.lost.settings} of {answer.settings} settings"
        return f", but {subject}shown slower{where if answer.settings > 1 else ''}"
    text = f"{': ' if begins else ', and '}{subject}never shown slower"
    if not answer.is_tested_everywhere:
        return f"{text}, but not tested in every setting"
    return text if subject else f"{text} than anything else"


def price_sentence(answer: Answer) -> str:
    """Write what the answer costs at most over the best of any setting, and where it loses."""
    if not (answer.has_verdict and math.isfinite(answer.price)):
        return "What it costs over the best is not known from so few launches."
    over = over_the_best(answer.price)
    several = answer.settings > 1
    if not answer.is_bound:
        return f"{'In the worst setting it' if several else 'It'} was seen to cost {over}."
    if answer.lost:
        return _price_of_a_loser(answer, over)
    if answer.price <= 1 and answer.measured == answer.settings:
        return f"It is the best{' in every setting' if several else ''}."
    # a bound from here on says more about the noise than about the strategy
    if answer.price < TIMES:
        return f"It costs at most {over}{', in any setting' if several else ''}."
    return (
        f"What it costs over the best is known no better than up to {over}"
        f"{', in the noisiest setting' if several else ''}; more launches would narrow that."
    )


def _price_of_a_loser(answer: Answer, over: str) -> str:
    """Write what it costs, and where, if one place is known in which it loses."""
    begun = f"It costs at most {over}"
    if answer.suits_few:
        name = plain(to_write(answer))
        begun = f"{name} has the least to lose: it costs at most {over}"
    first, *others = where_slower(answer)
    if answer.lost and answer.lost.shared:
        return f"{begun}. Where it loses: {'; '.join((first, *others))}."
    return f"{'; '.join((begun, *others))}."
