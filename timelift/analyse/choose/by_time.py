"""Choosing by time: at a setting, between two along an axis, or among four around it."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from timelift.analyse.choose.answers import Alternative, Basis, Choice, Doubt, Undecided
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
) -> Choice | Undecided:
    """Answer by the rankings around a question, and between two of them by the paired curves."""
    contests = [ranked[corner] for corner in where.corners]
    if where.measured:
        return _at(where, contests[0])
    if where.axis:
        size = float(getattr(asked, where.axis))
        return _between(where, contests, _duels(where, lifts), size)
    return _among(where, contests)


def _at(where: Place, found: Ranking) -> Choice | Undecided:
    """Answer from the setting itself."""
    first = found.rows[0]
    others = tuple(
        Alternative(row.case.strategy, row.ratio, row.low, row.high) for row in found.rows[1:]
    )
    close = tuple(found.fastest_set)
    if math.isnan(first.price[1]):
        return Undecided(Doubt.ONE_LAUNCH)
    if first.price[1] > DEAREST:
        return Undecided(Doubt.DEAR, close, longer=True, price=first.price[1])
    times = first.seconds_per_call, first.seconds_low, first.seconds_high
    name, launches = first.case.strategy, first.launches
    return Choice(name, where, launches, *times, first.price[1], _marked(others, close))


def _marked(others: Sequence[Alternative], close: Sequence[str]) -> tuple[Alternative, ...]:
    """Take the claim from those that no verdict calls slower."""
    return tuple(
        Alternative(one.strategy, one.ratio, min(one.low, 1.0), one.high)
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
) -> Choice | Undecided:
    """Answer between two sizes, by the paired curves."""
    first, last = (one.rows[0].case.strategy for one in contests)
    names = sorted({first, last})
    if lost := [name for name in names if not all(_played(name, one) for one in contests)]:
        return Undecided(Doubt.ONE_SIDE, tuple(names), strategies=tuple(lost))
    beside = {name: _beside(name, contests, curves, size) for name in names}
    prices = {name: max([1.0, *(1 / one.low for one in beside[name])]) for name in names}
    best = min(names, key=lambda name: prices[name])
    if math.isnan(prices[best]) or not beside[best]:
        return Undecided(Doubt.ONE_LAUNCH)
    ahead = first == last or any(one.apart for one in beside[best] if one.strategy in names)
    if prices[best] > (DEAREST if ahead else TIED):
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


def _beside(
    name: str, contests: Sequence[Ranking], curves: Duels, size: float
) -> tuple[Alternative, ...]:
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


def _ratio(other: str, curve: Curve, size: float) -> Alternative:
    effect, width = (min(float(part[0]), _LARGEST_LOG) for part in curve.at(np.array([size])))
    return Alternative(other, math.exp(effect), math.exp(effect - width), math.exp(effect + width))


def _ends(where: Place) -> tuple[int, int]:
    low, high = (int(getattr(corner, where.axis)) for corner in where.corners)
    return low, high


def _basis(first: str, last: str, *, ahead: bool) -> Basis:
    if first == last:
        return Basis.FASTEST_AT_BOTH
    return Basis.AHEAD if ahead else Basis.TIED


def _interpolated(name: str, where: Place, contests: Sequence[Ranking], size: float) -> float:
    """Interpolate a time as a straight line over the log of the size."""
    low, high = (math.log(getattr(corner, where.axis)) for corner in where.corners)
    times = [math.log(one.row(name).seconds_per_call) for one in contests]
    way = (math.log(size) - low) / (high - low)
    return math.exp(times[0] + way * (times[1] - times[0]))


def _among(where: Place, contests: Sequence[Ranking]) -> Choice | Undecided:
    """Answer between four settings, only if one strategy is fastest in all of them."""
    firsts = {one.rows[0].case.strategy for one in contests}
    prices = [one.rows[0].price[1] for one in contests]
    if len(firsts) > 1:
        return Undecided(Doubt.DIFFERENT_WINNERS, tuple(sorted(firsts)))
    if not max(prices) <= DEAREST:
        return Undecided(Doubt.NOT_SURE, tuple(sorted(firsts)))
    (name,) = firsts
    launches = min(one.rows[0].launches for one in contests)
    unknown = (math.nan,) * 3
    return Choice(name, where, launches, *unknown, max(prices), (), Basis.FASTEST_IN_ALL)
