"""Where lengths vary: the fastest way to take them in a training run, and in more or fewer calls.

A way takes all its traces once, and then its calls. So one of more traces may lose in a hundred
calls and win in a training run, from where the sums of two ways cross.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from statistics import fmean

from timelift.analyse.ranking import not_ranked
from timelift.analyse.results import Run
from timelift.analyse.verdicts import MIN_LAUNCHES
from timelift.axis_values import TimeAxis
from timelift.case import CALLS_OF_A_RUN, Case, Setting
from timelift.measurement import Measurement

#: In more calls a way wins by its calls, if those of the other take so many times as long in every
#: launch; in fewer it wins by its traces, which differ more than launches do.
_SHORTER = 1.05
#: No training run has more calls.
_MOST_CALLS = 1e6


@dataclass(frozen=True)
class Way:
    """A strategy with one way to take lengths: seconds of all traces, and of a call once traced."""

    case: Case
    tracing_seconds: float
    seconds_by_launch: Sequence[float]

    @property
    def seconds_per_call(self) -> float:
        return fmean(self.seconds_by_launch)

    @property
    def seconds_of_a_run(self) -> float:
        return self.tracing_seconds + CALLS_OF_A_RUN * self.seconds_per_call

    def is_shorter_than(self, other: "Way") -> bool:
        pairs = zip(self.seconds_by_launch, other.seconds_by_launch, strict=True)
        return all(_SHORTER * own <= others for own, others in pairs)

    def calls_to(self, other: "Way") -> float:
        """Return the number of calls in which both take the same time."""
        traces = other.tracing_seconds - self.tracing_seconds
        return traces / (self.seconds_per_call - other.seconds_per_call)


@dataclass(frozen=True)
class FastestWay:
    """The fastest way in a training run; and another `below` or `above` a number of calls."""

    way: Way
    below: tuple[float, Way] | None = None
    above: tuple[float, Way] | None = None


def fastest_ways(run: Run) -> dict[Setting, FastestWay]:
    """Return the fastest way of each setting, which stands for all ways to take lengths.

    All launches count in which every way was timed. Runs of older versions tell no parts of a call.
    """
    groups = defaultdict[Setting, dict[Case, dict[int, tuple[float, float]]]](dict)
    for case in sorted(run.measured.keys() - not_ranked(run)):
        if case.setting.time_axis.varies:
            setting = replace(case.setting, time_axis=TimeAxis.PER_LENGTH)
            groups[setting][case] = _parts_by_launch(run.measured[case])
    found = {}
    for setting, group in groups.items():
        shared = sorted(set.intersection(*map(set, group.values())))
        if len(group) > 1 and len(shared) >= MIN_LAUNCHES:
            found[setting] = fastest_of(
                Way(case, fmean(parts[n][0] for n in shared), [parts[n][1] for n in shared])
                for case, parts in group.items()
            )
    return found


def _parts_by_launch(measurement: Measurement) -> dict[int, tuple[float, float]]:
    """Return the seconds of all traces and of a call once traced, by launch."""
    parts = {}
    for launch in measurement.launches:
        tracing = launch.facts.number("tracing_seconds")
        if launch.was_timed and tracing is not None:
            call = launch.median_seconds - tracing / CALLS_OF_A_RUN
            if tracing >= 0 and call > 0:  # in no damaged file
                parts[launch.number] = tracing, call
    return parts


def fastest_of(ways: Iterable[Way]) -> FastestWay:
    ways = [*ways]
    best, calls = min(ways, key=lambda way: way.seconds_of_a_run), itemgetter(0)
    fewer = [
        (way.calls_to(best), way) for way in ways if way.tracing_seconds < best.tracing_seconds
    ]
    more = [(best.calls_to(way), way) for way in ways if way.is_shorter_than(best)]
    return FastestWay(
        best,
        max(fewer, key=calls, default=None),
        min((turn for turn in more if turn[0] <= _MOST_CALLS), key=calls, default=None),
    )
