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

from timelift.analyse import lifts
from timelift.analyse.estimates import Interval
from timelift.analyse.measurement import Measurement, Run, fact_or_bound
from timelift.analyse.ranking import BASELINES, RankedCase, Ranking, SpeedUp
from timelift.analyse.recommend import recommend
from timelift.analyse.verdicts import Verdict
from timelift.case import AXES, AXIS_FLAGS, SIZES, Phase, Setting, option_flag
from timelift.errors import UserError, nearest


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
class ChooseQuestion:
    setting: Setting
    goal: Goal


def options_to_repeat(run: Run) -> dict[str, str]:
    """Return the options of a run without which its workload would be another."""
    return {name: value for name, value in run.header.layer_options.items() if value}


def ask(
    asked: Mapping[str, str], goal: str, run: Run, workloads: Iterable[str] = ()
) -> ChooseQuestion:
    """Return the words of a command line as a question to a run.

    An axis that is not asked about has its usual value, or the only one that was measured.
    `workloads` are those that could be measured. Raises UserError naming the option that is wrong.
    """
    given = {name: _read(name, asked[name]) for name in AXES if asked.get(name)}
    wanted = _member("goal", goal, Goal)
    known = [one.case.setting for one in run.measurements if one.was_measured]
    known = known or [one.case.setting for one in run.measurements]
    if "workload" in given:
        _check_workload(given["workload"], known, workloads)
    values: dict[str, Any] = {}
    for name in AXES:
        values[name] = given[name] if name in given else _usual(name, known)
        known = [one for one in known if getattr(one, name) == values[name]] or known
    return ChooseQuestion(Setting(**values), wanted)


def _read(name: str, text: str) -> Any:
    kind = AXES[name]
    if kind is int:
        least = 0 if name == "threads" else 1
        short = text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS
        if short and least <= int(text) <= _LARGEST_SIZE:
            return int(text)
        raise UserError(
            f"{AXIS_FLAGS[name]}: expected a whole number from {least}, received {text!r:.40}"
        )
    return text if kind is str else _member(name, text, kind)


def _member(name: str, text: str, kind: Any) -> Any:
    try:
        return kind(text)
    except ValueError:
        flag = AXIS_FLAGS.get(name, option_flag(name))
        raise UserError(f"{flag}: unknown value {text!r}; {nearest(text, kind)}") from None


def _usual(name: str, known: Sequence[Setting]) -> Any:
    measured = sorted({getattr(one, name) for one in known})
    phase = Phase.BACKWARD if name == "gradients" else Phase.FORWARD
    sized = name in {"workload", *SIZES}
    usual = None if sized else getattr(Setting("", 1, 1, phase), name)
    if usual in measured or len(measured) == 1:
        return usual if usual in measured else measured[0]
    raise UserError(
        f"expected {AXIS_FLAGS[name]}, since the run has several: {', '.join(map(str, measured))}"
    )


def _check_workload(name: str, known: Iterable[Setting], workloads: Iterable[str]) -> None:
    measured = {one.workload for one in known}
    others = set(workloads) - measured
    if name not in measured | others:
        hint = nearest(name, measured, not_in_run=others)
        raise UserError(f"--workloads: unknown workload {name!r}; {hint}")


# The answer --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Alternative:
    """How many times the chosen strategy's value another one takes.

    `shown` is what a verdict says of whether it takes more; without one, None, the interval does.
    """

    strategy: str
    ratio: Interval
    shown: bool | None = None

    @property
    def costs_more(self) -> bool:
        """True if it is known to cost more than the chosen one."""
        return self.ratio.low > 1 if self.shown is None else self.shown


@dataclass(frozen=True)
class Choice:
    """The answer at a measured setting: a strategy, its estimate, and what the others take.

    `estimate` is in seconds or bytes, with an interval where it is a time; it is below that where
    `is_bound`. `price` is the most that it costs over the best, as a ratio; NaN
    where nothing is claimed. `is_fastest` is false where another strategy took less time and this
    one has less to lose. `speed_up` is over `baseline`, None where no baseline was measured. The
    peak is below `peak_bytes` where that `is_peak_bound`.
    """

    setting: Setting
    strategy: str
    launches: int
    estimate: Interval
    price: float = math.nan
    others: tuple[Alternative, ...] = ()
    is_fastest: bool = True
    is_bound: bool = False
    baseline: str = ""
    speed_up: SpeedUp | None = None
    first_call_seconds: float = math.nan
    peak_bytes: float = math.nan
    is_peak_bound: bool = False

    @property
    def not_shown_to_cost_more(self) -> tuple[Alternative, ...]:
        return tuple(one for one in self.others if not one.costs_more)

    @property
    def costing_more(self) -> tuple[Alternative, ...]:
        return tuple(one for one in self.others if one.costs_more)


@dataclass(frozen=True)
class Agreed:
    """The same strategy answers at both measured sizes beside the one asked for, along `axis`."""

    axis: str
    choices: tuple[Choice, Choice]

    @property
    def strategy(self) -> str:
        return self.choices[0].strategy


@dataclass(frozen=True)
class Undecided:
    """No answer: why, and between which strategies, if that is known.

    `longer` if only a long run may decide. `neighbours` are what answers at the measured sizes on
    both sides along `axis`, where these do not name one strategy.
    """

    why: str
    between: tuple[str, ...] = ()
    longer: bool = False
    axis: str = ""
    neighbours: tuple[tuple[Setting, "Choice | Undecided"], ...] = ()


# The decision ------------------------------------------------------------------------------------


def decide(
    question: ChooseQuestion, run: Run, relative_to: Sequence[str] = BASELINES
) -> Choice | Agreed | Undecided:
    """Choose a strategy; the first of `relative_to` that was measured is its baseline."""
    ranked = lifts.rank_run(run, relative_to)
    rankings = {ranking.setting: ranking for ranking in ranked if ranking.rows}
    measured = [rival for rival in lifts.lift_measurements(run) if rival.was_measured]
    asked = question.setting
    if asked in rankings:
        return _at(rankings[asked], question.goal, measured)
    for axis in SIZES:
        size = getattr(asked, axis)
        line = [place for place in rankings if _without(place, axis) == _without(asked, axis)]
        before = [place for place in line if getattr(place, axis) < size]
        after = [place for place in line if getattr(place, axis) > size]
        if before and after:
            sides = (max(before), min(after))
            answers = [_at(rankings[side], question.goal, measured) for side in sides]
            return _between(axis, sides, answers)
    return Undecided(_why_outside(asked, rankings))


def _without(setting: Setting, *axes: str) -> Setting:
    nothing: dict[str, Any] = dict.fromkeys(axes, 0)
    return replace(setting, **nothing)


def _between(
    axis: str, sides: Sequence[Setting], answers: Sequence[Choice | Undecided]
) -> Agreed | Undecided:
    first, last = answers
    if isinstance(first, Choice) and isinstance(last, Choice) and first.strategy == last.strategy:
        return Agreed(axis, (first, last))
    neighbours = tuple(zip(sides, answers, strict=True))
    decided = sum(isinstance(one, Choice) for one in answers)
    why = (
        "neither of the measured sizes on both sides of it is decided",
        "one of the measured sizes on both sides of it is not decided",
        "the measured sizes on both sides of it do not agree",
    )
    return Undecided(why[decided], axis=axis, neighbours=neighbours)


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


def _at(ranking: Ranking, goal: Goal, measured: Sequence[Measurement]) -> Choice | Undecided:
    """Return the answer at a measured setting, with what is known of it beside its value."""
    if not ranking.is_contest:
        return Undecided("a strategy was measured alone, beside no other")
    rivals = [rival for rival in measured if rival.case.setting == ranking.setting]
    answer = _by_time(ranking) if goal is Goal.TIME else _by_fact(goal, ranking.setting, rivals)
    if isinstance(answer, Undecided):
        return answer
    own = next(rival for rival in rivals if rival.case.strategy == answer.strategy)
    peak, is_bound = fact_or_bound(own, "peak_bytes")
    first_call, _ = fact_or_bound(own, "first_call_seconds")
    return replace(
        answer,
        baseline=ranking.baseline,
        speed_up=ranking.row(answer.strategy).speed_up,
        first_call_seconds=math.nan if first_call is None else first_call,
        peak_bytes=math.nan if peak is None else peak,
        is_peak_bound=is_bound,
    )


def _by_time(ranking: Ranking) -> Choice | Undecided:
    best = recommend([ranking])
    if best is None or not best.is_answer:
        return Undecided("one launch is no verdict")
    name, price = best.strategy, best.price.ratio
    close = [other for other in ranking.not_shown_slower if other != name]
    if price > DEAREST:
        why = f"the first of them may cost more than {100 * (DEAREST - 1):.0f} % over the best"
        return Undecided(why, (name, *close) if close else (), longer=True)
    own = ranking.row(name)
    others = (_alternative(row, own, close, ranking.baseline) for row in ranking.rows)
    return Choice(
        ranking.setting,
        name,
        own.launches,
        own.seconds_per_call,
        price,
        tuple(other for other in others if other.strategy != name),
        is_fastest=own is ranking.rows[0],
    )


def _alternative(
    row: RankedCase, own: RankedCase, close: Sequence[str], baseline: str
) -> Alternative:
    """Return what a rival takes beside the chosen one: no more for sure, if none showed it slower.

    Beside the baseline that is the speed-up, with its verdict. All intervals to the fastest hold at
    once, so beside any other the ends of two are divided.
    """
    name = row.case.strategy
    beside = own.speed_up
    if name == baseline and beside and beside.is_known:
        return Alternative(name, beside, beside.verdict is Verdict.FASTER)
    theirs, ours = row.ratio, own.ratio
    low, high = theirs.low / ours.high, theirs.high / ours.low
    ratio = Interval(theirs.value / ours.value, min(low, 1.0) if name in close else low, high)
    return Alternative(name, ratio)


def _by_fact(goal: Goal, setting: Setting, rivals: Sequence[Measurement]) -> Choice | Undecided:
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
        Alternative(other, Interval(ratio, ratio / alike, math.inf if is_bound else ratio * alike))
        for other, ratio in sorted(ratios.items(), key=lambda item: item[1])
    )
    own = next(rival for rival in rivals if rival.case.strategy == name)
    launches = sum(launch.facts.number_or_bound(fact) is not None for launch in own.launches)
    estimate = Interval(values[name])
    return Choice(setting, name, launches, estimate, others=tuple(others), is_bound=is_bound)
