"""Absolute times: seconds of a call and of the first call, with intervals over launches."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from timelift.analyse.runs.measurement import Measurement, Samples
from timelift.analyse.stats.aligned_samples import AlignedSamples
from timelift.analyse.stats.effects import Effects, stack
from timelift.analyse.stats.estimates import estimate
from timelift.analyse.stats.verdicts import CONFIDENCE
from timelift.case import Case


@dataclass(frozen=True)
class AbsoluteTimes:
    """Log seconds of cases with the half-widths of their intervals, each array (cases,).

    A half-width is NaN where the case has one launch alone.
    """

    centre: Samples
    half_width: Samples
    launches: Samples

    def part(self, rows: slice) -> "AbsoluteTimes":
        return AbsoluteTimes(self.centre[rows], self.half_width[rows], self.launches[rows])


@dataclass(frozen=True, slots=True)
class FirstCall:
    """Seconds of the first call: the geometric mean over launches, with its 95 % interval.

    `low` and `high` are NaN where the case has one launch alone.
    """

    seconds: float
    low: float
    high: float
    launches: int


def absolute_times(settings: Sequence[AlignedSamples], alpha: float) -> Iterator[AbsoluteTimes]:
    """Estimate the time of every rival from its launch medians, by setting.

    Variances are moderated over all rivals; an interval is missed with chance `alpha`.
    """
    medians = [one.launch_medians() for one in settings]
    found = _estimated([_without_standard_errors(logs) for logs in medians], alpha)
    start = 0
    for logs in medians:
        yield found.part(slice(start, start := start + len(logs)))


def first_calls(
    measurements: Iterable[Measurement], confidence: float = CONFIDENCE
) -> dict[Case, FirstCall]:
    """Estimate the first call of every case, from the launches that built undisturbed.

    Variances of the logs are moderated over all cases. Launches that built beside another
    process keep no first call in their facts.
    """
    known = {one.case: seconds for one in measurements if (seconds := _first_call_seconds(one))}
    if not known:
        return {}
    logs = [_without_standard_errors(np.log([seconds])) for seconds in known.values()]
    found = _estimated(logs, 1 - confidence)
    ends = (found.centre, found.centre - found.half_width, found.centre + found.half_width)
    rows = zip(*np.exp(ends).tolist(), found.launches.astype(int).tolist(), strict=True)
    return {case: FirstCall(*row) for case, row in zip(known, rows, strict=True)}


def _first_call_seconds(measurement: Measurement) -> list[float]:
    known = [one.facts.number("first_call_seconds") for one in measurement.launches]
    return [one for one in known if one is not None and 0 < one < math.inf]


def _without_standard_errors(logs: Samples) -> Effects:
    """Return log seconds as (cases, launches); their errors within a launch are not known."""
    return Effects(logs, np.full_like(logs, np.nan))


def _estimated(parts: Sequence[Effects], alpha: float) -> AbsoluteTimes:
    found = estimate(stack(parts))
    half_width = np.where(found.launches > 1, found.half_width(alpha / 2), np.nan)
    return AbsoluteTimes(found.effect, half_width, found.launches)
