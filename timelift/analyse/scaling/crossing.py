"""Where a curve of log ratios crosses zero, between sizes that were measured, on arrays alone.

Between sizes the curve is a cubic over the log of the size, through the four nearest. What it and
a straight line disagree about is added to the curve's interval, for nobody has measured there. A
crossing's interval holds the sizes at which the curve's own interval holds zero (after Fieller
1954, Journal of the Royal Statistical Society B 16(2), 175-185). It must end inside what was
measured, with one strategy shown faster on one side and the other on the other side.
"""

import functools
import itertools
import math
from dataclasses import dataclass

import numpy as np

from timelift.analyse.runs.measurement import Samples
from timelift.analyse.stats.verdicts import RANK_MARGIN

#: So many steps from one measured size to the next.
STEPS = 128
#: Who overtakes must have been ahead, and then behind, by a difference that counts.
_MARGIN = math.log1p(RANK_MARGIN)
#: What a logarithm may be off by, as a share of a step between sizes.
_ROUNDING = 1e-9
_LINE, _CUBIC = 2, 4
#: No fourth size checks a curve through three, so that its doubt counts so many times.
_UNCHECKED = 3


@dataclass(frozen=True)
class Curve:
    """Log ratios by size, two sizes at least: `effect`, with the errors `scale`.

    `reach` is how many errors a 95 % interval reaches to each side, and `correlation` that of the
    errors of neighbouring sizes.
    """

    sizes: Samples
    effect: Samples
    scale: Samples
    reach: Samples
    correlation: float = 0.0

    def at(self, sizes: Samples) -> tuple[Samples, Samples]:
        """Interpolate the log ratio and the half-width of its 95 % interval; NaN outside."""
        logs, asked = np.log(self.sizes), np.log(sizes)
        cubic, line = (stencil(logs, asked, points) for points in (_CUBIC, _LINE))
        bent = cubic @ self.effect
        return bent, self._half_width(cubic) + self._doubt(line, bent)

    def _doubt(self, line: Samples, bent: Samples) -> Samples:
        """Give how far the curve may be from where it is drawn; nothing at measured sizes.

        Of two sizes nobody knows how the curve bends, only that it goes from the one to the other.
        """
        if len(self.sizes) > _LINE:
            unsure = 1 if len(self.sizes) >= _CUBIC else _UNCHECKED
            return np.asarray(unsure * np.abs(bent - line @ self.effect))
        ends = np.abs(np.subtract.outer(bent, self.effect)).max(-1)
        return np.where((line == 1).any(-1), 0.0, ends)

    def _half_width(self, weights: Samples) -> Samples:
        """Give the half-width of sums of the effects, as sure as the least sure of them."""
        apart = np.abs(np.subtract.outer(np.arange(len(self.sizes)), np.arange(len(self.sizes))))
        pulled = weights * self.scale
        scale = np.sqrt(((pulled @ self.correlation**apart) * pulled).sum(-1))
        return np.asarray(np.where(weights != 0, self.reach, 0.0).max(-1) * scale)


def stencil(logs: Samples, asked: Samples, points: int) -> Samples:
    """Give the weights (asked, logs) of Lagrange's interpolation through the nearest points.

    NaN outside the range of `logs`, for nothing is extrapolated. All pairs of a family ask for the
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
    weights.setflags(write=False)  # whoever asks again gets the same array
    return weights


@dataclass(frozen=True)
class Crossing:
    """The size at which a log ratio changes its sign, with its 95 % interval; `rising` or not."""

    size: float
    low: float
    high: float
    rising: bool


def crossings(curve: Curve) -> list[Crossing]:
    """Find where the curve is shown to cross zero, from the smallest size to the largest."""
    if curve.effect.min() >= 0 or curve.effect.max() <= 0:
        return []
    sizes = _steps(curve.sizes)
    effect, width = curve.at(sizes)
    shown = np.where(np.abs(effect) > width, np.sign(effect), 0.0)
    clear = [one for one in _stretches(shown) if shown[one.start] != 0]
    found = []
    for before, after in itertools.pairwise(clear):
        between = slice(before.stop - 1, after.start + 1)
        large = all(np.abs(effect[one]).max() >= _MARGIN for one in (before, after))
        if shown[before.start] != shown[after.start] and large:
            low, high = float(sizes[between.start]), float(sizes[between.stop - 1])
            middle = _zero(sizes[between], effect[between])
            found.append(Crossing(middle, low, high, rising=bool(shown[after.start] > 0)))
    return found


def _steps(sizes: Samples) -> Samples:
    """Give the sizes with evenly spaced logs between them."""
    places = np.arange((len(sizes) - 1) * STEPS + 1) / STEPS
    return np.asarray(np.exp(np.interp(places, np.arange(len(sizes)), np.log(sizes))))


def _stretches(shown: Samples) -> list[slice]:
    """Split where what is shown changes."""
    edges = [0, *(np.flatnonzero(np.diff(shown) != 0) + 1).tolist(), len(shown)]
    return [slice(a, b) for a, b in itertools.pairwise(edges)]


def _zero(sizes: Samples, effect: Samples) -> float:
    """Interpolate the size at which the effect is zero: the middle one of several."""
    turns = np.flatnonzero(np.diff(np.sign(effect)) != 0)
    place = turns[len(turns) // 2]
    way = effect[place] / (effect[place] - effect[place + 1])
    return float(np.exp((1 - way) * np.log(sizes[place]) + way * np.log(sizes[place + 1])))
