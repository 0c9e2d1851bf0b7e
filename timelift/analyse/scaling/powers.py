"""Exponents: how the time of each strategy of a run grows with length and with batch."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from timelift.analyse.runs.measurement import Run, Samples
from timelift.analyse.scaling.family import SIZES, Family, families
from timelift.analyse.scaling.growth import MIN_SIZES, Pull, grow, slope
from timelift.analyse.stats.effects import Effects, stack
from timelift.analyse.stats.estimates import estimate
from timelift.analyse.stats.verdicts import CONFIDENCE
from timelift.case import Case

#: Times that rise by less over all sizes do not grow, and have no power.
FLAT = 0.05
#: A power that is known less well than this is none; the slope of the last two sizes is given.
_VAGUE = 0.5
#: From fewer launches the interval of a bend holds the truth in 90 of 100 cases, not in 95.
_BEND_LAUNCHES = 5
_NOWHERE = (math.nan, math.nan, math.nan)


class Kind(StrEnum):
    """What an exponent rests on."""

    FITTED = "fit"
    SLOPE = "slope of the last two sizes"
    FLAT = "flat"
    UNKNOWN = "not known"


@dataclass(frozen=True, slots=True)
class Exponent:
    """How one strategy's time grows along an axis: t = c0 + c1 n^p, with p's 95 % interval.

    `case` is that of the smallest size. `p` is the power of the fit, or of the last two sizes
    alone, as `kind` says, and NaN where it is flat or not known. `bend` is the size at which growth
    has caught up with the overhead, NaN where that does not lie inside what was measured, interval
    and all. `misfit` is how far a time lies from the fitted curve at most, as a share.
    """

    case: Case
    axis: str
    sizes: tuple[int, ...]
    kind: Kind
    launches: int
    p: float = math.nan
    low: float = math.nan
    high: float = math.nan
    bend: float = math.nan
    bend_low: float = math.nan
    bend_high: float = math.nan
    misfit: float = math.nan


@dataclass(frozen=True)
class _Curve:
    """One strategy's log seconds, as (sizes, launches), in the launches that played every size."""

    case: Case
    axis: str
    sizes: tuple[int, ...]
    logs: Samples
    share: float
    pulls: dict[Kind, Pull] = field(default_factory=dict)
    bend: Pull | None = None
    misfit: float = math.nan

    @property
    def flat(self) -> bool:
        """Whether nothing grows that could have a power."""
        mean = self.logs.mean(-1)
        return bool(np.ptp(mean) < math.log1p(FLAT))


#: A pull of a curve with the half-width of its 95 % interval.
_Known = tuple[Pull, float]


def exponents(run: Run, axes: Sequence[str] = SIZES) -> list[Exponent]:
    """Give the exponent of every strategy along each axis of which a run has several sizes."""
    curves = [curve for family in families(run.measurements, axes) for curve in _curves(family)]
    pulls = [(curve, pull) for curve in curves for pull in _pulls(curve)]
    widths = iter(_half_widths(pulls))
    known = {id(curve): [(pull, next(widths)) for pull in _pulls(curve)] for curve in curves}
    return [_exponent(curve, known[id(curve)]) for curve in curves]


def _curves(family: Family) -> Iterator[_Curve]:
    sizes, share = np.array(family.sizes), 1 / len(family.strategies)
    for name, logs in zip(family.strategies, family.log_seconds(), strict=True):
        played = np.isfinite(logs).any(-1)
        rows = logs[played]
        complete = rows[:, np.isfinite(rows).all(0)]
        of_size = tuple(sizes[played].tolist())
        first = next(one for one, here in zip(family.boards, played, strict=True) if here)
        case = Case(first.setting, name)
        if complete.shape[1] == 0 or len(of_size) < 2:  # noqa: PLR2004 - no growth of one size
            yield _Curve(case, family.axis, of_size, complete, share)
        else:
            yield _fitted(case, family.axis, of_size, complete, share)


def _fitted(case: Case, axis: str, sizes: tuple[int, ...], logs: Samples, share: float) -> _Curve:
    """Fit what the number of sizes allows."""
    across, mean = np.array(sizes, dtype=float), logs.mean(-1)
    pulls = {Kind.SLOPE: slope(across, mean)}
    grown = grow(across, mean) if len(sizes) >= MIN_SIZES else None
    if grown is None:
        return _Curve(case, axis, sizes, logs, share, pulls)
    pulls[Kind.FITTED] = grown.power
    return _Curve(case, axis, sizes, logs, share, pulls, grown.bend, grown.misfit)


def _pulls(curve: _Curve) -> list[Pull]:
    return [*curve.pulls.values(), *([curve.bend] if curve.bend else [])]


def _half_widths(pulls: Sequence[tuple[_Curve, Pull]]) -> list[float]:
    """Give the half-width of each pull's 95 % interval over launches.

    Divided by the pull's length, what the launches say has the unit of the noise of a log time,
    which is alike for all curves of a run: so variances are moderated over them.
    """
    if not pulls:
        return []
    rows = [((pull.weights / pull.length) @ curve.logs)[None] for curve, pull in pulls]
    effects = stack([Effects(row, np.full_like(row, np.nan)) for row in rows])
    share = np.array([curve.share / len(_pulls(curve)) for curve, _ in pulls])
    found = estimate(effects, share)
    width = np.where(found.launches > 1, found.half_width((1 - CONFIDENCE) / 2), np.nan)
    return [float(one * pull.length) for one, (_, pull) in zip(width, pulls, strict=True)]


def _exponent(curve: _Curve, known: Iterable[_Known]) -> Exponent:
    about = (curve.case, curve.axis, curve.sizes)
    launches = curve.logs.shape[1]
    if not curve.pulls:
        return Exponent(*about, Kind.UNKNOWN, launches)
    if curve.flat:
        return Exponent(*about, Kind.FLAT, launches)
    found = list(known)
    kinds = dict(zip(curve.pulls, found, strict=False))
    power, width = kinds.get(Kind.FITTED, (None, math.nan))
    if power is None or width > _VAGUE:
        pull, width = kinds[Kind.SLOPE]
        return Exponent(*about, Kind.SLOPE, launches, *_interval(pull.value, width))
    told = curve.bend is not None and launches >= _BEND_LAUNCHES
    bend = _bend(curve.sizes, found[-1]) if told else _NOWHERE
    interval = _interval(power.value, width)
    return Exponent(*about, Kind.FITTED, launches, *interval, *bend, curve.misfit)


def _interval(value: float, width: float) -> tuple[float, float, float]:
    return value, value - width, value + width


def _bend(sizes: Sequence[int], known: _Known) -> tuple[float, float, float]:
    """Give the size of a bend and its interval, NaN where these are not inside the sizes."""
    middle, low, high = _interval(known[0].value, known[1])
    inside = math.log(sizes[0]) <= low and high <= math.log(sizes[-1])
    return (math.exp(middle), math.exp(low), math.exp(high)) if inside else _NOWHERE
