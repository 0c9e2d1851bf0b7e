"""A robust mean and its standard error; NaN counts as absent throughout."""

import numpy as np
from numpy.typing import NDArray

from timelift.analyse.runs.measurement import Samples

#: The share of values cut from each end by default.
TRIM = 0.2
#: Cutting this much leaves the median.
HALF = 0.5
#: The error of a mean comes from this many batches of neighbouring values, or is not known.
BATCHES = 6


def trimmed_mean(values: Samples, trim: float = TRIM) -> Samples:
    """Average the last axis without its lowest and highest `trim` share; of nothing, NaN.

    Source: Tukey and McLaughlin 1963, Sankhya A 25(3), 331-352.
    """
    ordered, count, cut = _cuts(values, trim)
    place = np.arange(values.shape[-1])
    kept = (place >= cut) & (place < count - cut)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(kept, ordered, 0.0).sum(-1) / kept.sum(-1))


def batch_error(values: Samples) -> Samples:
    """Return the standard error of the last axis' trimmed mean where neighbours may be alike.

    Values are winsorised at the cuts, since a trimmed mean depends on no more of them (Yuen 1974,
    Biometrika 61(1), 165-170), and their means in `BATCHES` batches in a row are compared (Conway
    1963, Management Science 10(1), 47-61). With fewer values than batches the error is NaN.
    """
    if values.shape[-1] < BATCHES:
        return np.full(values.shape[:-1], np.nan)
    ordered, count, cut = _cuts(values, TRIM)
    low = np.take_along_axis(ordered, cut, -1)
    high = np.take_along_axis(ordered, np.maximum(count - cut - 1, 0), -1)
    means = _batch_means(np.clip(values, low, high), count)
    error = np.sqrt(mean_and_variance(means)[1] / BATCHES) / (1 - 2 * TRIM)
    return np.where(count[..., 0] < BATCHES, np.nan, error)


def mean_and_variance(values: Samples) -> tuple[Samples, Samples]:
    """Return the mean and the unbiased variance of the last axis, NaN of too few values."""
    present = np.isfinite(values)
    count = present.sum(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(present, values, 0.0).sum(-1) / count
        squares = np.where(present, (values - mean[..., None]) ** 2, 0.0).sum(-1)
        return mean, np.where(count > 1, squares / (count - 1), np.nan)


def _cuts(values: Samples, trim: float) -> tuple[Samples, NDArray[np.int_], NDArray[np.int_]]:
    """Return the last axis sorted, how many values are there, and how many to cut on each side."""
    ordered = np.sort(values, axis=-1)
    count = np.isfinite(ordered).sum(-1, keepdims=True)
    cut = np.minimum(np.floor(trim * count), np.maximum(count - 1, 0) // 2)
    return ordered, count, cut.astype(int)


def _batch_means(values: Samples, count: NDArray[np.int_]) -> Samples:
    present = np.isfinite(values)
    place = (present.cumsum(-1) - 1) * BATCHES // np.maximum(count, 1)
    members = [(place == number) & present for number in range(BATCHES)]
    sums = np.stack([np.where(member, values, 0.0).sum(-1) for member in members], axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums / np.stack([member.sum(-1) for member in members], axis=-1))
