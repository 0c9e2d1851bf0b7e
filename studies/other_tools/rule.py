"""What the rules of other tools share: one row of rounds a rival, and the sign of what is found."""

import numpy as np
from numpy.typing import NDArray

from timelift.analyse.runs.measurement import Samples


def pooled(values: Samples) -> Samples:
    """Put the rounds of all launches in a row: (comparisons, side, launches x rounds)."""
    return values.reshape(*values.shape[:2], -1)


def sign_where(differs: NDArray[np.bool_], first: Samples, second: Samples) -> Samples:
    """Return 1 where a difference was found and the second is slower, -1 where faster, else 0.

    NaN where either location is: then there was nothing to look at.
    """
    says = np.where(differs, np.sign(second - first), 0.0)
    return np.where(np.isfinite(first) & np.isfinite(second), says, np.nan)
