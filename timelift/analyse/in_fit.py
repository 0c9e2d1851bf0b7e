"""What a gain in train steps becomes in `fit`, which adds as much to a step of every rival."""

import math
from collections.abc import Iterable

from timelift.analyse.ranking import RankedCase
from timelift.analyse.results import Run
from timelift.measurement import fact


def gain_in_fit(run: Run, row: RankedCase) -> float:
    """Return how many times as fast as the baseline a row is in `fit`; NaN where unknown."""
    gain, seconds = row.speed_up, row.seconds_per_call.value
    added = fact(run.by_case[row.case], "fit_adds_seconds")
    if gain is None or added is None:
        return math.nan
    before, after = gain.value * seconds + added, seconds + added
    return before / after if min(before, after) > 0 else math.nan


def gains_in_fit(run: Run, rows: Iterable[RankedCase]) -> list[tuple[float, float]]:
    """Return what rows gain in a train step and in `fit`, where both are known."""
    gains = [(row.speed_up.value, gain_in_fit(run, row)) for row in rows if row.speed_up]
    return [pair for pair in gains if all(map(math.isfinite, pair))]
