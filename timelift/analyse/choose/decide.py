"""The decision: which strategy a run says to use for a question, and when it does not say.

A setting that was measured has the recommendation that every report has. Between two along an axis
the paired curves decide, among four around it their winners. Other goals are facts of the cases.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from timelift.analyse.choose.answers import (
    Alternative,
    Basis,
    Choice,
    Doubt,
    Position,
    Undecided,
    alike,
    place,
)
from timelift.analyse.choose.question import ChooseQuestion, Goal
from timelift.analyse.recommend import recommend
from timelift.analyse.runs.measurement import Measurement, Run, fact_or_bound
from timelift.analyse.scaling.crossing import Curve
from timelift.analyse.scaling.overtaking import Duels, duels
from timelift.analyse.stats import lifts
from timelift.analyse.stats.ranking import RankedCase, Ranking
from timelift.case import Setting, Status

#: An answer that may cost more than this over the best is none.
DEAREST = 1.10
#: Between two sizes with different winners, one that is not shown ahead costs no more than this.
_TIED = 1.05
#: Half of what the exponential function takes: a file may hold any times.
_LARGEST_LOG = 350.0
#: Facts closer than this, as a ratio, are not told apart.
_ALIKE = {Goal.MEMORY: 1.05, Goal.FIRST_CALL: 1.25}
_FACTS = {Goal.MEMORY: "peak_bytes", Goal.FIRST_CALL: "first_call_seconds"}


def decide(question: ChooseQuestion, run: Run) -> Choice | Undecided:
    """Answer a question from what was measured of lifts."""
    ranked = {one.setting: one for one in lifts.rank(run) if one.rows}
    where = place(question.setting, ranked)
    if where is None:
        return _outside(question.setting, ranked)
    if any(len(ranked[corner].rows) == 1 for corner in where.corners):
        return Undecided(Doubt.ALONE)
    if question.goal is Goal.TIME:
        return _by_time(where, ranked, lifts.lifts(run), question.setting)
    return _by_fact(question.goal, where, lifts.lifts(run))


def _outside(asked: Setting, known: Iterable[Setting]) -> Undecided:
    """Return what was measured instead."""
    near = [one for one in known if alike(one, asked)]
    if not near:
        return Undecided(Doubt.NOT_MEASURED)
    lengths, batches = ([getattr(one, axis) for one in near] for axis in ("seq_len", "batch"))
    return Undecided(
        Doubt.OUTSIDE,
        lengths=(min(lengths), max(lengths)),
        batches=(min(batches), max(batches)),
    )


def _by_time(
    where: Position,
    ranked: Mapping[Setting, Ranking],
    measured: Sequence[Measurement],
    asked: Setting,
) -> Choice | Undecided:
    contests = [ranked[corner] for corner in where.corners]
    if where.measured:
        return _at(where, contests[0])
    if where.axis:
        size = float(getattr(asked, where.axis))
        return _between(where, contests, _curves(where, measured), size)
    return _among(where, contests)


def _at(where: Position, found: Ranking) -> Choice | Undecided:
    """Answer with what is recommended for the very setting."""
    best = recommend([found])
    if best is None or not best.is_answer:
        return Undecided(Doubt.ONE_LAUNCH)
    name, price = best.strategy, best.price.ratio
    close = [other for other in found.fastest_set if other != name]
    if price > DEAREST:
        return Undecided(Doubt.DEAR, (name, *close), longer=True, price=price)
    own = found.row(name)
    return Choice(
        name,
        where,
        own.launches,
        own.seconds_per_call,
        own.seconds_low,
        own.seconds_high,
        price,
        tuple(_alternative(row, own, close) for row in found.rows if row is not own),
        is_fastest=own is found.rows[0],
    )


def _alternative(row: RankedCase, own: RankedCase, close: Sequence[str]) -> Alternative:
    """Return what a rival takes beside the chosen one: no more for sure, if none showed it slower.

    All intervals to the fastest hold at once, so beside another their ends are divided.
    """
    low, high = row.low / own.high, row.high / own.low
    name = row.case.strategy
    return Alternative(name, row.ratio / own.ratio, min(low, 1.0) if name in close else low, high)


def _curves(where: Position, measured: Sequence[Measurement]) -> Duels:
    """Find the paired curves along the line on which a question lies."""
    return next(
        one
        for one in duels(measured, (where.axis,))
        if {board.setting for board in one.family.boards} >= set(where.corners)
    )


def _between(
    where: Position, contests: Sequence[Ranking], curves: Duels, size: float
) -> Choice | Undecided:
    """Answer between two sizes, by the paired curves."""
    first, last = (one.rows[0].case.strategy for one in contests)
    names = sorted({first, last})
    if lost := [name for name in names if not all(_played(name, one) for one in contests)]:
        return Undecided(Doubt.ONE_SIDE, tuple(names), strategies=tuple(lost))
    beside = {name: _beside_curve(name, contests, curves, size) for name in names}
    prices = {name: max([1.0, *(1 / one.low for one in beside[name])]) for name in names}
    best = min(names, key=lambda name: prices[name])
    if not all(beside.values()):
        return Undecided(Doubt.ONE_LAUNCH)
    ahead = first == last or any(one.apart for one in beside[best] if one.strategy in names)
    if prices[best] > (DEAREST if ahead else _TIED):
        doubt = Doubt.DEAR_BETWEEN if first == last else Doubt.TOO_NEAR
        sizes = _ends(where)
        return Undecided(doubt, tuple(names), longer=True, strategies=(first, last), sizes=sizes)
    value = _interpolated(best, where, contests, size)
    launches = min(one.row(best).launches for one in contests)
    basis = _basis(first, last, ahead=ahead)
    known = (value, math.nan, math.nan, prices[best])
    return Choice(best, where, launches, *known, beside[best], basis, (first, last))


def _played(name: str, contest: Ranking) -> bool:
    return any(row.case.strategy == name for row in contest.rows)


def _beside_curve(
    name: str, contests: Sequence[Ranking], curves: Duels, size: float
) -> tuple[Alternative, ...]:
    """Return what every other strategy of both ends takes beside `name`, at a size between them."""
    ends = [{row.case.strategy for row in one.rows} for one in contests]
    rivals = sorted(ends[0] & ends[1] - {name})
    found = [
        _ratio(other, curves.between(name, other), size)
        for other in rivals
        if curves.known(name, other)
    ]
    if len(found) < len(rivals) or any(math.isnan(one.low) for one in found):
        return ()
    return tuple(sorted(found, key=lambda one: one.ratio))


def _ratio(other: str, curve: Curve, size: float) -> Alternative:
    effect, width = (min(float(part[0]), _LARGEST_LOG) for part in curve.at(np.array([size])))
    return Alternative(other, math.exp(effect), math.exp(effect - width), math.exp(effect + width))


def _ends(where: Position) -> tuple[int, int]:
    low, high = (int(getattr(corner, where.axis)) for corner in where.corners)
    return low, high


def _basis(first: str, last: str, *, ahead: bool) -> Basis:
    if first == last:
        return Basis.FASTEST_AT_BOTH
    return Basis.AHEAD if ahead else Basis.TIED


def _interpolated(name: str, where: Position, contests: Sequence[Ranking], size: float) -> float:
    """Interpolate a time as a straight line over the log of the size."""
    low, high = (math.log(getattr(corner, where.axis)) for corner in where.corners)
    times = [math.log(one.row(name).seconds_per_call) for one in contests]
    way = (math.log(size) - low) / (high - low)
    return math.exp(times[0] + way * (times[1] - times[0]))


def _among(where: Position, contests: Sequence[Ranking]) -> Choice | Undecided:
    """Answer between four settings, only if one strategy is fastest in all of them."""
    firsts = {one.rows[0].case.strategy for one in contests}
    prices = [one.rows[0].price[1] for one in contests]
    if len(firsts) > 1:
        return Undecided(Doubt.DIFFERENT_WINNERS, tuple(sorted(firsts)))
    if not all(price <= DEAREST for price in prices):
        return Undecided(Doubt.NOT_SURE, tuple(sorted(firsts)))
    (name,) = firsts
    launches = min(one.rows[0].launches for one in contests)
    unknown = (math.nan,) * 3
    return Choice(name, where, launches, *unknown, max(prices), (), Basis.FASTEST_IN_ALL)


def _by_fact(goal: Goal, where: Position, measured: Sequence[Measurement]) -> Choice | Undecided:
    """Answer by a fact of each case: the same strategy must have the least at every corner.

    One that is too little to be read counts as the bound that it is below.
    """
    facts = [_facts(goal, corner, measured) for corner in where.corners]
    if not all(len(one) > 1 for one in facts):
        return Undecided(Doubt.FACT_UNKNOWN, fact=_FACTS[goal])
    if silent := _silent(facts, where, measured):
        return Undecided(Doubt.FACT_SILENT, fact=_FACTS[goal], strategies=tuple(silent))
    everywhere = sorted(set.intersection(*(set(one) for one in facts)))
    behind = {name: max(one[name] / min(one.values()) for one in facts) for name in everywhere}
    name = min(behind, key=lambda one: behind[one], default="")
    if not name or behind[name] > _ALIKE[goal]:
        firsts = {min(one, key=lambda other: one[other]) for one in facts}
        return Undecided(Doubt.DIFFERENT_WINNERS, tuple(sorted(firsts)))
    shared = [{other: one[other] for other in everywhere} for one in facts]
    return _least(goal, name, where, measured, shared)


def _least(
    goal: Goal,
    name: str,
    where: Position,
    measured: Sequence[Measurement],
    facts: Sequence[Mapping[str, float]],
) -> Choice:
    """Return the choice of a strategy that has the least; `facts` are those of every corner."""
    own = [one for one in _at_corners(where, measured) if one.case.strategy == name]
    is_bound = any(fact_or_bound(one, _FACTS[goal])[1] for one in own)
    others = (
        _beside_fact(other, name, facts, _ALIKE[goal], is_bound=is_bound)
        for other in facts[0]
        if other != name
    )
    return Choice(
        name,
        where,
        min(_launches_with(_FACTS[goal], one) for one in own),
        facts[0][name] if where.measured else math.nan,
        low=math.nan,
        high=math.nan,
        price=math.nan,
        others=tuple(sorted(others, key=lambda one: one.ratio)),
        basis=Basis.MEASURED if where.measured else Basis.LEAST_ON_EVERY_SIDE,
        is_bound=is_bound,
    )


def _at_corners(where: Position, measured: Sequence[Measurement]) -> list[Measurement]:
    return [one for one in measured if one.case.setting in where.corners]


def _beside_fact(
    other: str, name: str, facts: Sequence[Mapping[str, float]], alike_to: float, *, is_bound: bool
) -> Alternative:
    """Return how many times as much another has: its range at the corners, and what is alike.

    Beside a bound there is no telling how many times it is at most.
    """
    ratios = [one[other] / one[name] for one in facts]
    middle = math.exp(math.fsum(map(math.log, ratios)) / len(ratios))
    high = math.inf if is_bound else max(ratios) * alike_to
    return Alternative(other, middle, min(ratios) / alike_to, high)


def _launches_with(name: str, measurement: Measurement) -> int:
    """Count the launches that tell a fact, or a bound of it."""
    return sum(one.facts.number_or_bound(name) is not None for one in measurement.launches)


def _silent(
    facts: Sequence[Mapping[str, float]], where: Position, measured: Sequence[Measurement]
) -> list[str]:
    """Name the strategies that were measured at a corner at which their fact is not known."""
    known = dict(zip(where.corners, facts, strict=True))
    return sorted(
        {
            one.case.strategy
            for one in _at_corners(where, measured)
            if one.status is Status.MEASURED
            and one.launches
            and one.case.strategy not in known[one.case.setting]
        }
    )


def _facts(goal: Goal, setting: Setting, measured: Sequence[Measurement]) -> dict[str, float]:
    """Return the fact of every measured strategy of a setting that has one, or its bound."""
    values = {
        one.case.strategy: fact_or_bound(one, _FACTS[goal])[0]
        for one in measured
        if one.case.setting == setting and one.launches and one.status is Status.MEASURED
    }
    return {name: value for name, value in values.items() if value and value > 0}
