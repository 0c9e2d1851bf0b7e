"""A power law with an overhead through times by size: t(n) = c0 + c1 n^p, on arrays alone.

The fit is that of the mean curve over launches; how much each launch pulls at it follows from the
fit's own derivatives (the delta method), so that an interval over launches needs no fit of one
launch by itself, which would be as good as its worst size.
"""

import math
from dataclasses import dataclass

import numpy as np

from timelift.analyse.runs.measurement import Samples

#: Overhead, factor and power: three unknowns, and one size more to see whether they fit.
MIN_SIZES = 4
#: Powers that are tried; a fit at either end has found none.
LOWEST_POWER, HIGHEST_POWER = 0.1, 4.0
#: Each of so many looks at this many powers narrows the range tenfold and more.
_LOOKS, _POWERS = 6, 41
_SINGULAR = 1e-12


@dataclass(frozen=True)
class Pull:
    """A number fitted to the logs of times by size, and its derivatives by each of those logs."""

    value: float
    weights: Samples

    @property
    def length(self) -> float:
        """How much noise of one unit at every size becomes in the number."""
        return float(np.linalg.norm(self.weights))


@dataclass(frozen=True)
class Growth:
    """One fitted curve.

    `power` is p. `bend` is the log of the size at which the growing part equals the overhead, None
    where there is no overhead. `misfit` is the largest distance of a time from the curve, as a
    share.
    """

    power: Pull
    bend: Pull | None
    misfit: float


def grow(sizes: Samples, logs: Samples) -> Growth | None:
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
    changes = np.stack([np.ones_like(scaled), scaled**power, factor * scaled**power * _log(scaled)])
    pulls = np.linalg.pinv((changes / curve).T)  # overhead, factor, power by each log
    bend = _bend(overhead, factor, power, pulls, math.log(sizes[-1]))
    return Growth(Pull(power, pulls[2]), bend, float(np.abs(curve / times - 1).max()))


def slope(sizes: Samples, logs: Samples) -> Pull:
    """Give the slope of log time over log size between the last two sizes."""
    step = math.log(sizes[-1] / sizes[-2])
    weights = np.zeros(len(sizes))
    weights[-2:] = -1 / step, 1 / step
    return Pull(float(weights @ logs), weights)


def _best_power(scaled: Samples, times: Samples) -> float:
    """Find the power with the least misfit, looking ever closer."""
    low, high = LOWEST_POWER, HIGHEST_POWER
    for _ in range(_LOOKS):
        powers = np.linspace(low, high, _POWERS)
        best = powers[int(np.argmin(_parts(powers, scaled, times)[2]))]
        step = powers[1] - powers[0]
        low, high = max(LOWEST_POWER, best - step), min(HIGHEST_POWER, best + step)
    return float(best)


def _parts(powers: Samples, scaled: Samples, times: Samples) -> tuple[Samples, Samples, Samples]:
    """Give the overhead, the factor and the misfit that are best with each of the powers."""
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
    overhead: float, factor: float, power: float, pulls: Samples, log_last: float
) -> Pull | None:
    if overhead <= 0:
        return None
    height = math.log(overhead / factor)
    changes = np.array([1 / (overhead * power), -1 / (factor * power), -height / power**2])
    return Pull(log_last + height / power, changes @ pulls)


def _log(values: Samples) -> Samples:
    return np.asarray(np.log(values))
