"""The slow ones of served calls: their 90th and 99th percentiles, over launches.

Each launch has a percentile of its own calls, and these are evidence like its other figures. A
fixed piece of work that played beside shows which slow calls are the machine's.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from timelift.analyse.estimates import Interval, typical_means
from timelift.analyse.results import Run, launch_marks
from timelift.axis_values import Phase
from timelift.case import Case
from timelift.measurement import CaseInLaunch, Measurement, percentile, tail


class Whose(StrEnum):
    """Whose the slowest of a hundred calls are, by how far they lie from the median."""

    #: Farther than those of the fixed work, by the interval.
    OWN = "its own"
    #: No farther: the calls' own `p99` is at most the high end, its one known end.
    MACHINE = "the machine's"
    #: Not told apart, or no fixed work played, as where two interpreters are compared.
    UNDECIDED = "undecided"
    TOO_FEW = "too few"


@dataclass(frozen=True)
class SlowCalls:
    """Percentiles of the seconds of calls, None where a launch has too few of them."""

    p90: Interval | None
    p99: Interval | None
    whose: Whose


def slow_calls(run: Run) -> Mapping[Case, SlowCalls]:
    """Return the slow calls of each case that was served."""
    served = {
        case: measurement
        for case, measurement in run.measured.items()
        if case.setting.phase is Phase.SERVE
    }
    p90, p99 = (_over_launches(served, partial(_percentile, share=share)) for share in (0.9, 0.99))
    beyond = _over_launches(served, _beyond_machine)
    found = {}
    for case in served:
        slowest, whose = p99.get(case), _whose(beyond.get(case))
        if not slowest:
            whose = Whose.TOO_FEW
        elif whose is Whose.MACHINE:
            slowest = Interval(math.nan, high=slowest.high)
        found[case] = SlowCalls(p90.get(case), slowest, whose)
    return found


def _whose(beyond: Interval | None) -> Whose:
    if not beyond:
        return Whose.UNDECIDED
    if beyond.value <= 1:
        return Whose.MACHINE
    return Whose.OWN if beyond.low > 1 else Whose.UNDECIDED


def _percentile(launch: CaseInLaunch, share: float) -> float | None:
    return percentile(launch.seconds_per_call, share)


def _beyond_machine(launch: CaseInLaunch) -> float | None:
    """Return how far the slowest of a hundred calls are from the median, over the fixed work's."""
    own, fixed = tail(launch.seconds_per_call), launch.facts.number("canary_tail")
    return own / fixed if own and fixed else None


def _over_launches(
    served: Mapping[Case, Measurement], figure: Callable[[CaseInLaunch], float | None]
) -> dict[Case, Interval]:
    """Return the geometric mean of a figure, with its interval, where all launches have it."""
    figures: dict[Case, Sequence[float]] = {}
    marks = []
    for case, measurement in served.items():
        launches = _timed(measurement)
        own = [value for value in map(figure, launches) if value is not None]
        if own and len(own) == len(launches):
            figures[case] = own
            marks.append(launch_marks([measurement], [one.number for one in launches]))
    return (
        dict(zip(figures, typical_means(figures.values(), marks), strict=True)) if figures else {}
    )


def _timed(measurement: Measurement) -> list[CaseInLaunch]:
    """Return the launches whose samples are calls; of two interpreters they are several."""
    played = (launch for launch in measurement.launches if launch.was_timed)
    return [launch for launch in played if launch.calls_per_sample == 1]
