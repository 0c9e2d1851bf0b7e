"""Which strategy to use for one setting: where it was measured, else by its neighbours.

A query is a setting and a goal. At a measured setting, the answer for time is the recommendation
that every report has; for memory and the first call, facts of its cases are compared. Between two
measured sizes the answer is the one of both, if they name the same strategy; it has neither a time
nor a price. Beyond the measured sizes there is no answer.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from timelift.analyse.estimates import Interval
from timelift.analyse.left_out import left_out
from timelift.analyse.meaning import TrainedMeanings
from timelift.analyse.ranking import BASELINES, RankedCase, Ranking, rank_run
from timelift.analyse.recommend import recommend
from timelift.analyse.results import Run
from timelift.analyse.verdicts import WORTHWHILE, Verdict
from timelift.case import AXES, SIZES, Phase, Setting
from timelift.errors import UserError, nearest
from timelift.measure.options import AXIS_OPTIONS, Option, choice
from timelift.measurement import Measurement, fact_or_bound


class Goal(StrEnum):
    TIME = "time"
    MEMORY = "memory"
    FIRST_CALL = "first-call"


#: The fact that a goal compares, its name in words, and the ratio below which two values count as
#: equal.
_FACTS = {
    Goal.MEMORY: ("peak_bytes", "peak memory", 1.05),
    Goal.FIRST_CALL: ("first_call_seconds", "first call", 1.25),
}
#: The options of `timelift bench`, of which a question has one value each.
_AXIS_OPTIONS = {option.axis: option for option in AXIS_OPTIONS}
_GOAL = Option("goal", "time", ", ".join(Goal), read=choice(Goal))


# The query ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Query:
    """A question; it `serves` where forward calls were asked for, and training does not count."""

    setting: Setting
    goal: Goal
    serves: bool = False


def read_query(
    texts: Mapping[str, str], goal: str, run: Run, workloads: Iterable[str] = ()
) -> Query:
    """Return the query of a command line to a run; `texts` are those that were typed, by axis.

    An axis without a text has its usual value, or the only one that was measured. `workloads` are
    those that could be measured. Raises UserError naming the option that is wrong.
    """
    asked_goal = _GOAL.value(goal)
    settings = [case.setting for case in run.measured or run.by_case]
    asked = {axis: _read(axis, texts[axis], settings) for axis in AXES if texts.get(axis)}
    if "workload" in asked:
        _check_workload(asked["workload"], settings, workloads)
    values: dict[str, Any] = {}
    for axis in AXES:
        values[axis] = asked[axis] if axis in asked else _usual(axis, settings)
        matching = [setting for setting in settings if getattr(setting, axis) == values[axis]]
        settings = matching or settings
    return Query(Setting(**values), asked_goal, serves=asked.get("phase") is Phase.FORWARD)


def _read(axis: str, text: str, settings: Iterable[Setting]) -> Any:
    if axis == "machine":
        names = {setting.machine for setting in settings} - {""}
        if text not in names:
            hint = nearest(text, names)
            raise UserError(f"{AXES[axis].flag}: this run has no machine {text!r}; {hint}")
        return text
    values = _AXIS_OPTIONS[axis].value(text)
    if len(values) > 1:
        raise UserError(f"{AXES[axis].flag}: expected one value, received {text!r:.40}; name one")
    return values[0]


def _usual(axis: str, settings: Sequence[Setting]) -> Any:
    """Return the usual value of an axis if it was measured, or else the only one that was.

    The usual mode of a train step is that of `fit`.
    """
    if axis == "mode" and {setting.phase for setting in settings} == {Phase.TRAIN}:
        settings = [each for each in settings if each.mode is each.mode_of_fit] or settings
    measured = sorted({getattr(setting, axis) for setting in settings})
    if axis not in {"workload", *SIZES}:
        phase = Phase.BACKWARD if axis == "gradients" else Phase.FORWARD
        usual = getattr(Setting("", 1, 1, phase), axis)
        if usual in measured:
            return usual
    if len(measured) == 1:
        return measured[0]
    raise UserError(
        f"expected {AXES[axis].flag}, since the run has several: {', '.join(map(str, measured))}"
    )


def _check_workload(name: str, settings: Iterable[Setting], workloads: Iterable[str]) -> None:
    measured = {setting.workload for setting in settings}
    others = set(workloads) - measured
    if name not in measured | others:
        hint = nearest(name, measured, not_in_run=others)
        raise UserError(f"--workloads: unknown workload {name!r}; {hint}; --run names another run")


# The answer --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Alternative:
    """A strategy that was not chosen: the `ratio` of its value to that of the chosen one.

    `costs_more` if it is known to take more.
    """

    strategy: str
    ratio: Interval
    costs_more: bool


@dataclass(frozen=True)
class Choice:
    """The answer at a measured setting: a row of its ranking, and what the others take.

    `estimate` is in seconds or bytes, with an interval if it is a time; if `is_bound`, the true
    value is below it. `price` is the most that the choice may cost over the best, as a ratio; NaN
    if nothing is claimed.
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


@dataclass(frozen=True)
class Undecided:
    """No answer: why, and between which strategies, if that is known.

    `longer` if only a long run may decide. `neighbours` are the answers at the measured sizes on
    both sides, if these do not name one strategy.
    """

    why: str
    between: tuple[str, ...] = ()
    longer: bool = False
    neighbours: tuple[tuple[Setting, "Choice | Undecided"], ...] = ()


# The decision ------------------------------------------------------------------------------------


def decide(
    query: Query, run: Run, relative_to: Sequence[str] = BASELINES
) -> tuple[Choice, ...] | Undecided:
    """Return one choice if the setting was measured, or the two at measured sizes around it.

    The first of `relative_to` that was measured is the baseline.
    """
    rankings = {ranking.setting: ranking for ranking in rank_run(run, relative_to) if ranking.rows}
    asked = query.setting
    if asked in rankings:
        choice = _choice(rankings[asked], query.goal, run)
        return choice if isinstance(choice, Undecided) else (choice,)
    for axis in SIZES:
        size = getattr(asked, axis)
        elsewhere = _without(asked, axis)
        along = [setting for setting in rankings if _without(setting, axis) == elsewhere]
        smaller = [setting for setting in along if getattr(setting, axis) < size]
        larger = [setting for setting in along if getattr(setting, axis) > size]
        if smaller and larger:
            sides = max(smaller), min(larger)
            return _between({side: _choice(rankings[side], query.goal, run) for side in sides})
    return Undecided(_why_outside(asked, rankings))


def _without(setting: Setting, *axes: str) -> Setting:
    nothing: dict[str, Any] = dict.fromkeys(axes, 0)
    return replace(setting, **nothing)


def _between(answers: Mapping[Setting, Choice | Undecided]) -> tuple[Choice, ...] | Undecided:
    """Return the choices on both sides if these are one strategy."""
    choices = tuple(answer for answer in answers.values() if isinstance(answer, Choice))
    if len(choices) == len(answers) and len({choice.strategy for choice in choices}) == 1:
        return choices
    why_by_choices = (
        "neither of the measured sizes on both sides of it is decided",
        "one of the measured sizes on both sides of it is not decided",
        "the measured sizes on both sides of it do not agree",
    )
    return Undecided(why_by_choices[len(choices)], neighbours=tuple(answers.items()))


def _why_outside(asked: Setting, measured: Iterable[Setting]) -> str:
    elsewhere = _without(asked, *SIZES)
    near = [setting for setting in measured if _without(setting, *SIZES) == elsewhere]
    if not near:
        return "this workload, phase and execution were not measured at any size"
    lengths, batches = {setting.seq_len for setting in near}, {setting.batch for setting in near}
    axes = ((lengths, asked.seq_len), (batches, asked.batch))
    if all(min(sizes) <= size <= max(sizes) for sizes, size in axes):
        return "no measured sizes lie on both sides of it along one axis"
    steps = "step" if max(lengths) == 1 else "steps"
    return (
        f"{_range(lengths)} {steps} and batch {_range(batches)} were measured, and nothing is "
        "extrapolated"
    )


def _range(sizes: set[int]) -> str:
    return f"{min(sizes)} to {max(sizes)}" if len(sizes) > 1 else str(min(sizes))


def _choice(ranking: Ranking, goal: Goal, run: Run) -> Choice | Undecided:
    if not ranking.is_contest:
        ended = (each for each in left_out(run) if each.reason and ranking.setting in each.settings)
        reasons = [f"{', '.join(each.strategies)}: {each.reason}" for each in ended]
        reasons += [f"{name}: {why}" for name, why in of_unknown_meaning(ranking, run).items()]
        return Undecided("; ".join(["a strategy was measured alone, beside no other", *reasons]))
    if goal is Goal.TIME:
        return _by_time(ranking)
    return _by_fact(ranking, goal, [run.by_case[row.case] for row in ranking.rows])


def of_unknown_meaning(ranking: Ranking, run: Run) -> dict[str, str]:
    """Return why strategies of unknown meaning in training are no answers, by name."""
    why, cases = TrainedMeanings(run).why_unknown, [row.case for row in ranking.unranked]
    return {case.strategy: reason for case in cases if (reason := why(case))}


def _by_time(ranking: Ranking) -> Choice | Undecided:
    best = recommend([ranking])
    if best is None or not best.has_verdict:
        launches = min(row.launches for row in ranking.rows)
        count = "one launch is" if launches == 1 else f"{launches} launches are"
        return Undecided(f"{count} no verdict")
    name, price = best.strategy, best.price.ratio
    close = [other for other in ranking.not_shown_slower if other != name]
    if not best.is_decided:
        why = f"the first of them may cost more than {100 * WORTHWHILE:.0f} % over the best"
        if not best.is_the_baseline and best.gains:
            why = f"{name} is not shown faster than {ranking.baseline}"
        return Undecided(why, (name, *close) if close else (), longer=True)
    own = ranking.row(name)
    others = tuple(
        _alternative(row, own, close, ranking.baseline) for row in ranking.rows if row is not own
    )
    return Choice(ranking, own, own.launches, own.seconds_per_call, others, price)


def _alternative(
    row: RankedCase, own: RankedCase, close: Sequence[str], baseline: str
) -> Alternative:
    """Return the ratio of a rival's time to that of the chosen row, `own`.

    For the baseline it is the speed-up, with its verdict. For any other, both ratios to the fastest
    are divided, and so are the ends of their intervals, which hold at once. The low end is at most
    1 for the `close`, which are not shown slower.
    """
    name = row.case.strategy
    speed_up = own.speed_up
    if name == baseline and speed_up and speed_up.is_known:
        return Alternative(name, speed_up, speed_up.verdict is Verdict.FASTER)
    low, high = row.ratio.low / own.ratio.high, row.ratio.high / own.ratio.low
    ratio = row.ratio.value / own.ratio.value
    low = min(low, 1.0) if name in close else low
    return Alternative(name, Interval(ratio, low, high), costs_more=low > 1)


def _by_fact(ranking: Ranking, goal: Goal, rivals: Sequence[Measurement]) -> Choice | Undecided:
    """Return the least of a fact; a value that is too small to be read counts as its bound."""
    fact, fact_in_words, tolerance = _FACTS[goal]
    facts = {rival.case.strategy: fact_or_bound(rival, fact) for rival in rivals}
    values = {name: value for name, (value, _) in facts.items() if value and value > 0}
    if len(values) < 2:  # noqa: PLR2004
        return Undecided(f"{fact_in_words} is known of fewer than two strategies")
    if missing := sorted(facts.keys() - values.keys()):
        names = ", ".join(missing)
        return Undecided(f"{fact_in_words} of {names} is not known, and may be the least")
    name = min(sorted(values), key=values.__getitem__)
    is_bound = facts[name][1]
    ratios = {other: value / values[name] for other, value in values.items() if other != name}
    others = tuple(
        Alternative(
            other,
            # the true value may be far below its bound, so a ratio to it has no upper limit
            Interval(ratio, ratio / tolerance, math.inf if is_bound else ratio * tolerance),
            costs_more=ratio / tolerance > 1,
        )
        for other, ratio in sorted(ratios.items(), key=lambda item: item[1])
    )
    own = next(rival for rival in rivals if rival.case.strategy == name)
    launches = sum(launch.facts.number_or_bound(fact) is not None for launch in own.launches)
    return Choice(
        ranking, ranking.row(name), launches, Interval(values[name]), others, is_bound=is_bound
    )
