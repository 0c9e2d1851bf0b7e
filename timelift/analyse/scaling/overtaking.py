"""Curves of the log ratio of two strategies by length, or by batch.

Between sizes a curve is a cubic over the log of the size, through the four nearest. What it and a
straight line disagree about is added to the curve's interval, for nothing was measured there.
"""

import dataclasses
import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timelift.analyse.runs.measurement import Measurement, Samples
from timelift.analyse.scaling.size_series import SIZES, SizeSeries, size_series
from timelift.analyse.stats.effects import Effects, stack
from timelift.analyse.stats.estimates import Estimates, estimate, t_quantile
from timelift.analyse.stats.verdicts import CONFIDENCE

#: What a logarithm may be off by, as a share of a step between sizes.
_ROUNDING = 1e-9
_LINE, _CUBIC = 2, 4
#: What multiplies the doubt of a curve through three sizes, which no fourth one checks.
_UNCHECKED = 3


@dataclass(frozen=True)
class Curve:
    """Log ratios by size, two sizes at least: `effect`, with the errors `standard_error`.

    `reach` is how many errors a 95 % interval reaches to each side, and `correlation` that of the
    errors of neighbouring sizes.
    """

    sizes: Samples
    effect: Samples
    standard_error: Samples
    reach: Samples
    correlation: float = 0.0

    def at(self, sizes: Samples) -> tuple[Samples, Samples]:
        """Interpolate the log ratio and the half-width of its 95 % interval; NaN outside."""
        logs, asked = np.log(self.sizes), np.log(sizes)
        cubic, line = (stencil(logs, asked, points) for points in (_CUBIC, _LINE))
        bent = cubic @ self.effect
        return bent, self._half_width(cubic) + self._doubt(line, bent)

    def _doubt(self, line: Samples, bent: Samples) -> Samples:
        """Return how far the curve may be from where it is drawn; nothing at measured sizes.

        Of two sizes it is not known how the curve bends, only that it goes from the one to the
        other.
        """
        if len(self.sizes) > _LINE:
            unsure = 1 if len(self.sizes) >= _CUBIC else _UNCHECKED
            return np.asarray(unsure * np.abs(bent - line @ self.effect))
        ends = np.abs(np.subtract.outer(bent, self.effect)).max(-1)
        return np.where((line == 1).any(-1), 0.0, ends)

    def _half_width(self, weights: Samples) -> Samples:
        """Return the half-width of sums of the effects, as sure as the least sure of them."""
        apart = np.abs(np.subtract.outer(np.arange(len(self.sizes)), np.arange(len(self.sizes))))
        weighted = weights * self.standard_error
        scale = np.sqrt(((weighted @ self.correlation**apart) * weighted).sum(-1))
        return np.asarray(np.where(weights != 0, self.reach, 0.0).max(-1) * scale)


def stencil(logs: Samples, asked: Samples, points: int) -> Samples:
    """Return the weights (asked, logs) of Lagrange's interpolation through the nearest points.

    NaN outside the range of `logs`, for nothing is extrapolated. All pairs of a series ask for the
    same weights, so they are kept.
    """
    kinds = (np.asarray(one, dtype=float).tobytes() for one in (logs, asked))
    return _kept_stencil(*kinds, points)


@functools.lru_cache(maxsize=512)
def _kept_stencil(logs_bytes: bytes, asked_bytes: bytes, points: int) -> Samples:
    logs, asked = np.frombuffer(logs_bytes), np.frombuffer(asked_bytes)
    many = min(points, len(logs))
    left = np.clip(np.searchsorted(logs, asked, side="right") - 1, 0, len(logs) - 2)
    first = np.clip(left - (many // 2 - 1), 0, len(logs) - many)
    places = first[:, None] + np.arange(many)
    nodes, weights = logs[places], np.zeros((len(asked), len(logs)))
    for one in range(many):
        others = np.delete(nodes, one, axis=1)
        share = (asked[:, None] - others) / (nodes[:, [one]] - others)
        weights[np.arange(len(asked)), places[:, one]] = share.prod(-1)
    slack = _ROUNDING * (logs[-1] - logs[0])
    weights[(asked < logs[0] - slack) | (asked > logs[-1] + slack)] = np.nan
    weights[np.abs(weights) < _ROUNDING] = 0.0
    weights.setflags(write=False)  # every caller gets the same array
    return weights


@dataclass(frozen=True)
class PairedCurves:
    """The curve of every two strategies of a series: the log of second over first.

    Pairs that played together in several launches of fewer than two sizes have none.
    """

    series: SizeSeries
    curves: dict[tuple[str, str], Curve]

    def between(self, first: str, second: str) -> Curve | None:
        """Return the curve of log(second / first), whichever way round it is kept."""
        if (first, second) in self.curves:
            return self.curves[first, second]
        kept = self.curves.get((second, first))
        return dataclasses.replace(kept, effect=-kept.effect) if kept else None


def paired_curves(
    measurements: Iterable[Measurement], axes: Sequence[str] = SIZES
) -> list[PairedCurves]:
    """Return the curves of every series, their variances moderated over all of them."""
    known = size_series(measurements, axes)
    paired = [series.paired() for series in known]
    if not any(effects.effect.size for effects in paired):
        return [PairedCurves(series, {}) for series in known]
    correlation = neighbour_correlation([effects.effect for effects in paired])
    flat = [_flat(effects) for effects in paired if effects.effect.size]
    found = estimate(stack(flat), _numbers(paired))
    reach = t_quantile((1 - CONFIDENCE) / 2, np.maximum(found.df, 1.0))
    made, start = [], 0
    for series, effects in zip(known, paired, strict=True):
        pairs, sizes = effects.effect.shape[:2]
        rows = np.arange(start, start := start + pairs * sizes).reshape(pairs, sizes)
        curves = [_curve(series, found, reach, row, correlation) for row in rows]
        named = zip(series.pairs, curves, strict=True)
        made.append(PairedCurves(series, {pair: curve for pair, curve in named if curve}))
    return made


def _numbers(paired: Sequence[Effects]) -> NDArray[np.int_]:
    numbers, start = [], 0
    for effects in paired:
        pairs, sizes = effects.effect.shape[:2]
        numbers.append(np.tile(np.arange(start, start := start + sizes), pairs))
    return np.concatenate(numbers)


def _flat(effects: Effects) -> Effects:
    launches = effects.effect.shape[-1]
    return Effects(
        effects.effect.reshape(-1, launches), effects.standard_error.reshape(-1, launches)
    )


def _curve(
    series: SizeSeries, found: Estimates, reach: Samples, rows: NDArray[np.int_], correlation: float
) -> Curve | None:
    """Return the curve through the sizes whose launches give an interval."""
    known = (found.launches[rows] > 1) & (found.df[rows] > 0)
    kept = rows[known]
    if len(kept) < _LINE:
        return None
    sizes = np.array(series.sizes, dtype=float)[known]
    return Curve(sizes, found.effect[kept], found.standard_error[kept], reach[kept], correlation)


def neighbour_correlation(effects: Sequence[Samples]) -> float:
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
