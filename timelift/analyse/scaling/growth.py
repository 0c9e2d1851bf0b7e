"""Exponents: how the time of each strategy grows with length and with batch, t(n) = c0 + c1 n^p.

The fit is that of the mean curve over launches; how much each launch moves it follows from the
fit's own derivatives (the delta method), so that an interval over launches needs no fit of one
launch by itself, which would be as good as its worst size.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from timelift.analyse.runs.measurement import Run, Samples
from timelift.analyse.scaling.size_series import SIZES, SizeSeries, size_series
from timelift.analyse.stats.effects import Effects, stack
from timelift.analyse.stats.estimates import estimate
from timelift.analyse.stats.verdicts import CONFIDENCE
from timelift.case import Case

#: Overhead, factor and power: three unknowns, and one size more to see whether they fit.
MIN_SIZES = 4
#: Powers that are tried; a fit at either end has found none.
LOWEST_POWER, HIGHEST_POWER = 0.1, 4.0
#: The searches for a power, and the powers in each: every search narrows the range tenfold.
_SEARCHES, _POWERS = 6, 41
_SINGULAR = 1e-12
#: Times that rise by less over all sizes do not grow, and have no power.
FLAT = 0.05
#: A power that is known less well than this is none; the slope of the last two sizes stands for it.
_VAGUE = 0.5
#: From fewer launches the interval of a bend holds the truth in 90 of 100 cases, not in 95.
_BEND_LAUNCHES = 5
_UNKNOWN = (math.nan, math.nan, math.nan)


class ExponentBasis(StrEnum):
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
    kind: ExponentBasis
    launches: int
    p: float = math.nan
    low: float = math.nan
    high: float = math.nan
    bend: float = math.nan
    bend_low: float = math.nan
    bend_high: float = math.nan
    misfit: float = math.nan


@dataclass(frozen=True)
class FittedNumber:
    """A number fitted to the logs of times by size, and its derivative by each of those logs."""

    value: float
    gradient: Samples

    @property
    def length(self) -> float:
        """How much noise of one unit at every size becomes in the number."""
        return float(np.linalg.norm(self.gradient))


@dataclass(frozen=True)
class PowerLaw:
    """One fitted curve.

    `power` is p. `bend` is the log of the size at which the growing part equals the overhead, None
    where there is no overhead. `misfit` is the largest distance of a time from the curve, as a
    share.
    """

    power: FittedNumber
    bend: FittedNumber | None
    misfit: float


def fit_power_law(sizes: Samples, logs: Samples) -> PowerLaw | None:
    """Fit t = c0 + c1 n^p by relative least squares; `logs` are log seconds by size.

    None where times give no power: they do not grow, or grow unlike any.
    """
    scaled, times = sizes / sizes[-1], np.exp(logs - logs[-1])
    power = _best_power(scaled, times)
    inside = LOWEST_POWER * 1.01 < power < HIGHEST_POWER * 0.99
    overhead, factor = (float(part[0]) for part in _parts(np.array([power]), scaled, times)[:2])
    if not inside or factor <= 0:
        return None
    curve = overhead + factor * scaled**power
    if (curve <= 0).any():
        return None
    by_power = factor * scaled**power * np.log(scaled)
    changes = np.stack([np.ones_like(scaled), scaled**power, by_power])
    gradients = np.linalg.pinv((changes / curve).T)  # overhead, factor, power by each log
    bend = _bend(overhead, factor, power, gradients, math.log(sizes[-1]))
    misfit = float(np.abs(curve / times - 1).max())
    return PowerLaw(FittedNumber(power, gradients[2]), bend, misfit)


def slope(sizes: Samples, logs: Samples) -> FittedNumber:
    step = math.log(sizes[-1] / sizes[-2])
    gradient = np.zeros(len(sizes))
    gradient[-2:] = -1 / step, 1 / step
    return FittedNumber(float(gradient @ logs), gradient)


def _best_power(scaled: Samples, times: Samples) -> float:
    """Find the power with the least misfit, ever closer: over all powers it may have two minima."""
    low, high = LOWEST_POWER, HIGHEST_POWER
    for _ in range(_SEARCHES):
        powers = np.linspace(low, high, _POWERS)
        best = powers[int(np.argmin(_parts(powers, scaled, times)[2]))]
        step = powers[1] - powers[0]
        low, high = max(LOWEST_POWER, best - step), min(HIGHEST_POWER, best + step)
    return float(best)


def _parts(powers: Samples, scaled: Samples, times: Samples) -> tuple[Samples, Samples, Samples]:
    """Return the overhead, the factor and the misfit that are best with each of the powers."""
    one, grown = 1 / times, scaled ** powers[:, None] / times
    aa, ab, bb = one @ one, grown @ one, (grown**2).sum(-1)
    a, b = one.sum(), grown.sum(-1)
    whole = aa * bb - ab**2
    # Where only one time counts beside the others, overhead and factor cannot be told apart.
    whole = np.where(whole > _SINGULAR * aa * bb, whole, np.inf)
    overhead, factor = (bb * a - ab * b) / whole, (aa * b - ab * a) / whole
    rest = 1 - overhead[:, None] * one - factor[:, None] * grown
    return overhead, factor, (rest**2).sum(-1)


def _bend(
    overhead: float, factor: float, power: float, gradients: Samples, log_last: float
) -> FittedNumber | None:
    if overhead <= 0:
        return None
    height = math.log(overhead / factor)
    changes = np.array([1 / (overhead * power), -1 / (factor * power), -height / power**2])
    return FittedNumber(log_last + height / power, changes @ gradients)


@dataclass(frozen=True)
class _StrategyCurve:
    """One strategy's log seconds, as (sizes, launches), in the launches that played every size.

    `share` is that of one of the strategies of the series.
    """

    case: Case
    axis: str
    sizes: tuple[int, ...]
    logs: Samples
    share: float
    slope: FittedNumber | None = None
    law: PowerLaw | None = None

    @property
    def fitted(self) -> list[FittedNumber]:
        """What has an interval: the slope, the power and the bend, as far as they are there."""
        of_law = [self.law.power, self.law.bend] if self.law else []
        return [one for one in (self.slope, *of_law) if one]

    @property
    def is_flat(self) -> bool:
        """True if nothing grows that could have a power."""
        return bool(np.ptp(self.logs.mean(-1)) < math.log1p(FLAT))


def exponents(run: Run, axes: Sequence[str] = SIZES) -> list[Exponent]:
    curves = [curve for series in size_series(run.measurements, axes) for curve in _curves(series)]
    widths = iter(_half_widths([(curve, one) for curve in curves for one in curve.fitted]))
    return [_exponent(curve, [next(widths) for _ in curve.fitted]) for curve in curves]


def _curves(series: SizeSeries) -> Iterator[_StrategyCurve]:
    sizes, share = np.array(series.sizes), 1 / len(series.strategies)
    for name, logs in zip(series.strategies, series.log_seconds(), strict=True):
        played = np.isfinite(logs).any(-1)
        rows = logs[played]
        complete = rows[:, np.isfinite(rows).all(0)]
        first = next(one for one, here in zip(series.members, played, strict=True) if here)
        case, across = Case(first.setting, name), sizes[played]
        yield _fit(_StrategyCurve(case, series.axis, tuple(across.tolist()), complete, share))


def _fit(curve: _StrategyCurve) -> _StrategyCurve:
    if curve.logs.shape[1] == 0 or len(curve.sizes) < 2:  # noqa: PLR2004 - no growth of one size
        return curve
    across, mean = np.array(curve.sizes, dtype=float), curve.logs.mean(-1)
    law = fit_power_law(across, mean) if len(curve.sizes) >= MIN_SIZES else None
    return replace(curve, slope=slope(across, mean), law=law)


def _half_widths(fitted: Sequence[tuple[_StrategyCurve, FittedNumber]]) -> list[float]:
    """Return the half-width of each number's 95 % interval over launches.

    Divided by the gradient's length, what launches show has the unit of the noise of a log time,
    which is alike for all curves of a run: so variances are moderated over them.
    """
    if not fitted:
        return []
    rows = [((one.gradient / one.length) @ curve.logs)[None] for curve, one in fitted]
    effects = stack([Effects(row, np.full_like(row, np.nan)) for row in rows])
    share = np.array([curve.share / len(curve.fitted) for curve, _ in fitted])
    found = estimate(effects, independence=share)
    width = np.where(found.launches > 1, found.half_width((1 - CONFIDENCE) / 2), np.nan)
    return [float(half * one.length) for half, (_, one) in zip(width, fitted, strict=True)]


def _exponent(curve: _StrategyCurve, half_widths: Sequence[float]) -> Exponent:
    """Return what is known of a curve; `half_widths` are those of what is fitted."""
    about = (curve.case, curve.axis, curve.sizes)
    launches = curve.logs.shape[1]
    if curve.slope is None:
        return Exponent(*about, ExponentBasis.UNKNOWN, launches)
    if curve.is_flat:
        return Exponent(*about, ExponentBasis.FLAT, launches)
    if curve.law is None or half_widths[1] > _VAGUE:
        return Exponent(
            *about, ExponentBasis.SLOPE, launches, *_interval(curve.slope.value, half_widths[0])
        )
    law, bend = curve.law, _UNKNOWN
    if law.bend is not None and launches >= _BEND_LAUNCHES:
        bend = _inside(curve.sizes, _interval(law.bend.value, half_widths[-1]))
    interval = _interval(law.power.value, half_widths[1])
    return Exponent(*about, ExponentBasis.FITTED, launches, *interval, *bend, law.misfit)


def _interval(value: float, half_width: float) -> tuple[float, float, float]:
    return value, value - half_width, value + half_width


def _inside(sizes: Sequence[int], logs: tuple[float, float, float]) -> tuple[float, float, float]:
    """Return the size of a bend and its interval, NaN where these are not inside the sizes."""
    middle, low, high = logs
    inside = math.log(sizes[0]) <= low and high <= math.log(sizes[-1])
    return (math.exp(middle), math.exp(low), math.exp(high)) if inside else _UNKNOWN
