"""Where lengths vary: which way to take them is the fastest, from how many calls on.

A way of more traces may lose in a hundred calls and win in a training run. What it takes is the
seconds of its traces and those of a call once traced, so from one crossing to the next another way
is the fastest: these are the lower envelope of lines.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from timelift.axis_values import TimeAxis
from timelift.case import CALLS_OF_A_RUN, Case, Setting
from timelift.measurement import Measurement, fact


@dataclass(frozen=True)
class Way:
    """A strategy with one way to take lengths: seconds of a call once traced, and of all traces.

    It is the fastest of its rivals and of their ways from so many calls on.
    """

    case: Case
    call: float
    tracing: float
    from_calls: float = 1.0

    def crossing(self, other: "Way") -> float:
        """Return from how many calls on another way of shorter calls is the faster one."""
        return (other.tracing - self.tracing) / (self.call - other.call)


def ways(
    measured: Mapping[Case, Measurement], seconds: Mapping[Case, float]
) -> dict[Setting, Sequence[Way]]:
    """Return the ways of each setting, which stands for all of varying lengths, fewest calls first.

    `seconds` of a call are the means that were measured. Older runs do not tell their parts.
    """
    groups: dict[Setting, list[Way]] = defaultdict(list)
    for case, mean in seconds.items():
        tracing = fact(measured[case], "tracing_seconds") if case in measured else None
        if case.setting.time_axis.varies and tracing is not None:
            setting = replace(case.setting, time_axis=TimeAxis.PER_LENGTH)
            groups[setting].append(Way(case, mean - tracing / CALLS_OF_A_RUN, tracing))
    return {setting: fastest(own) for setting, own in groups.items()}


def fastest(rivals: Iterable[Way]) -> list[Way]:
    """Return those that are the fastest from some number of calls on, in the order of calls."""
    rivals = [*rivals]
    found = [min(rivals, key=lambda way: (way.call + way.tracing, way.call))]
    while shorter := [way for way in rivals if way.call < found[-1].call]:
        following = min(shorter, key=lambda way: (found[-1].crossing(way), way.call))
        found.append(replace(following, from_calls=max(1.0, found[-1].crossing(following))))
    return found
