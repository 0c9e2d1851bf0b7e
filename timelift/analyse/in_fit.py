"""What a gain in train steps becomes in `fit`, which adds as much to a step of every rival."""

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from timelift.analyse.ranking import RankedCase
from timelift.analyse.results import Run
from timelift.measurement import fact


@dataclass(frozen=True)
class InFit:
    """The median gain of settings in a train step and in `fit`."""

    step: float
    fit: float
    settings: int


def gain_in_fit(run: Run, row: RankedCase) -> float:
    """Return how many times as fast as the baseline a row is in `fit`; NaN where unknown."""
    gain, seconds = row.speed_up, row.seconds_per_call.value
    added = fact(run.by_case[row.case], "fit_adds_seconds")
    if gain is None or added is None:
        return math.nan
    before, after = gain.value * seconds + added, seconds + added
    return before / after if min(before, after) > 0 else math.nan


def in_fit(run: Run, rows: Iterable[RankedCase]) -> InFit | None:
    """Return what rows gain in `fit`, each in a setting of its own; None where it is unknown."""
    gains = [(row.speed_up.value, gain_in_fit(run, row)) for row in rows if row.speed_up]
    known = [pair for pair in gains if all(map(math.isfinite, pair))]
    if not known:
        return None
    step, fit = map(statistics.median, zip(*known, strict=True))
    return InFit(step, fit, len(known))
