"""First calls: what a user waits for before the first result, with an interval over launches."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from timelift.analyse.runs.measurement import Measurement
from timelift.analyse.stats.effects import Effects
from timelift.analyse.stats.estimates import estimate
from timelift.analyse.stats.verdicts import CONFIDENCE
from timelift.case import Case

FACT = "first_call_seconds"


@dataclass(frozen=True, slots=True)
class FirstCall:
    """Seconds of the first call: the geometric mean over launches, with its 95 % interval.

    `low` and `high` are NaN where one launch alone tells them.
    """

    seconds: float
    low: float
    high: float
    launches: int


def first_calls(
    measurements: Iterable[Measurement], confidence: float = CONFIDENCE
) -> dict[Case, FirstCall]:
    """Estimate the first call of every case, from the launches that built undisturbed.

    Variances of the logs are moderated over all cases. Launches that built side by side with
    others keep no first call in their facts.
    """
    told = {one.case: _seconds(one) for one in measurements}
    known = {case: seconds for case, seconds in told.items() if seconds}
    if not known:
        return {}
    launches = max(map(len, known.values()))
    logs = np.full((len(known), launches), np.nan)
    for row, seconds in zip(logs, known.values(), strict=True):
        row[: len(seconds)] = np.log(seconds)
    found = estimate(Effects(logs, np.full_like(logs, np.nan)))
    width = np.where(found.launches > 1, found.half_width((1 - confidence) / 2), np.nan)
    bounds = np.exp(np.stack([found.effect, found.effect - width, found.effect + width], axis=-1))
    rows = zip(*bounds.T.tolist(), found.launches.astype(int).tolist(), strict=True)
    return {case: FirstCall(*row) for case, row in zip(known, rows, strict=True)}


def _seconds(measurement: Measurement) -> list[float]:
    told = [launch.facts.number(FACT) for launch in measurement.launches]
    return [one for one in told if one is not None and 0 < one < math.inf]
