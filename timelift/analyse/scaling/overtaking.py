"""Crossovers: the length, or the batch, at which one strategy of a run overtakes another."""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timelift.analyse.runs.measurement import Measurement, Run, Samples
from timelift.analyse.scaling.crossing import Curve, crossings
from timelift.analyse.scaling.family import SIZES, Family, families
from timelift.analyse.stats.effects import Effects, stack
from timelift.analyse.stats.estimates import Estimates, estimate, t_quantile
from timelift.analyse.stats.verdicts import CONFIDENCE, independence
from timelift.case import Setting


@dataclass(frozen=True, slots=True)
class Crossover:
    """From `size` on, with a 95 % interval over launches, `then` is faster than `first` was.

    `setting` is that of the smallest size; `leads` says whether nobody else is clearly faster on
    either side, so that the answer changes here.
    """

    setting: Setting
    axis: str
    first: str
    then: str
    size: float
    low: float
    high: float
    leads: bool = False


@dataclass(frozen=True)
class Duels:
    """The paired curve of every two strategies of a family: the log of second over first.

    Pairs that played together in several launches of fewer than two sizes have none.
    """

    family: Family
    curves: dict[tuple[str, str], Curve]

    def known(self, first: str, second: str) -> bool:
        """Say whether the two have a curve."""
        return (first, second) in self.curves or (second, first) in self.curves

    def between(self, first: str, second: str) -> Curve:
        """Give the curve of log(second / first), whichever way round it is kept."""
        if (first, second) in self.curves:
            return self.curves[first, second]
        kept = self.curves[second, first]
        return dataclasses.replace(kept, effect=-kept.effect)

    def ahead(self, strategy: str, size: float) -> bool:
        """Say whether nobody is shown faster than `strategy` at a size."""
        others = (one for one in self.family.strategies if self.known(strategy, one))
        curves = [self.between(strategy, other) for other in others]
        beside = [curve.at(np.array([size])) for curve in curves]
        return not any(effect[0] + width[0] < 0 for effect, width in beside)


def crossovers(run: Run, axes: Sequence[str] = SIZES) -> list[Crossover]:
    """Find who overtakes whom inside the measured sizes of a run, along each axis."""
    return [found for one in duels(run.measurements, axes) for found in _crossovers(one)]


def duels(measurements: Iterable[Measurement], axes: Sequence[str] = SIZES) -> list[Duels]:
    """Give the paired curves of every family, their variances moderated over all of them."""
    known = families(measurements, axes)
    paired = [family.paired() for family in known]
    if not any(effects.effect.size for effects in paired):
        return [Duels(family, {}) for family in known]
    correlation = neighbours([effects.effect for effects in paired])
    flat = [_flat(effects) for effects in paired if effects.effect.size]
    found = estimate(stack(flat), independence(_numbers(paired)))
    reach = t_quantile((1 - CONFIDENCE) / 2, np.maximum(found.df, 1.0))
    made, start = [], 0
    for family, effects in zip(known, paired, strict=True):
        pairs, sizes = effects.effect.shape[:2]
        rows = np.arange(start, start := start + pairs * sizes).reshape(pairs, sizes)
        curves = [_curve(family, found, reach, row, correlation) for row in rows]
        named = zip(family.pairs, curves, strict=True)
        made.append(Duels(family, {pair: curve for pair, curve in named if curve}))
    return made


def _numbers(paired: Sequence[Effects]) -> NDArray[np.int_]:
    """Number the setting of each row, in which the pairs are compared."""
    numbers, start = [], 0
    for effects in paired:
        pairs, sizes = effects.effect.shape[:2]
        numbers.append(np.tile(np.arange(start, start := start + sizes), pairs))
    return np.concatenate(numbers)


def _flat(effects: Effects) -> Effects:
    launches = effects.effect.shape[-1]
    return Effects(effects.effect.reshape(-1, launches), effects.error.reshape(-1, launches))


def _curve(
    family: Family, found: Estimates, reach: Samples, rows: NDArray[np.int_], correlation: float
) -> Curve | None:
    """Give the curve through the sizes of which launches tell an interval."""
    known = (found.launches[rows] > 1) & (found.df[rows] > 0)
    told = rows[known]
    if len(told) < 2:  # noqa: PLR2004 - a curve has two ends
        return None
    sizes = np.array(family.sizes, dtype=float)[known]
    return Curve(sizes, found.effect[told], found.scale[told], reach[told], correlation)


def neighbours(effects: Sequence[Samples]) -> float:
    """Estimate how alike a launch's effects at neighbouring sizes are, over all pairs: 0 to 1.

    Each of `effects` is (pairs, sizes, launches).
    """
    both, before, after = 0.0, 0.0, 0.0
    for one in effects:
        with np.errstate(invalid="ignore", divide="ignore"):
            count = np.isfinite(one).sum(-1, keepdims=True)
            moved = one - np.nansum(one, -1, keepdims=True) / count
            unit = moved / np.sqrt(np.nansum(moved**2, -1, keepdims=True))
        left, right = unit[:, :-1], unit[:, 1:]
        played = np.isfinite(left) & np.isfinite(right)
        both += float((left * right)[played].sum())
        before += float((left**2)[played].sum())
        after += float((right**2)[played].sum())
    return float(np.clip(both / (before * after) ** 0.5, 0.0, 1.0)) if before and after else 0.0


def _crossovers(one: Duels) -> list[Crossover]:
    found = []
    for (a, b), curve in one.curves.items():
        for crossing in crossings(curve):
            first, then = (a, b) if not crossing.rising else (b, a)
            # The log of b over a falls below zero where b overtakes a.
            leads = one.ahead(first, crossing.low) and one.ahead(then, crossing.high)
            place = (first, then, crossing.size, crossing.low, crossing.high, leads)
            found.append(Crossover(one.family.setting, one.family.axis, *place))
    return sorted(found, key=lambda crossover: crossover.size)
