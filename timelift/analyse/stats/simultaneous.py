"""Intervals beside the shown best that hold for all rows of a setting at once.

Two things stand between an interval of one pair and a table of rows. There are several rows, each
of which may miss; and the row that they are shown beside was picked by the same data, as the one
that looked fastest. Both are paid for here, by the quantile of the largest error of all pairs that
may be shown: those of every rival that may be the best with every other.

Where one rival alone may be the best, that is the quantile of Dunnett (1955, Journal of the
American Statistical Association 50, 1096-1121); where any may, that of Tukey's studentized range.
The rival that looks fastest looks too fast rather than too slow, so that the others are seldom
nearer to it than they seem: only lower ends have to pay for the choice of the best.
"""

import functools
import math
from dataclasses import dataclass

import numpy as np

#: Where the simulated noise starts: the same rivals have the same levels in every report.
_SEED = 0
#: How many numbers are drawn: widths of up to 20 rivals are then right to 0.5 %.
_DRAWN = 500_000


@dataclass(frozen=True)
class PairLevels:
    """The chances with which one pair may miss the lower and the upper end of its interval."""

    below: float
    above: float


@functools.lru_cache(maxsize=256)
def levels(rivals: int, candidates: int, alpha: float) -> PairLevels:
    """Return the levels of single pairs that make all intervals of a setting hold at once.

    Of the `rivals`, the first among them, `candidates` may be the best (1 is the first alone);
    some interval misses its truth with chance `alpha`. Levels are those of normal noise; the pair
    takes them to Student's t with its own degrees of freedom.
    """
    if rivals < 3:  # noqa: PLR2004 - a single pair is its own family
        return PairLevels(alpha / 2, alpha / 2)
    one, some = (_largest_errors(rivals, alpha)[place - 1] for place in (1, candidates))
    return PairLevels(below=_tail(some), above=_tail(one))


@functools.lru_cache(maxsize=64)
def _largest_errors(rivals: int, alpha: float) -> tuple[float, ...]:
    """Return the quantile of the largest error, in standard errors, for 1, 2, ... candidates."""
    draws = max(_DRAWN // rivals, 1000)
    error = np.random.default_rng(_SEED).standard_normal((draws, rivals))
    high, low = np.maximum.accumulate(error, axis=1), np.minimum.accumulate(error, axis=1)
    largest = np.maximum(high[:, -1:] - low, high - low[:, -1:]) / math.sqrt(2)
    return tuple(np.quantile(largest, 1 - alpha, axis=0).tolist())


def _tail(error: float) -> float:
    return 0.5 * math.erfc(error / math.sqrt(2))
