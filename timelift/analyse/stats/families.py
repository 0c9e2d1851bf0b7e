"""Comparisons that belong together: all pairs of the rivals of one setting."""

import math

import numpy as np
from numpy.typing import NDArray

from timelift.analyse.runs.measurement import Samples
from timelift.analyse.stats.shrink_variances import centred_logs

#: The number of each row's family, which is all pairs of its rivals in the order of
#: `np.triu_indices`.
Families = NDArray[np.int_]


def rivals_in(families: Families) -> NDArray[np.int_]:
    """Return how many rivals each row's family has; raises ValueError where it is not all pairs."""
    _, place, pairs = np.unique(families, return_inverse=True, return_counts=True)
    rivals = np.array([(1 + math.isqrt(1 + 8 * size)) // 2 for size in pairs.tolist()], int)
    if (rivals * (rivals - 1) != 2 * pairs).any():
        raise ValueError(f"expected families of all pairs of rivals, received {pairs.tolist()}")
    return np.asarray(rivals[place])


def independence_in(families: Families) -> Samples:
    """Return each row's share of an independent comparison."""
    return 2 / rivals_in(families)


def variance_beside(variance: Samples, df: Samples, families: Families) -> Samples:
    """Return the mean log variance of the pairs of a row's family that share no rival with it.

    `df` are the degrees of freedom of each variance. It is a mean of logs, so that one loud rival
    does not make all look loud. NaN where there is no such pair, as among fewer than four rivals.
    """
    known = np.isfinite(variance) & (df > 0)
    logs = np.zeros(len(variance))
    logs[known], _ = centred_logs(variance[known], df[known])
    count, order = rivals_in(families), np.argsort(families, kind="stable")
    found = np.full(len(variance), np.nan)
    for rivals in np.unique(count).tolist():
        first, second = np.triu_indices(rivals, 1)
        rows = order[count[order] == rivals].reshape(-1, len(first))
        total, number = (
            _apart(values[rows], first, second) for values in (logs, known.astype(float))
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            found[rows] = np.where(number > 0, total / number, np.nan)
    return found


def _apart(values: Samples, first: NDArray[np.int_], second: NDArray[np.int_]) -> Samples:
    """Sum over the pairs that share no rival with a pair; `values` are (families, pairs)."""
    of_rival = np.zeros((len(values), second[-1] + 1))
    for side in (first, second):
        np.add.at(of_rival.T, side, values.T)
    total = values.sum(-1, keepdims=True)
    return np.asarray(total - of_rival[:, first] - of_rival[:, second] + values)
