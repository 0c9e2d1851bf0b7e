"""Student's t, digamma and trigamma on numpy alone.

scipy has all of these, but importing it costs three times as much as numpy itself, and the process
that collects and stops a campaign must start at once. The tests hold every function to scipy.
"""

import functools

import numpy as np

from timelift.analyse.runs.measurement import Samples

_STEPS = np.linspace(-4.0, 4.0, 161)
_NODES = 0.5 + 0.5 * np.tanh(np.pi / 2 * np.sinh(_STEPS))
_WEIGHTS = np.cosh(_STEPS) / np.cosh(np.pi / 2 * np.sinh(_STEPS)) ** 2
_BISECTIONS = 60
_BLOCK = 4096
_SHIFT = np.arange(8)


def tail(statistic: Samples, df: Samples) -> Samples:
    """Give the chance that Student's t with `df` degrees of freedom exceeds `statistic`.

    With t = √df / tan(δ) the tail is an integral of sin(δ)^(df - 1), taken by tanh-sinh quadrature
    (Takahasi and Mori 1974), which stays exact at both ends for every df from 1 up.
    """
    statistic, df = np.broadcast_arrays(np.asarray(statistic, float), np.asarray(df, float))
    angle = np.arctan2(np.sqrt(df), np.abs(statistic))
    distinct, inverse = np.unique(df, return_inverse=True)
    whole = _sine_integral(np.full_like(distinct, np.pi / 2), distinct)
    share = 0.5 * _sine_integral(angle, df) / whole[inverse].reshape(df.shape)
    return np.where(statistic < 0, 1.0 - share, share)


def quantile(chance: float, df: Samples) -> Samples:
    """Give the t that is exceeded with `chance` (at most one half) at each of `df`."""
    distinct, inverse = np.unique(np.asarray(df, float), return_inverse=True)
    low, high = np.zeros_like(distinct), np.full_like(distinct, np.pi / 2)
    whole = _sine_integral(high, distinct)
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        above = 0.5 * _sine_integral(middle, distinct) > chance * whole
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return np.asarray((np.sqrt(distinct) / np.tan(high))[inverse]).reshape(np.shape(df))


@functools.lru_cache(maxsize=65_536)
def quantile_of_one(chance: float, df: float) -> float:
    """Return `quantile` of a single pair of numbers, of which a run has few different ones."""
    return float(quantile(chance, np.array([df]))[0])


def _sine_integral(upper: Samples, df: Samples) -> Samples:
    """Integrate sin(δ)^(df - 1) from 0 to `upper`, up to a constant factor.

    In blocks, since a run may have a quarter of a million comparisons, each with 161 heights.
    """
    flat, powers = upper.ravel(), df.ravel() - 1.0
    areas = np.empty(flat.shape)
    for start in range(0, flat.size, _BLOCK):
        part = slice(start, start + _BLOCK)
        heights = np.sin(flat[part, None] * _NODES) ** powers[part, None]
        areas[part] = np.einsum("in,n->i", heights, _WEIGHTS)
    return upper * areas.reshape(upper.shape)


def digamma(x: Samples) -> Samples:
    """Give ψ(x) for x > 0, by recurrence and Stirling's series (Abramowitz and Stegun 6.3.18)."""
    x = np.asarray(x, float)
    far = x + _SHIFT.size
    series = np.log(far) - 1 / (2 * far) - 1 / (12 * far**2) + 1 / (120 * far**4)
    return np.asarray(series - 1 / (252 * far**6) - (1 / (x[..., None] + _SHIFT)).sum(-1))


def trigamma(x: Samples) -> Samples:
    """Give the derivative of ψ(x) for x > 0, the same way (Abramowitz and Stegun 6.4.12)."""
    x = np.asarray(x, float)
    far = x + _SHIFT.size
    series = 1 / far + 1 / (2 * far**2) + 1 / (6 * far**3) - 1 / (30 * far**5) + 1 / (42 * far**7)
    return np.asarray(series + (1 / (x[..., None] + _SHIFT) ** 2).sum(-1))


def trigamma_inverse(value: float) -> float:
    """Give the x > 0 whose trigamma is `value` > 0, by bisection on log x."""
    low, high = -20.0, 20.0
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        below = float(trigamma(np.exp(middle))) < value
        low, high = (low, middle) if below else (middle, high)
    return float(np.exp(high))
