"""Where lengths vary: which way to take them is the fastest, from how many calls on.

A way of more traces may lose in a hundred calls and win in a training run. What it takes is the
seconds of its traces and those of a call once traced, so from one crossing to the next another way
is the fastest: these are the lower envelope of lines. One whose calls are shorter by chance would
win in the end, so they are to be shorter in every launch, by `_SHORTER`.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from timelift.axis_values import TimeAxis
from timelift.case import CALLS_OF_A_RUN, Case, Setting
from timelift.measurement import Measurement, fact

#: How many times as long a call of another way is at least, where one is said to be shorter.
_SHORTER = 1.05


@dataclass(frozen=True)
class Way:
    """A strategy with one way to take lengths: seconds of a call once traced, and of all traces.

    `calls` has the seconds of a call by launch. It is the fastest of its rivals and of their ways
    `from_calls` on.
    """

    case: Case
    calls: Mapping[int, float]
    tracing: float
    from_calls: float = 1.0

    @property
    def call(self) -> float:
        return fmean(self.calls.values())

    def is_shorter_than(self, other: "Way") -> bool:
        both = self.calls.keys() & other.calls.keys()
        return bool(both) and all(_SHORTER * self.calls[n] <= other.calls[n] for n in both)

    def crossing(self, other: "Way") -> float:
        """Return from how many calls on another way of shorter calls is the faster one."""
        return (other.tracing - self.tracing) / (self.call - other.call)


def ways(measured: Mapping[Case, Measurement]) -> dict[Setting, Sequence[Way]]:
    """Return the ways of each setting, which stands for all of varying lengths, fewest calls first.

    Older runs do not tell the parts of a call.
    """
    groups: dict[Setting, list[Way]] = defaultdict(list)
    for case, measurement in measured.items():
        tracing = fact(measurement, "tracing_seconds")
        if case.setting.time_axis.varies and tracing is not None:
            setting = replace(case.setting, time_axis=TimeAxis.PER_LENGTH)
            groups[setting].append(Way(case, _calls(measurement), tracing))
    return {setting: fastest(own) for setting, own in groups.items()}


def _calls(measurement: Measurement) -> dict[int, float]:
    """Return the seconds of a call once traced, by launch."""
    calls = {}
    for launch in measurement.launches:
        tracing = launch.facts.number("tracing_seconds")
        if launch.was_timed and tracing is not None:
            calls[launch.number] = launch.median_seconds - tracing / CALLS_OF_A_RUN
    return calls


def fastest(rivals: Iterable[Way]) -> list[Way]:
    """Return those that are the fastest from some number of calls on, in the order of calls."""
    rivals = [*rivals]
    found = [min(rivals, key=lambda way: (way.call + way.tracing, way.call))]
    while shorter := [way for way in rivals if way.is_shorter_than(found[-1])]:
        following = min(shorter, key=lambda way: (found[-1].crossing(way), way.call))
        found.append(replace(following, from_calls=max(1.0, found[-1].crossing(following))))
    return found
