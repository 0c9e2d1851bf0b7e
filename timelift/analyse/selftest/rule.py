"""What a rule is: it looks at some launches of two rivals and says which is slower, or nothing."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timelift.analyse.runs.measurement import Samples
from timelift.analyse.selftest.recording import Recording


@dataclass(frozen=True)
class Judgement:
    """What a rule says of every comparison, and what it looked at.

    `says` is (comparisons,): 1 where it calls the second slower, -1 faster, 0 where it says
    neither, NaN where it cannot be tried. `used`, the rounds that it paid for, is (comparisons,
    side, launches, rounds).
    """

    says: Samples
    used: NDArray[np.bool_]


@dataclass(frozen=True)
class Seats:
    """Which launches a rule sees of each rival: the first `each` of them, or all.

    Rivals sit in the same launches, as they were recorded. `apart`, the first rival has every other
    launch and the second those between: as where a tool runs one revision and then the next.
    """

    each: int | None
    apart: bool = False

    @property
    def label(self) -> str:
        """The seats in words."""
        if self.apart:
            return f"{self.each or 'half'} each"
        return f"{self.each or 'all'} for both"

    def look(self, sides: Samples) -> Samples:
        """Keep what is seen of (comparisons, side, launches, rounds), NaN elsewhere.

        A comparison with fewer launches than asked for on either side is NaN as a whole.
        """
        seats = np.zeros((2, sides.shape[2], 1), dtype=bool)
        step = 2 if self.apart else 1
        for side in range(2):
            seats[side, side * (step - 1) :: step][: self.each] = True
        seen = np.where(seats, sides, np.nan)
        enough = (np.isfinite(seen).any(-1).sum(-1) >= (self.each or 1)).all(-1)
        return np.where(enough[:, None, None, None], seen, np.nan)


@dataclass(frozen=True)
class LadderRule:
    """A rule by name; `judge` gets what was recorded and the seats. Some never say faster."""

    name: str
    seats: Seats
    judge: Callable[[Recording, Seats], Judgement]
    says_faster: bool = True
