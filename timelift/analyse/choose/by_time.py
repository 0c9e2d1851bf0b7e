"""Choosing by time: at a setting, between two along an axis, or among four around it."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from timelift.analyse.choose.answers import Beside, Choice, Open
from timelift.analyse.choose.place import Place
from timelift.analyse.runs.measurement import Measurement
from timelift.analyse.scaling.crossing import Curve
from timelift.analyse.scaling.overtaking import Duels, duels
from timelift.analyse.stats.ranking import Ranking
from timelift.case import Setting

#: An answer that may cost more than this over the best is none.
DEAREST = 1.10
#: Between two sizes with different winners, who is not shown ahead must cost no more than this.
TIED = 1.05
#: Half of what the exponential function takes: a file may hold any times.
_LARGEST_LOG = 350.0


def by_time(
    where: Place, ranked: Mapping[Setting, Ranking], lifts: Sequence[Measurement], asked: Setting
) -> Choice | Open:
    """Answer by the rankings around a question, and between two of them by the paired curves."""
    contests = [ranked[corner] for corner in where.corners]
    if where.measured:
        return _at(where, contests[0])
    if where.axis:
        size = float(getattr(asked, where.axis))
        return _between(where, contests, _duels(where, lifts), size)
    return _among(where, contests)


def _at(where: Place, found: Ranking) -> Choice | Open:
    """Answer from the setting itself."""
    first = found.rows[0]
    others = tuple(
        Beside(row.case.strategy, row.ratio, row.low, row.high) for row in found.rows[1:]
    )
    close = tuple(found.fastest_set)
    if math.isnan(first.price[1]):
        return Open("one launch is no evidence", longer=False)
    if first.price[1] > DEAREST:
        more = f"{100 * (first.price[1] - 1):.0f} %"
        return Open(f"the first of them may cost {more} over the best", close, longer=True)
    times = first.seconds_per_call, first.seconds_low, first.seconds_high
    name, launches = first.case.strategy, first.launches
    return Choice(name, where, launches, *times, first.price[1], _marked(others, close))


def _marked(others: Sequence[Beside], close: Sequence[str]) -> tuple[Beside, ...]:
    """Take the claim from those that no verdict calls slower."""
    return tuple(
        Beside(one.strategy, one.ratio, min(one.low, 1.0), one.high)
        if one.strategy in close
        else one
        for one in others
    )


def _duels(where: Place, lifts: Sequence[Measurement]) -> Duels:
    """Find the paired curves along the line on which a question lies."""
    return next(
        one
        for one in duels(lifts, (where.axis,))
        if {board.setting for board in one.family.boards} >= set(where.corners)
    )


def _between(
    where: Place, contests: Sequence[Ranking], curves: Duels, size: float
) -> Choice | Open:
    """Answer between two sizes, by the paired curves."""
    first, last = (one.rows[0].case.strategy for one in contests)
    names = sorted({first, last})
    if lost := [name for name in names if not all(_played(name, one) for one in contests)]:
        return Open(f"{', '.join(lost)} was not measured on both sides", tuple(names))
    beside = {name: _beside(name, contests, curves, size) for name in names}
    prices = {name: max([1.0, *(1 / one.low for one in beside[name])]) for name in names}
    best = min(names, key=lambda name: prices[name])
    if math.isnan(prices[best]) or not beside[best]:
        return Open("one launch is no evidence")
    ahead = first == last or any(one.apart for one in beside[best] if one.strategy in names)
    if prices[best] > (DEAREST if ahead else TIED):
        return Open(_turn(where, first, last), tuple(names), longer=True)
    value = _interpolated(best, where, contests, size)
    launches = min(one.row(best).launches for one in contests)
    why = _why(first, last, best, ahead=ahead)
    return Choice(best, where, launches, value, math.nan, math.nan, prices[best], beside[best], why)


def _played(name: str, contest: Ranking) -> bool:
    return any(row.case.strategy == name for row in contest.rows)


def _beside(
    name: str, contests: Sequence[Ranking], curves: Duels, size: float
) -> tuple[Beside, ...]:
    """Give what every other strategy of both ends takes beside `name`, at a size between them."""
    ends = [{row.case.strategy for row in one.rows} for one in contests]
    rivals = sorted(ends[0] & ends[1] - {name})
    found = [
        _ratio(other, curves.between(name, other), size)
        for other in rivals
        if curves.known(name, other)
    ]
    if len(found) < len(rivals):
        return ()
    return tuple(sorted(found, key=lambda one: one.ratio))


def _ratio(other: str, curve: Curve, size: float) -> Beside:
    effect, width = (min(float(part[0]), _LARGEST_LOG) for part in curve.at(np.array([size])))
    return Beside(other, math.exp(effect), math.exp(effect - width), math.exp(effect + width))


def _turn(where: Place, first: str, last: str) -> str:
    low, high = (getattr(corner, where.axis) for corner in where.corners)
    if first == last:
        return f"between {low} and {high}, {first} may cost more than 10 % over the best"
    return f"{first} is fastest at {low} and {last} at {high}, and they meet too near"


def _why(first: str, last: str, best: str, *, ahead: bool) -> str:
    if first == last:
        return f"{best} is fastest at both"
    if ahead:
        other = last if best == first else first
        return f"{best} is shown ahead of {other} here, which is fastest at the other end"
    return f"{first} and {last} meet near here, so it matters little"


def _interpolated(name: str, where: Place, contests: Sequence[Ranking], size: float) -> float:
    """Interpolate a time as a straight line over the log of the size."""
    low, high = (math.log(getattr(corner, where.axis)) for corner in where.corners)
    times = [math.log(one.row(name).seconds_per_call) for one in contests]
    way = (math.log(size) - low) / (high - low)
    return math.exp(times[0] + way * (times[1] - times[0]))


def _among(where: Place, contests: Sequence[Ranking]) -> Choice | Open:
    """Answer between four settings, only if one strategy is fastest in all of them."""
    firsts = {one.rows[0].case.strategy for one in contests}
    prices = [one.rows[0].price[1] for one in contests]
    if len(firsts) > 1:
        return Open("the settings around it have different winners", tuple(sorted(firsts)))
    if not max(prices) <= DEAREST:
        return Open("the settings around it are not sure enough", tuple(sorted(firsts)))
    (name,) = firsts
    launches = min(one.rows[0].launches for one in contests)
    unknown = (math.nan,) * 3
    why = f"{name} is fastest in all four"
    return Choice(name, where, launches, *unknown, max(prices), (), why)
