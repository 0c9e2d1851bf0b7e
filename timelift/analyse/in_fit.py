"""What a gain in train steps becomes in `fit`, which adds as much to a step of every rival."""

import math
from collections.abc import Iterable

from timelift.analyse.ranking import RankedCase
from timelift.analyse.results import Run
from timelift.measurement import median

#: What launches say of a gain in `fit` may differ by so many times; else it is not known.
_MOST_APART = 1.25


def gain_in_fit(run: Run, row: RankedCase) -> float:
    """Return how many times as fast as the baseline a row is in `fit`; NaN where unknown."""
    gain, seconds = row.speed_up, row.seconds_per_call.value
    launches = (one.facts.number("fit_adds_seconds") for one in run.by_case[row.case].launches)
    added = sorted(each for each in launches if each is not None)
    if gain is None or not added or min(1.0, gain.value) * seconds + added[0] <= 0:
        return math.nan
    gains = [(gain.value * seconds + each) / (seconds + each) for each in added]
    return median(gains) if max(gains) <= _MOST_APART * min(gains) else math.nan


def gains_in_fit(run: Run, rows: Iterable[RankedCase]) -> list[tuple[float, float]]:
    """Return what rows gain in a train step and in `fit`, where both are known."""
    gains = [(row.speed_up.value, gain_in_fit(run, row)) for row in rows if row.speed_up]
    return [pair for pair in gains if all(map(math.isfinite, pair))]
