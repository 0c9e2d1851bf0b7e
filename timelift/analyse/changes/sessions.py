"""What a ratio moves between two sessions of one machine although nothing was changed.

Launches of one run share the hour, the machine's temperature and its other guests, so the interval
over launches alone is too narrow between runs. Where a machine has three runs or more, consecutive
runs tell how much is missing; real changes between them are rare, and a median forgives one. Where
there is no such history a value is assumed: ratios of the reference grid, measured several times on
a shared machine, differed between runs by little more than their intervals over launches say.
"""

import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from timelift.analyse.changes.shift import Shift, shifts
from timelift.analyse.runs.measurement import Run
from timelift.case import Case

#: Assumed sd of a log ratio from session to session, beyond what launches show, and its weight.
ASSUMED_SD, ASSUMED_DF = 0.01, 8.0
#: From so many runs with a case on, history has a say.
FEWEST_RUNS = 3
#: The median of a squared standard normal value.
_CHI_SQUARE_MEDIAN = 0.4549


@dataclass(frozen=True)
class Session:
    """The variance that one session adds to a log ratio, worth `df` degrees of freedom."""

    variance: float = ASSUMED_SD**2
    df: float = ASSUMED_DF
    runs: int = 0


def sessions(history: Sequence[Run]) -> Mapping[Case, Session]:
    """Learn from runs in the order of their times; a case in too few of them is left out."""
    steps: dict[Case, list[Shift]] = defaultdict(list)
    for before, after in itertools.pairwise(history):
        for shift in shifts(before, after):
            steps[shift.case].append(shift)
    return {case: _learnt(some) for case, some in steps.items() if len(some) >= FEWEST_RUNS - 1}


def _learnt(steps: Sequence[Shift]) -> Session:
    """Average what history shows with what is assumed, weighted by degrees of freedom."""
    squares = float(np.median([step.effect**2 for step in steps])) / _CHI_SQUARE_MEDIAN
    explained = float(np.median([step.variance for step in steps]))
    excess = max(0.0, (squares - explained) / 2)
    df = ASSUMED_DF + len(steps)
    variance = (ASSUMED_DF * ASSUMED_SD**2 + len(steps) * excess) / df
    return Session(variance, df, len(steps) + 1)
