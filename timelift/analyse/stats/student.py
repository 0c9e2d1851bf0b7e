"""Student's t by scipy; digamma and trigamma on numpy alone.

scipy is imported at the first t: importing it costs twice as much as numpy itself, and the process
that collects a campaign's cases must start at once. The tests hold every function to scipy.
"""

import numpy as np

from timelift.analyse.runs.measurement import Samples

_BISECTIONS = 60
_SHIFT = np.arange(8)


def tail(statistic: Samples, df: Samples) -> Samples:
    """Return the chance that Student's t with `df` degrees of freedom exceeds `statistic`."""
    from scipy import special  # noqa: PLC0415

    return np.asarray(special.stdtr(df, -np.asarray(statistic)))


def quantile(chance: float, df: Samples | float) -> Samples:
    """Return the t that is exceeded with `chance` (at most one half) at each of `df`."""
    from scipy import special  # noqa: PLC0415

    return np.asarray(-special.stdtrit(df, chance))


def digamma(x: Samples) -> Samples:
    """Return ψ(x) for x > 0, by recurrence and Stirling's series (Abramowitz and Stegun 6.3.18)."""
    x = np.asarray(x, float)
    far = x + _SHIFT.size
    series = np.log(far) - 1 / (2 * far) - 1 / (12 * far**2) + 1 / (120 * far**4)
    return np.asarray(series - 1 / (252 * far**6) - (1 / (x[..., None] + _SHIFT)).sum(-1))


def trigamma(x: Samples) -> Samples:
    """Return the derivative of ψ(x) for x > 0, the same way (Abramowitz and Stegun 6.4.12)."""
    x = np.asarray(x, float)
    far = x + _SHIFT.size
    series = 1 / far + 1 / (2 * far**2) + 1 / (6 * far**3) - 1 / (30 * far**5) + 1 / (42 * far**7)
    return np.asarray(series + (1 / (x[..., None] + _SHIFT) ** 2).sum(-1))


def trigamma_inverse(value: float) -> float:
    """Return the x > 0 whose trigamma is `value` > 0, by bisection on log x."""
    low, high = -20.0, 20.0
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        below = float(trigamma(np.exp(middle))) < value
        low, high = (low, middle) if below else (middle, high)
    return float(np.exp(high))
