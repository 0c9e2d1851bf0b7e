"""One strategy at one size, executed in several ways, compared launch by launch.

Rivals are timed milliseconds apart in one process; two backends never are. Here both stand in the
launches of one number, seconds apart, each in a process of its own. So the unit of evidence is the
difference of one launch's two locations, and the interval over launches has in it what the machine
drifted in between.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from timelift.analyse.effects import Effects, batch_error, log_seconds, trimmed_mean
from timelift.analyse.ranking import Ranking
from timelift.analyse.results import launch_numbers
from timelift.analyse.verdicts import Comparison, compare
from timelift.case import AXES, Backend, Case, Setting
from timelift.measurement import CaseInLaunch, Measurement

_DEFAULTS = {field.name: field.default for field in fields(Setting)}
#: The axes along which one computation is executed otherwise, and the way that the others are
#: compared with where it was measured.
USUAL: dict[str, Any] = {axis: _DEFAULTS[axis] for axis in ("backend", "device", "mode", "threads")}
#: With them, the axes that a reader may choose for an execution, as `fastest_elsewhere` does.
#: Another dtype or a dynamic time axis is another computation, so that `pairs` leaves both out.
_EXECUTION_AXES = USUAL.keys() | {"dtype", "time_axis"}
_OTHER_AXES = tuple(axis for axis in AXES if axis not in _EXECUTION_AXES)


@dataclass(frozen=True)
class ExecutionPair:
    """A case beside the same strategy executed otherwise: they differ in `axis` alone."""

    axis: str
    usual: Case
    other: Case
    comparison: Comparison

    @property
    def values(self) -> tuple[Any, Any]:
        """What the axis is in both."""
        return getattr(self.usual.setting, self.axis), getattr(self.other.setting, self.axis)


def by_execution(settings: Iterable[Setting]) -> list[list[Setting]]:
    """Group settings that differ in their execution alone, in order."""
    groups: dict[Setting, list[Setting]] = defaultdict(list)
    for setting in sorted(settings):
        groups[replace(setting, **USUAL)].append(setting)
    return list(groups.values())


def pairs(measurements: Iterable[Measurement]) -> list[ExecutionPair]:
    """Compare every way of execution with the usual one, in the order of the axes above."""
    measured = [measurement for measurement in measurements if measurement.was_measured]
    matched = [(axis, *pair) for axis in USUAL for pair in _matched(measured, axis)]
    if not matched:
        return []
    comparisons = compare(_effects([(usual, other) for _, usual, other in matched]))
    return [
        ExecutionPair(axis, usual.case, other.case, comparison)
        for (axis, usual, other), comparison in zip(matched, comparisons, strict=True)
    ]


def _matched(
    measured: Sequence[Measurement], axis: str
) -> Iterator[tuple[Measurement, Measurement]]:
    """Pair the measurements that differ in one axis alone, the usual one first."""
    groups: dict[tuple[Setting, str], list[Measurement]] = defaultdict(list)
    usual_axis: Any = {axis: USUAL[axis]}
    for measurement in measured:
        case = measurement.case
        groups[replace(case.setting, **usual_axis), case.strategy].append(measurement)
    for _, group in sorted(groups.items()):
        usual, *others = sorted(group, key=lambda measurement: _place(measurement.case, axis))
        yield from itertools.product([usual], others)


def _place(case: Case, axis: str) -> tuple[bool, Any]:
    value = getattr(case.setting, axis)
    return value != USUAL[axis], list(Backend).index(value) if axis == "backend" else value


def _effects(matched: Sequence[tuple[Measurement, Measurement]]) -> Effects:
    numbers = launch_numbers(itertools.chain.from_iterable(matched))
    column = {number: place for place, number in enumerate(numbers)}
    effect = np.full((len(matched), len(numbers)), np.nan)
    error = np.full_like(effect, np.nan)
    for row, (usual, other) in enumerate(matched):
        by_number = {launch.number: launch for launch in other.launches}
        for launch in usual.launches:
            if launch.number in by_number:
                at = row, column[launch.number]
                effect[at], error[at] = _difference(launch, by_number[launch.number])
    return Effects(effect, error)


def _difference(usual: CaseInLaunch, other: CaseInLaunch) -> tuple[float, float]:
    """Return the log ratio of two launches, and its standard error."""
    launches = (usual, other)
    first, second = (log_seconds(np.asarray(launch.seconds_per_call)) for launch in launches)
    error = np.hypot(batch_error(first), batch_error(second))
    return float(trimmed_mean(second) - trimmed_mean(first)), float(error)


def fastest_elsewhere(rankings: Iterable[Ranking]) -> tuple[tuple[Ranking, float], ...]:
    """Return rankings that differ in their execution alone, each with the best time of all."""
    groups: dict[tuple[object, ...], list[Ranking]] = defaultdict(list)
    for ranking in rankings:
        if ranking.rows:
            place = tuple(getattr(ranking.setting, axis) for axis in _OTHER_AXES)
            groups[place].append(ranking)
    several = [group for group in groups.values() if len(group) > 1]
    return tuple(
        (ranking, min(other.rows[0].seconds_per_call.value for other in group))
        for group in several
        for ranking in group
    )
