"""Which strategy to use for one setting: where it was measured, else by its neighbours.

A question is a setting and a goal. Where the setting was measured, time has the recommendation that
every report has, and memory and the first call are facts of its cases. Between two measured sizes
the answers at both are told: where they agree, they name one strategy, but neither time nor price.
Beyond what was measured nothing is known.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from timelift.analyse.estimates import Interval
from timelift.analyse.ranking import BASELINES, RankedCase, Ranking, lift_measurements, rank_run
from timelift.analyse.recommend import recommend
from timelift.analyse.results import Run
from timelift.analyse.verdicts import Verdict
from timelift.case import AXES, AXIS_FLAGS, SIZES, Phase, Setting, option_flag
from timelift.errors import UserError, nearest
from timelift.measurement import Measurement, fact_or_bound


class Goal(StrEnum):
    TIME = "time"
    MEMORY = "memory"
    FIRST_CALL = "first-call"


#: An answer that may cost more than this over the best is none.
DEAREST = 1.10
#: The fact that a goal asks for, its name in words, and the ratio below which two are not told
#: apart.
_FACTS = {
    Goal.MEMORY: ("peak_bytes", "peak memory", 1.05),
    Goal.FIRST_CALL: ("first_call_seconds", "first call", 1.25),
}
_LARGEST_SIZE, _MOST_DIGITS = 2**31 - 1, 12


# The question ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Question:
    setting: Setting
    goal: Goal


def ask(words: Mapping[str, str], goal: str, run: Run, workloads: Iterable[str] = ()) -> Question:
    """Return the question of a command line's words, by axis, to a run.

    An axis that is not asked about has its usual value, or the only one that was measured.
    `workloads` are those that could be measured. Raises UserError naming the option that is wrong.
    """
    asked = {axis: _read(axis, words[axis]) for axis in AXES if words.get(axis)}
    wanted = _member("goal", goal, Goal)
    settings = [one.case.setting for one in run.measurements if one.was_measured]
    settings = settings or [one.case.setting for one in run.measurements]
    if "workload" in asked:
        _check_workload(asked["workload"], settings, workloads)
    values: dict[str, Any] = {}
    for axis in AXES:
        values[axis] = asked[axis] if axis in asked else _usual(axis, settings)
        settings = [one for one in settings if getattr(one, axis) == values[axis]] or settings
    return Question(Setting(**values), wanted)


def _read(axis: str, text: str) -> Any:
    kind = AXES[axis]
    if kind is int:
        least = 0 if axis == "threads" else 1
        short = text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS
        if short and least <= int(text) <= _LARGEST_SIZE:
            return int(text)
        raise UserError(
            f"{AXIS_FLAGS[axis]}: expected a whole number from {least}, received {text!r:.40}"
        )
    return text if kind is str else _member(axis, text, kind)


def _member(option: str, text: str, kind: Any) -> Any:
    try:
        return kind(text)
    except ValueError:
        flag = AXIS_FLAGS.get(option, option_flag(option))
        raise UserError(f"{flag}: unknown value {text!r}; {nearest(text, kind)}") from None


def _usual(axis: str, settings: Sequence[Setting]) -> Any:
    """Return the usual value of an axis if it was measured, or else the only one that was."""
    measured = sorted({getattr(one, axis) for one in settings})
    if axis not in {"workload", *SIZES}:
        phase = Phase.BACKWARD if axis == "gradients" else Phase.FORWARD
        usual = getattr(Setting("", 1, 1, phase), axis)
        if usual in measured:
            return usual
    if len(measured) == 1:
        return measured[0]
    raise UserError(
        f"expected {AXIS_FLAGS[axis]}, since the run has several: {', '.join(map(str, measured))}"
    )


def _check_workload(name: str, settings: Iterable[Setting], workloads: Iterable[str]) -> None:
    measured = {one.workload for one in settings}
    others = set(workloads) - measured
    if name not in measured | others:
        hint = nearest(name, measured, not_in_run=others)
        raise UserError(f"--workloads: unknown workload {name!r}; {hint}")


# The answer --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Alternative:
    """How many times the chosen strategy's value another one takes.

    `costs_more` if it is known to take more.
    """

    strategy: str
    ratio: Interval
    costs_more: bool


@dataclass(frozen=True)
class Choice:
    """The answer at a measured setting: a row of its ranking, and what the others take.

    `estimate` is in seconds or bytes, with an interval where it is a time; it is below that where
    `is_bound`. `price` is the most that it costs over the best, as a ratio; NaN where nothing is
    claimed.
    """

    ranking: Ranking
    row: RankedCase
    launches: int
    estimate: Interval
    others: tuple[Alternative, ...]
    price: float = math.nan
    is_bound: bool = False

    @property
    def strategy(self) -> str:
        return self.row.case.strategy

    @property
    def setting(self) -> Setting:
        return self.ranking.setting

    @property
    def is_fastest(self) -> bool:
        """False if another strategy took less time, even where this one has less to lose."""
        return self.row is self.ranking.rows[0]


@dataclass(frozen=True)
class Undecided:
    """No answer: why, and between which strategies, if that is known.

    `longer` if only a long run may decide. `neighbours` are what answers at the measured sizes on
    both sides, where these do not name one strategy.
    """

    why: str
    between: tuple[str, ...] = ()
    longer: bool = False
    neighbours: tuple[tuple[Setting, "Choice | Undecided"], ...] = ()


# The decision ------------------------------------------------------------------------------------


def decide(
    question: Question, run: Run, relative_to: Sequence[str] = BASELINES
) -> tuple[Choice, ...] | Undecided:
    """Choose a strategy: one choice where its setting was measured, or the two on both sides of it.

    The first of `relative_to` that was measured is the baseline.
    """
    rankings = {one.setting: one for one in rank_run(run, relative_to) if one.rows}
    measured = [rival for rival in lift_measurements(run) if rival.was_measured]

    def choice_at(setting: Setting) -> Choice | Undecided:
        rivals = [rival for rival in measured if rival.case.setting == setting]
        return _choose(rankings[setting], question.goal, rivals)

    asked = question.setting
    if asked in rankings:
        choice = choice_at(asked)
        return choice if isinstance(choice, Undecided) else (choice,)
    for axis in SIZES:
        size = getattr(asked, axis)
        line = [place for place in rankings if _without(place, axis) == _without(asked, axis)]
        before = [place for place in line if getattr(place, axis) < size]
        after = [place for place in line if getattr(place, axis) > size]
        if before and after:
            return _between({side: choice_at(side) for side in (max(before), min(after))})
    return Undecided(_why_outside(asked, rankings))


def _without(setting: Setting, *axes: str) -> Setting:
    nothing: dict[str, Any] = dict.fromkeys(axes, 0)
    return replace(setting, **nothing)


def _between(answers: Mapping[Setting, Choice | Undecided]) -> tuple[Choice, ...] | Undecided:
    """Return the choices on both sides where these are one strategy."""
    choices = tuple(one for one in answers.values() if isinstance(one, Choice))
    if len(choices) == len(answers) and len({one.strategy for one in choices}) == 1:
        return choices
    why = (
        "neither of the measured sizes on both sides of it is decided",
        "one of the measured sizes on both sides of it is not decided",
        "the measured sizes on both sides of it do not agree",
    )
    return Undecided(why[len(choices)], neighbours=tuple(answers.items()))


def _why_outside(asked: Setting, measured: Iterable[Setting]) -> str:
    elsewhere = _without(asked, *SIZES)
    near = [setting for setting in measured if _without(setting, *SIZES) == elsewhere]
    if not near:
        return "this workload, phase and execution were not measured at any size"
    lengths, batches = {setting.seq_len for setting in near}, {setting.batch for setting in near}
    sizes = ((lengths, asked.seq_len), (batches, asked.batch))
    if all(min(measured) <= size <= max(measured) for measured, size in sizes):
        return "no measured sizes lie on both sides of it along one axis"
    steps = "step" if max(lengths) == 1 else "steps"
    return (
        f"{_range(lengths)} {steps} and batch {_range(batches)} were measured, and nothing is "
        "extrapolated"
    )


def _range(sizes: set[int]) -> str:
    return f"{min(sizes)} to {max(sizes)}" if len(sizes) > 1 else str(min(sizes))


def _choose(ranking: Ranking, goal: Goal, rivals: Sequence[Measurement]) -> Choice | Undecided:
    """Return the answer at a measured setting; `rivals` are the measurements of its ranking."""
    if not ranking.is_contest:
        return Undecided("a strategy was measured alone, beside no other")
    return _by_time(ranking) if goal is Goal.TIME else _by_fact(ranking, goal, rivals)


def _by_time(ranking: Ranking) -> Choice | Undecided:
    best = recommend([ranking])
    if best is None or not best.price.is_bound:
        return Undecided("one launch is no verdict")
    name, price = best.strategy, best.price.ratio
    close = [other for other in ranking.not_shown_slower if other != name]
    if price > DEAREST:
        why = f"the first of them may cost more than {100 * (DEAREST - 1):.0f} % over the best"
        return Undecided(why, (name, *close) if close else (), longer=True)
    own = ranking.row(name)
    others = tuple(
        _alternative(row, own, close, ranking.baseline) for row in ranking.rows if row is not own
    )
    return Choice(ranking, own, own.launches, own.seconds_per_call, others, price)


def _alternative(
    row: RankedCase, own: RankedCase, close: Sequence[str], baseline: str
) -> Alternative:
    """Return what a rival takes beside the chosen one: no more for sure, if none showed it slower.

    Beside the baseline that is the speed-up, with its verdict. All intervals to the fastest hold at
    once, so beside any other the ends of two are divided.
    """
    name = row.case.strategy
    speed_up = own.speed_up
    if name == baseline and speed_up and speed_up.is_known:
        return Alternative(name, speed_up, speed_up.verdict is Verdict.FASTER)
    low, high = row.ratio.low / own.ratio.high, row.ratio.high / own.ratio.low
    ratio = row.ratio.value / own.ratio.value
    return _beside(name, Interval(ratio, min(low, 1.0) if name in close else low, high))


def _beside(strategy: str, ratio: Interval) -> Alternative:
    return Alternative(strategy, ratio, ratio.low > 1)


def _by_fact(ranking: Ranking, goal: Goal, rivals: Sequence[Measurement]) -> Choice | Undecided:
    """Answer by a fact of each case; one that is too little to be read counts as its bound."""
    fact, called, alike = _FACTS[goal]
    read = {rival.case.strategy: fact_or_bound(rival, fact) for rival in rivals}
    values = {name: value for name, (value, _) in read.items() if value and value > 0}
    if len(values) < 2:  # noqa: PLR2004
        return Undecided(f"{called} is known of fewer than two strategies")
    if missing := sorted(read.keys() - values.keys()):
        names = ", ".join(missing)
        return Undecided(f"{called} of {names} is not known, and may be the least")
    name = min(sorted(values), key=values.__getitem__)
    is_bound = read[name][1]
    ratios = {other: value / values[name] for other, value in values.items() if other != name}
    others = (  # beside a bound it is not known how many times it is at most
        _beside(other, Interval(ratio, ratio / alike, math.inf if is_bound else ratio * alike))
        for other, ratio in sorted(ratios.items(), key=lambda item: item[1])
    )
    own = next(rival for rival in rivals if rival.case.strategy == name)
    launches = sum(launch.facts.number_or_bound(fact) is not None for launch in own.launches)
    return Choice(
        ranking,
        ranking.row(name),
        launches,
        Interval(values[name]),
        tuple(others),
        is_bound=is_bound,
    )
