"""Which strategy to use for one setting: what is recommended there, if it was measured.

For memory and the first call, facts of its cases are compared. What was not measured has no answer:
the nearest measured settings are named, each with its own.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from timelift.analyse.estimates import Interval
from timelift.analyse.findings import RunFindings
from timelift.analyse.left_out import Kind
from timelift.analyse.ranking import RankedCase, Ranking
from timelift.analyse.recommend import Recommendation
from timelift.analyse.results import Run
from timelift.analyse.verdicts import Verdict
from timelift.axis_values import Phase, Runtime, Status
from timelift.case import AXES, SIZES, Setting
from timelift.errors import UserError, nearest
from timelift.measure.options import AXIS_OPTIONS, Option, choice, refuse_unserved
from timelift.measurement import fact_or_bound


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
_OF_SERVED = ("runtime", "phase", "mode")
_GOAL = Option("goal", "time", ", ".join(Goal), read=choice(Goal))


# The query ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Query:
    """A question; `serves` is True if forward calls were asked for: training does not count."""

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
    is_served = any(setting.phase is Phase.SERVE for setting in settings)
    refuse_unserved(*([asked[axis]] if axis in asked else () for axis in _OF_SERVED))
    if "runtime" in asked and (is_served or asked["runtime"] is not Runtime.KERAS):
        asked.setdefault("phase", Phase.SERVE)
    if "workload" in asked:
        _check_workload(asked["workload"], settings, workloads)
    values: dict[str, Any] = {}
    for axis in AXES:
        values[axis] = asked[axis] if axis in asked else _usual(axis, settings)
        matching = [setting for setting in settings if getattr(setting, axis) == values[axis]]
        settings = matching or settings
    serves = asked.get("phase") is Phase.FORWARD or values["phase"] is Phase.SERVE
    return Query(Setting(**values), asked_goal, serves)


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
    usual = Phase.FORWARD if axis == "phase" else AXES[axis].usual
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
class Answer:
    """The answer at a setting: a `strategy`, or '' and `why` there is none.

    For time it is `best`, the recommendation of every report. For another goal it has the least
    `value`, in seconds or bytes, or less than that if `is_bound`. Without an answer, `between` has
    the candidates, if known, and `longer` is True if only a long run may decide. If this setting
    was not measured, `nearest` has the answers at measured ones. It `is_final` if a further run
    would not decide it, since all or all but one do not convert, load or run.
    """

    setting: Setting
    ranking: Ranking | None = None
    best: Recommendation | None = None
    strategy: str = ""
    why: str = ""
    value: float = math.nan
    is_bound: bool = False
    others: tuple[Alternative, ...] = ()
    between: tuple[str, ...] = ()
    longer: bool = False
    nearest: tuple["Answer", ...] = ()
    is_final: bool = False

    @property
    def row(self) -> RankedCase:
        """The row of the strategy; only where there is one."""
        assert self.ranking
        return self.ranking.row(self.strategy)


def answer(query: Query, findings: RunFindings) -> Answer:
    """Return the answer at the setting of the query, or those at the nearest that were measured."""
    rankings = {ranking.setting: ranking for ranking in findings.rankings if ranking.rows}
    if ranking := rankings.get(query.setting):
        return _answer_at(ranking, query.goal, findings)
    if _is_unserved(query.setting, findings):
        why = "; ".join(["no strategy is served here", *_ended(query.setting, findings)])
        return Answer(query.setting, why=why, is_final=True)
    near = _nearest(query.setting, rankings)
    what = "this size was" if near else "this workload, phase and execution were"
    own = (_answer_at(rankings[setting], query.goal, findings) for setting in near)
    return Answer(query.setting, why=f"{what} not measured", nearest=tuple(own))


def _nearest(asked: Setting, measured: Iterable[Setting]) -> list[Setting]:
    """Return the settings on both sides along one size, else the nearest of other sizes."""
    alike = [one for one in measured if replace(one, **_sizes(asked)) == asked]
    for axis in SIZES:
        rest, size = _sizes(asked) | {axis: 0}, getattr(asked, axis)
        along = sorted(one for one in alike if _sizes(one) | {axis: 0} == rest)
        below = [one for one in along if getattr(one, axis) < size]
        above = [one for one in along if getattr(one, axis) > size]
        if below and above:
            return [below[-1], above[0]]

    def distance(one: Setting) -> float:
        pairs = zip(_sizes(one).values(), _sizes(asked).values(), strict=True)
        return sum(abs(math.log(own / other)) for own, other in pairs)

    return sorted(alike, key=distance)[:1]


def _sizes(setting: Setting) -> dict[str, Any]:
    return {axis: getattr(setting, axis) for axis in SIZES}


def _answer_at(ranking: Ranking, goal: Goal, findings: RunFindings) -> Answer:
    if not ranking.is_contest:
        is_final = _is_unserved(ranking.setting, findings)
        return Answer(ranking.setting, ranking, why=_alone(ranking, findings), is_final=is_final)
    if goal is not Goal.TIME:
        return _by_fact(ranking, goal, findings)
    return _by_time(ranking, findings.recommendation_by_setting[ranking.setting])


def _by_time(ranking: Ranking, best: Recommendation) -> Answer:
    close = [name for name in ranking.not_shown_slower if name != best.strategy]
    if not best.is_decided:
        is_open = best.has_verdict
        between = (best.strategy, *close) if is_open and close else ()
        return Answer(ranking.setting, ranking, best, between=between, longer=is_open)
    own = ranking.row(best.strategy)
    others = tuple(
        _alternative(row, own, close, ranking.baseline) for row in ranking.rows if row is not own
    )
    return Answer(ranking.setting, ranking, best, best.strategy, others=others)


def _alone(ranking: Ranking, findings: RunFindings) -> str:
    reasons = [*_ended(ranking.setting, findings)]
    reasons += [f"{name}: {why}" for name, why in of_unknown_meaning(ranking, findings).items()]
    alone = f"{ranking.rows[0].case.strategy} was measured alone, beside no other"
    return "; ".join([alone, *reasons])


def _is_unserved(setting: Setting, findings: RunFindings) -> bool:
    """Return whether all that has no figure in a setting is not served, or refuses."""
    here = [each for each in findings.left_out if setting in each.settings]
    ends = {each.status for each in here if each.kind is not Kind.NOT_SERVED}
    return any(each.kind is Kind.NOT_SERVED for each in here) and ends <= {Status.REFUSED}


def _ended(setting: Setting, findings: RunFindings) -> Iterator[str]:
    """Yield why strategies have no figure in a setting, with their names."""
    for each in findings.left_out:
        if each.reason and setting in each.settings:
            status = f"{each.status}: " if each.kind is Kind.NOT_SERVED else ""
            yield f"{', '.join(each.strategies)}: {status}{each.reason}"


def of_unknown_meaning(ranking: Ranking, findings: RunFindings) -> dict[str, str]:
    """Return why strategies of unknown meaning in training are no answers, by name."""
    cases = [row.case for row in ranking.unranked]
    return {one.strategy: why for one in cases if (why := findings.meanings.why_unknown(one))}


def _alternative(
    row: RankedCase, own: RankedCase, close: Sequence[str], baseline: str
) -> Alternative:
    """Return the ratio of a rival's time to that of the chosen row, `own`.

    For the baseline it is the speed-up, with its verdict. For any other rival it is the quotient of
    both ratios to the fastest, and likewise of the ends of their intervals, which hold at once. For
    a `close` rival, which is not shown slower, the low end is at most 1.
    """
    name = row.case.strategy
    speed_up = own.speed_up
    if name == baseline and speed_up and speed_up.is_known:
        return Alternative(name, speed_up, speed_up.verdict is Verdict.FASTER)
    low, high = row.ratio.low / own.ratio.high, row.ratio.high / own.ratio.low
    ratio = row.ratio.value / own.ratio.value
    low = min(low, 1.0) if name in close else low
    return Alternative(name, Interval(ratio, low, high), costs_more=low > 1)


def _by_fact(ranking: Ranking, goal: Goal, findings: RunFindings) -> Answer:
    """Return the least of a fact; a value that is too small to be read counts as its bound."""
    fact, fact_in_words, tolerance = _FACTS[goal]
    rivals = [findings.run.by_case[row.case] for row in ranking.rows]
    facts = {rival.case.strategy: fact_or_bound(rival, fact) for rival in rivals}
    values = {name: value for name, (value, _) in facts.items() if value and value > 0}
    if missing := sorted(facts.keys() - values.keys()):
        why = f"{fact_in_words} of {', '.join(missing)} is not known, and may be the least"
        return Answer(ranking.setting, ranking, why=why)
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
    least = Answer(ranking.setting, ranking, strategy=name, value=values[name])
    return replace(least, is_bound=is_bound, others=others)
