"""The slow ones of served calls: their 90th and 99th percentiles, over launches.

Each launch has a percentile of its own calls, and these are evidence like its other figures. A
fixed piece of work that played beside shows which slow calls are the machine's.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from timelift.analyse.estimates import Interval, typical_means
from timelift.analyse.results import Run, launch_marks
from timelift.axis_values import Phase
from timelift.case import Case
from timelift.measurement import CaseInLaunch, Measurement

#: The least calls of a launch of which a share tells a percentile: four beyond it.
LEAST_CALLS = {0.9: 40, 0.99: 400}
_NINETY_NINE = max(LEAST_CALLS)


@dataclass(frozen=True)
class SlowCalls:
    """Percentiles of the seconds of calls, None where a launch has too few of them.

    Where the slowest of a hundred calls are as far from the median as those of a fixed piece of
    work, they may be `of_machine`: the calls' own `p99` is at most the high end, its one known end.
    """

    p90: Interval | None
    p99: Interval | None
    of_machine: bool = False


def slow_calls(run: Run) -> Mapping[Case, SlowCalls]:
    """Return the slow calls of each case that was served."""
    served = {
        case: measurement
        for case, measurement in run.measured.items()
        if case.setting.phase is Phase.SERVE
    }
    p90, p99 = (_percentiles(served, share) for share in LEAST_CALLS)
    tails = {case: _beyond_machine(measurement) for case, measurement in served.items()}
    beyond = _intervals({case: own for case, own in tails.items() if own}, served)
    of_machine = {case for case, own in beyond.items() if own.low <= 1}
    bounds = {case: Interval(math.nan, high=p99[case].high) for case in of_machine}
    return {
        case: SlowCalls(p90.get(case), bounds.get(case, p99.get(case)), case in of_machine)
        for case in served
    }


def _percentiles(served: Mapping[Case, Measurement], share: float) -> dict[Case, Interval]:
    found = {}
    for case, measurement in served.items():
        calls = [_calls(launch) for launch in _timed(measurement)]
        if min(map(len, calls), default=0) >= LEAST_CALLS[share]:
            found[case] = [_percentile(own, share) for own in calls]
    return _intervals(found, served)


def _beyond_machine(measurement: Measurement) -> list[float]:
    """Return how far the slowest of a hundred calls are from the median, over the fixed work's."""
    found = []
    for launch in _timed(measurement):
        calls, tail = _calls(launch), launch.facts.number("canary_tail")
        if tail is None or len(calls) < LEAST_CALLS[_NINETY_NINE]:
            return []
        found.append(_percentile(calls, _NINETY_NINE) / float(np.median(calls)) / tail)
    return found


def _intervals(
    figures: Mapping[Case, Sequence[float]], served: Mapping[Case, Measurement]
) -> dict[Case, Interval]:
    """Return the geometric means over launches, each with its interval."""
    if not figures:
        return {}
    launches = {case: [one.number for one in _timed(served[case])] for case in figures}
    marks = [launch_marks([served[case]], numbers) for case, numbers in launches.items()]
    return dict(zip(figures, typical_means(figures.values(), marks), strict=True))


def _timed(measurement: Measurement) -> list[CaseInLaunch]:
    """Return the launches whose samples are calls; of two interpreters they are several."""
    played = (launch for launch in measurement.launches if launch.was_timed)
    return [launch for launch in played if launch.calls_per_sample == 1]


def _calls(launch: CaseInLaunch) -> list[float]:
    return [seconds for seconds in launch.seconds_per_call if not math.isnan(seconds)]


def _percentile(calls: Sequence[float], share: float) -> float:
    return float(np.quantile(calls, share, method="inverted_cdf"))
