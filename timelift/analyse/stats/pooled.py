"""All samples of a case thrown together, whatever launch they are of, as other tools judge them.

Nothing of ours rests on it: samples of one launch are no independent evidence.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from timelift.analyse.runs.measurement import LaunchSamples, Samples

_FENCE = 1.5


@dataclass(frozen=True)
class Pooled:
    """Seconds per call of the rounds that were played, and what pytest-benchmark tells of them.

    `low` and `high` are the extremes within 1.5 interquartile ranges of the quartiles, beyond which
    lie `iqr_outliers`; `stddev_outliers` differ from the mean by more than `stddev`.
    """

    data: Samples
    mean: float
    stddev: float
    median: float
    q1: float
    q3: float
    low: float
    high: float
    iqr_outliers: int
    stddev_outliers: int


def pooled(launches: Sequence[LaunchSamples]) -> Pooled:
    """Return the statistics of pytest-benchmark 5.3 of a case."""
    return pooled_samples(np.concatenate([launch.seconds_per_call for launch in launches]))


def pooled_samples(seconds: Samples) -> Pooled:
    """Return the same of samples, NaN where a round was not played."""
    data = seconds[np.isfinite(seconds)]
    ordered = np.sort(data)
    q1, q3 = _quartiles(ordered)
    low, high = q1 - _FENCE * (q3 - q1), q3 + _FENCE * (q3 - q1)
    mean, spread = float(data.mean()), float(data.std(ddof=1)) if data.size > 1 else 0.0
    inside = ordered[(ordered >= low) & (ordered <= high)]
    return Pooled(
        data=data,
        mean=mean,
        stddev=spread,
        median=float(np.median(data)),
        q1=q1,
        q3=q3,
        low=float(inside[0]) if inside.size else float(ordered[0]),
        high=float(inside[-1]) if inside.size else float(ordered[-1]),
        iqr_outliers=int(data.size - inside.size),
        stddev_outliers=int((abs(data - mean) > spread).sum()),
    )


def _quartiles(ordered: Samples) -> tuple[float, float]:
    """Return the quartiles by the methods that pytest-benchmark takes: 2 if even, 3 if odd."""
    count, half = ordered.size, ordered.size // 2
    if count == 1:
        return float(ordered[0]), float(ordered[0])
    if count % 2 == 0:
        return statistics.median(ordered[:half].tolist()), statistics.median(
            ordered[half:].tolist()
        )
    return _third(ordered), _third(ordered[::-1])


def _third(ordered: Samples) -> float:
    quarter, rest = divmod(ordered.size, 4)
    if rest == 1:
        return float(0.25 * ordered[quarter - 1] + 0.75 * ordered[quarter])
    return float(0.75 * ordered[quarter] + 0.25 * ordered[quarter + 1])
