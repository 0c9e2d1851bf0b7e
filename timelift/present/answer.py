"""The answer of a run in words: the strategy to write, its gain, its price, where it is slower.

Names inside are as the file wrote them: a renderer escapes them for its place.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from timelift.analyse.estimates import Interval
from timelift.analyse.findings import RunFindings
from timelift.analyse.ranking import RankedCase, Ranking, SpeedUp
from timelift.analyse.recommend import Gain, LostWhere, Places, Recommendation, recommend
from timelift.axis_values import UNSERVED, Runtime, Status
from timelift.case import AXES, SIZES
from timelift.errors import counted, first_few
from timelift.escape import NAME_LIMIT, plain
from timelift.inner_layer import TIME_DISTRIBUTED
from timelift.journal.lines import AS_WRITTEN
from timelift.present import words
from timelift.present.beside import first_call, in_fit
from timelift.present.tables import Column, Table

#: Labels of the recommended strategy of a setting: if it has the shortest time, and if not.
FASTEST, KEPT, LEAST_TO_LOSE = "fastest", "the one to keep", "least to lose"
_KNOWN_AS = {TIME_DISTRIBUTED: "TimeDistributed", AS_WRITTEN: "the model as written"}
#: The word for a run that gives no answer, in every command.
NOT_DECIDED = "Not decided"
_NOT_SHOWN = "not shown"
#: Characters after which a cell of the table is cut.
_LONGEST_CELL = 200
#: The most machines, backends or runtimes that the headline names.
_MOST_PLACES = 4


# What is gained ----------------------------------------------------------------------------------


def _common_baseline(findings: RunFindings) -> str:
    """Return the baseline of most settings, or ''."""
    settings = Counter(ranking.baseline for ranking in findings.contests if ranking.baseline)
    return max(settings, key=settings.__getitem__, default="")


def known_as(baseline: str) -> str:
    """Return what a baseline is called, which Keras or a user has written, else its own name."""
    return _KNOWN_AS.get(baseline, baseline)


def _gains_in_words(answer: Recommendation, baseline: str) -> str:
    """Write how many times as fast as each baseline the answer is; `baseline` stays unnamed."""
    gains = sorted(answer.gains, key=lambda gain: gain.baseline != baseline)
    return "; ".join(
        _gain(gain, answer)
        if gain.baseline == baseline
        else f"{gain.baseline}: {_gain(gain, answer)}"
        for gain in gains
    )


def _gain(gain: Gain, answer: Recommendation) -> str:
    if answer.strategy == gain.baseline:
        return "itself"
    text = _gain_in_words(gain, answer, is_brief=True)
    where = f", in {gain.settings} of {answer.settings}" if gain.settings < answer.settings else ""
    return f"{text}{where}{_doubt(gain, answer)}"


def _doubt(gain: Gain, answer: Recommendation) -> str:
    """Write, after a comma, that a gain is not shown; '' where it is, or where no row is judged."""
    if gain.faster or gain.slower or not answer.has_verdict:
        return ""
    return ", not shown to differ"


def _only_speed_up(gain: Gain, answer: Recommendation) -> SpeedUp | None:
    """Return the speed-up of the answer's single setting; None if it has several."""
    return answer.rows[0][1].speed_up if gain.settings == 1 == answer.settings else None


def _gain_in_words(gain: Gain, answer: Recommendation, *, is_brief: bool = False) -> str:
    """Write a gain: what is typical of settings with its bound, or the interval of a single one."""
    if speed_up := _only_speed_up(gain, answer):
        return speed_up_in_words(speed_up)
    if math.isnan(gain.bound):
        return words.times(gain.typical)
    bound = f"at least {words.times_at_least(gain.bound)}"
    return bound if is_brief else f"{words.times(gain.typical)}, {bound}"


def speed_up_in_words(speed_up: SpeedUp) -> str:
    """Write a speed-up with its interval, unless that is unknown or written like the value."""
    return words.with_interval(speed_up, words.times)


# What it costs, and where it loses ---------------------------------------------------------------


def _price_in_words(answer: Recommendation) -> str:
    """Write the most that the answer costs; too few launches would give a wild bound."""
    if not answer.has_verdict:
        return "unknown"
    return f"{words.at_most(answer.price.ratio)}{'' if answer.price.is_bound else ', seen'}"


def where_slower(answer: Recommendation, *, is_brief: bool = False) -> Iterator[str]:
    """Yield where another is shown faster than the answer, then where it was not measured."""
    if not answer.has_verdict:
        launches = min(row.launches for _, row in answer.rows)
        count = "one launch" if launches == 1 else counted(launches, "launch")
        yield f"seen in {count}: no verdict"
    elif lost := answer.lost:
        where = f"in {lost.settings} of {answer.settings} settings"
        yield where if is_brief else _lost_in_words(lost, answer)
    elif answer.is_tested_everywhere:
        yield _NOT_SHOWN
    else:
        yield f"{_NOT_SHOWN}, but not tested in every setting"
    if missing := answer.settings - answer.price.settings:
        yield f"not measured in {missing} of {answer.settings} settings"


def _lost_in_words(lost: LostWhere, answer: Recommendation) -> str:
    """Write `in 2 of 8 settings (eager, 16 steps), by up to 16 %, fastest there: native`.

    What it costs there is left out where it is the most that it costs anywhere.
    """
    cost = lost.row.cost_at_most
    if answer.settings == 1:
        return f"by up to {words.at_most(cost)}"
    shared = sorted(lost.shared.items(), key=lambda item: item[0] in SIZES)
    values = ", ".join(words.value_in_words(axis, value) for axis, value in shared)
    parts = [f"in {lost.settings} of {answer.settings} settings{f' ({values})' if values else ''}"]
    if cost < answer.price.ratio:
        parts.append(f"by up to {words.at_most(cost)}")
    if lost.fastest:
        parts.append(f"fastest there: {lost.fastest}")
    return ", ".join(parts)


# A row a workload --------------------------------------------------------------------------------


@dataclass(frozen=True)
class AnswerRow:
    """The answer for a workload in words, in a place of several; `is_safe` if never slower."""

    workload: str
    place: str
    write: str
    gain: str
    tomorrow: str
    price: str
    slower: str
    settings: int
    is_safe: bool = False


def answer_table(findings: RunFindings) -> Table:
    """Return a row a workload and place (machine, backend), the most settings first."""
    baseline = _common_baseline(findings)
    columns = (
        Column("workload"),
        Column("place", words.axis_title(findings.places.axis)),
        Column("write", style=lambda row: "bold green" if row.is_safe else "bold yellow"),
        Column(
            "gain",
            f"times as fast as {known_as(baseline)}" if baseline else "speed-up",
            drop_order=1,
            limit=_LONGEST_CELL,
        ),
        Column("tomorrow", "a run tomorrow", drop_order=3),
        Column("price", "costs over the best, at most", drop_order=2),
        Column("slower", "another faster", limit=_LONGEST_CELL),
    )
    rows = sorted(_rows(findings, baseline), key=lambda row: -row.settings)  # else by name
    return Table("answer", "What to write", columns, rows).without_empty_columns()


def _rows(findings: RunFindings, baseline: str) -> Iterator[AnswerRow]:
    axis, groups = findings.places.axis, defaultdict[tuple[str, str], list[Ranking]](list)
    for ranking in findings.rankings:
        place = _place(axis, getattr(ranking.setting, axis)) if axis else ""
        groups[ranking.setting.workload, place].append(ranking)
    for key, rankings in sorted(groups.items()):
        answer = recommend(rankings)
        yield _row(key, answer, findings, baseline) if answer else _without_contest(key, rankings)


def _place(axis: str, value: object) -> str:
    return plain(words.value_in_words(axis, value), NAME_LIMIT)


def _without_contest(key: tuple[str, str], rankings: Sequence[Ranking]) -> AnswerRow:
    names = dict.fromkeys(row.case.strategy for ranking in rankings for row in ranking.rows)
    only = f"only {next(iter(names))} was measured" if len(names) == 1 else "nothing to compare"
    return AnswerRow(*key, only if names else "no lift was measured", "", "", "", "", len(rankings))


def _row(
    key: tuple[str, str], answer: Recommendation, findings: RunFindings, baseline: str
) -> AnswerRow:
    return AnswerRow(
        *key,
        write=answer.strategy,
        gain=_gains_in_words(answer, baseline),
        tomorrow=_tomorrow(answer, findings),
        price=_price_in_words(answer),
        slower="; ".join(where_slower(answer)),
        settings=answer.settings,
        is_safe=answer.is_never_shown_slower,
    )


def _first_and_last(places: Sequence[str]) -> Iterator[str]:
    """Yield all places but the last, joined, and the last; more than a few are counted."""
    if len(places) > _MOST_PLACES:
        yield first_few(places, _MOST_PLACES)
    else:
        yield from filter(None, (", ".join(places[:-1]), places[-1]))


# In a setting ------------------------------------------------------------------------------------


def recommended_in_words(ranking: Ranking, best: Recommendation) -> str:
    """Write the recommended strategy of a setting, and which others were not shown slower."""
    name, label = best.strategy, label_of(best.strategy, ranking)
    ties = [other for other in ranking.not_shown_slower if other != name]
    others = f"; not shown slower: {', '.join(ties)}" if ties else ""
    return f"{label}: {name}{others}"


def label_of(strategy: str, ranking: Ranking) -> str:
    """Return how the recommended strategy of a setting is introduced."""
    if strategy == ranking.rows[0].case.strategy:
        return FASTEST
    is_kept = strategy == ranking.baseline and ranking.row(strategy).rank_low == 1
    return KEPT if is_kept else LEAST_TO_LOSE


def cost_in_words(row: RankedCase) -> str:
    strategy, cost = row.case.strategy, row.cost_over_best
    if cost.low > 1:
        return f"`{strategy}` costs {words.over_the_best(cost.high, cost.low)}"
    return f"choosing `{strategy}` costs at most {words.over_the_best(cost.high)}"


# All settings in two sentences -------------------------------------------------------------------


def headline(findings: RunFindings) -> str:
    """Write the answer for all settings, and runtimes that serve few, if not these are the answer.

    They are where nothing is left to compare.
    """
    few = [*_serving_few(findings)]
    compared = [] if few and not findings.answer else [_compared(findings)]
    return " ".join([*compared, *few])


def _serving_few(findings: RunFindings) -> Iterator[str]:
    served, statuses = defaultdict[Runtime, set[str]](set), defaultdict[Runtime, set[Status]](set)
    for case, measurement in findings.run.by_case.items():
        statuses[case.setting.runtime].add(measurement.status)
        if measurement.was_measured:
            served[case.setting.runtime].add(case.strategy)
    for runtime in Runtime:
        names, place = served[runtime], _place("runtime", runtime)
        others = statuses[runtime] - UNSERVED - {Status.MEASURED, Status.REFUSED}
        if others or not statuses[runtime] & UNSERVED:
            continue
        if not names:
            yield f"{place} serves none of these strategies."
        elif len(names) == 1:
            yield f"{place} serves {plain(next(iter(names)), NAME_LIMIT)} alone."


def _compared(findings: RunFindings) -> str:
    answer = findings.answer
    if answer is None:
        return "No two strategies were measured in one setting, so there is nothing to compare yet."
    axis, answers, _ = findings.places
    if not answers:
        where, runtimes = "", {ranking.setting.runtime for ranking in findings.contests}
        if max(findings.machines.values()) == 2:  # noqa: PLR2004
            where = " on these two machines"
        elif len(runtimes) == 1 and Runtime.KERAS not in runtimes:
            where = f" {AXES['runtime'].condition.format(_place('runtime', *runtimes))}"
        return in_one_sentence(answer).replace(": ", f"{where}: ", 1)
    is_decided = all(own.is_decided for own in answers.values())
    verb = "Write" if is_decided else f"{NOT_DECIDED}: looked best were"
    places = defaultdict[str, list[str]](list)
    for place, own in answers.items():
        places[plain(own.strategy, NAME_LIMIT)].append(_place(axis, place))
    names = [
        f"{name} {AXES[axis].condition.format(' and '.join(_first_and_last(where)))}"
        for name, where in places.items()
    ]
    return f"{verb} {first_few(names, _MOST_PLACES)}."


def in_one_sentence(answer: Recommendation) -> str:
    """Write the strategy to use, what it gains, and what it costs at most, and where.

    A strategy that is kept has no gain; its price is told as what a change could gain.
    """
    name, gained = _name(answer.strategy), _gained(answer)
    if not answer.has_verdict:
        told = ", ".join(filter(None, (gained, *where_slower(answer))))
        return f"{NOT_DECIDED}: {name} looked best, {told}."
    if answer.is_never_beaten and answer.price.ratio > 1:
        lead, than = (f"Keep {name}", "") if answer.is_decided else (NOT_DECIDED, f" than {name}")
        left = f"{words.at_most(answer.price.ratio)} to gain{_dearest(answer)}"
        return f"{lead}: nothing is shown faster{than}; at most {left}."
    priced = _priced(answer) if answer.is_decided or answer.price.ratio > 1 else ""
    told = "; ".join(filter(None, (gained, priced)))
    if not answer.is_decided:
        return f"{NOT_DECIDED}: {name} looked best, {told}."
    return f"{'Keep' if answer.is_the_baseline else 'Write'} {name}: {told}."


def _tomorrow(answer: Recommendation, findings: RunFindings) -> str:
    """Write the range of one setting, or the least low end of several; '' if one is unknown."""
    gains = answer.other_gains
    rows = [row for ranking, row in answer.rows if gains and ranking.baseline == gains[0].baseline]
    ranges = [findings.tomorrow(row) or Interval(math.nan) for row in rows]
    if len(ranges) == 1:
        return words.from_low_to_high(*ranges)
    lows = [own.low for own in ranges]
    is_known = lows and all(map(math.isfinite, lows))
    return f"at least {words.times_at_least(min(lows))}" if is_known else ""


def safety(findings: RunFindings) -> str:
    """Write a first call that decides, the gain in `fit`, a run tomorrow, and any loss, or ''."""
    answer = findings.answer
    if answer is None or not answer.has_verdict:
        return ""
    is_told = answer.lost or (answer.is_decided and not answer.is_never_beaten)
    is_told_below = len(findings.answers) > 1
    slower = "; ".join(where_slower(answer, is_brief=is_told_below))
    none = f"no other is shown faster{slower.removeprefix(_NOT_SHOWN)}"
    told = f"another is shown faster {slower}" if answer.lost else none
    text = f"{_faster_in_some(answer)}{told}."
    shown = [f"{text[0].upper()}{text[1:]}"] if is_told else []
    if range_ := _tomorrow(answer, findings):
        shown = [f"A run tomorrow: {range_} times as fast.", *shown]
    for_all = [*first_call(findings), *in_fit(findings), *shown]
    for_all = [] if findings.places.answers else for_all
    return " ".join([*for_all, *_disagreement(findings.places)])


def _disagreement(places: Places) -> Iterator[str]:
    """Yield in how many settings machines, backends or runtimes disagree; nothing of one alone."""
    axis, _, settings = places
    lost = [(*pair, setting) for setting, pair in settings.items() if pair]
    if not settings:
        return
    if not lost:
        another = AXES[axis].condition.format("another")
        yield f"The {axis}s disagree in no setting: no fastest of one is shown slower {another}."
        return
    row, elsewhere, setting = max(lost, key=lambda each: each[0].cost_at_most)
    here, there = (
        AXES[axis].condition.format(_place(axis, getattr(each, axis)))
        for each in (row.case.setting, elsewhere)
    )
    yield (
        f"The {axis}s disagree in {len(lost)} of {counted(len(settings), 'setting')}: "
        f"{plain(row.case.strategy, NAME_LIMIT)}, the fastest {there}, costs up to "
        f"{words.over_the_best(row.cost_at_most)} {here} in {plain(setting.label)}."
    )


def _faster_in_some(answer: Recommendation) -> str:
    """Write, with a semicolon, where a gain was shown; '' if in all settings or in none."""
    gain = next(iter(answer.other_gains), None)
    if gain is None or gain.faster in {0, gain.settings}:
        return ""
    where = f"in {gain.faster} of {answer.settings} settings"
    return f"shown faster than {_name(gain.baseline)} {where}; "


def _gained(answer: Recommendation) -> str:
    gains = answer.other_gains
    if not gains:
        return ""
    first, *others = gains
    is_part = first.settings < answer.settings
    where = f" in {first.settings} of {answer.settings} settings" if is_part else ""
    rest = (f", {_as_fast(gain, answer)} in {gain.settings}" for gain in others)
    return "".join((_as_fast(first, answer), where, _doubt(first, answer), *rest))


def _as_fast(gain: Gain, answer: Recommendation) -> str:
    typically = "typically " if gain.settings > 1 else ""
    return f"{typically}{_gain_in_words(gain, answer)} times as fast as {_name(gain.baseline)}"


def _name(baseline: str) -> str:
    return plain(known_as(baseline), NAME_LIMIT)


def _priced(answer: Recommendation) -> str:
    """Write the most that it costs over the best, and in which setting."""
    price, several = answer.price, answer.settings > 1
    if not math.isfinite(price.ratio):
        return "what it costs over the best is not known from so few launches"
    if price.ratio <= 1:
        where = f"{price.settings} of {answer.settings} settings"
        where = "every setting" if price.settings == answer.settings else where
        return f"the best in {where}" if several else "the best"
    costs = "at most" if price.is_bound else "seen to cost"
    return f"{costs} {words.over_the_best(price.ratio)}{_dearest(answer)}"


def _dearest(answer: Recommendation) -> str:
    """Write, after a comma, the setting of several in which the answer may cost the most."""
    return f", in {plain(answer.dearest_setting.label)}" if answer.settings > 1 else ""
