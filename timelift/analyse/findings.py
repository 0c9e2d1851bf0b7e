"""The findings of a run: all that is shown of it. Comparisons between settings are made here."""

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from timelift.analyse import quality
from timelift.analyse.effects import Effects, batch_error, log_seconds, trimmed_mean
from timelift.analyse.estimates import Interval, first_calls
from timelift.analyse.evidence import machine_count, rows_by_machine
from timelift.analyse.left_out import LeftOut, left_out
from timelift.analyse.meaning import TrainedMeanings
from timelift.analyse.ranking import (
    BASELINES,
    RankedCase,
    Ranking,
    look_alikes,
    not_ranked,
    rank_run,
)
from timelift.analyse.recommend import Places, Recommendation, on_places, recommend, recommend_by
from timelift.analyse.results import Evidence, Run, launch_marks, launch_numbers, seconds_by_launch
from timelift.analyse.serving import SlowCalls, slow_calls
from timelift.analyse.varying import FastestWay, fastest_ways
from timelift.analyse.verdicts import Comparison, compare
from timelift.axis_values import Backend, Gradients, Phase, TimeAxis
from timelift.case import AXES, Case, Setting
from timelift.errors import UserError, nearest
from timelift.measurement import Measurement, fact

#: The most settings in a report, which has a table for each and takes milliseconds for it.
MOST_SETTINGS = 20_000


@dataclass(frozen=True)
class RunFindings:
    """A run with its findings, each computed once; speed-ups are told against `relative_to`."""

    run: Run
    relative_to: str = ""

    @cached_property
    def baselines(self) -> tuple[str, ...]:
        """The strategies of which the first measured in a setting is its baseline."""
        asked = self.relative_to or self.run.header.options.get("relative_to")
        return (*([asked] if asked and isinstance(asked, str) else ()), *BASELINES)

    @cached_property
    def rankings(self) -> Sequence[Ranking]:
        return rank_run(self.run, self.baselines)

    @cached_property
    def contests(self) -> list[Ranking]:
        return [ranking for ranking in self.rankings if ranking.is_contest]

    @cached_property
    def first_calls(self) -> Mapping[Case, Interval]:
        return first_calls(self.run.measurements)

    @cached_property
    def slow_calls(self) -> Mapping[Case, SlowCalls]:
        return slow_calls(self.run)

    @cached_property
    def varying(self) -> Mapping[Setting, FastestWay]:
        """The fastest way to take lengths that vary, of each setting in their order."""
        return fastest_ways(self.run)

    @cached_property
    def peak_bytes(self) -> Mapping[Case, float]:
        """The peak of a call of each case for which it is known and can stand on a log axis."""
        values = ((rival.case, fact(rival, "peak_bytes")) for rival in self.run.measurements)
        return {case: value for case, value in values if value is not None and value > 0}

    @cached_property
    def pareto_fronts(self) -> Mapping[Setting, Sequence[RankedCase]]:
        peak = self.peak_bytes
        return {ranking.setting: pareto_front(ranking.rows, peak) for ranking in self.rankings}

    @cached_property
    def over_simpler_phase(self) -> Mapping[Case, float]:
        """A backward call's time over a forward call's; a train step's over a backward call's."""
        rows = (row for ranking in self.rankings for row in ranking.all_rows)
        seconds = {row.case: row.seconds_per_call.value for row in rows}
        pairs = ((case, _in_simpler_phase(case)) for case in seconds)
        return {
            case: seconds[case] / seconds[simpler] for case, simpler in pairs if simpler in seconds
        }

    @cached_property
    def look_alikes(self) -> Mapping[str, str]:
        return look_alikes(self.run)

    @cached_property
    def meanings(self) -> TrainedMeanings:
        return TrainedMeanings(self.run)

    @cached_property
    def left_out(self) -> Sequence[LeftOut]:
        return left_out(self.run)

    @cached_property
    def decided(self) -> quality.Decided:
        return quality.decided(self.run, self.contests)

    @cached_property
    def is_too_noisy(self) -> bool:
        return quality.is_too_noisy(self.run, self.rankings)

    @cached_property
    def recommendation_by_setting(self) -> Mapping[Setting, Recommendation]:
        by_setting = {ranking.setting: recommend([ranking]) for ranking in self.contests}
        return {setting: best for setting, best in by_setting.items() if best}

    @cached_property
    def answer(self) -> Recommendation | None:
        """What to write in all settings of the run."""
        return recommend(self.rankings)

    @cached_property
    def answers(self) -> Mapping[str, Recommendation]:
        """What to write for each workload in which two lifts were measured."""
        return recommend_by("workload", self.rankings)

    @cached_property
    def places(self) -> Places:
        return on_places(self.contests)

    @cached_property
    def machines(self) -> Mapping[Case, int]:
        """How many machines played each measured case; 0 where its launches do not tell."""
        launches = ((case, rival.launches) for case, rival in self.run.measured.items())
        return {case: machine_count(one.mark for one in own) for case, own in launches}

    @cached_property
    def by_runs(self) -> frozenset[Setting]:
        """The settings in which runs are the evidence."""
        launches = self.run.launches_by_setting.items()
        return frozenset(setting for setting, own in launches if Evidence.of(own) is Evidence.RUN)

    def tomorrow(self, row: RankedCase) -> Interval | None:
        """Return where the speed-up of a further run would lie, where runs are the evidence."""
        by_runs = row.case.setting in self.by_runs
        return row.speed_up.further if by_runs and row.speed_up else None

    @cached_property
    def has_other_executions(self) -> bool:
        """True if something was measured in several modes, on several devices and the like."""
        settings = [ranking.setting for ranking in self.rankings if ranking.rows]
        computed = {tuple(getattr(one, axis) for axis in _OTHER_AXES) for one in settings}
        return len(computed) < len(settings)


def _in_simpler_phase(case: Case) -> Case | None:
    """Return the case whose call computes a part of this one's; None for forward and served."""
    if not case.setting.differentiates:
        return None
    phase = Phase.BACKWARD if case.setting.phase is Phase.TRAIN else Phase.FORWARD
    return Case(replace(case.setting, phase=phase, gradients=Gradients.WEIGHTS), case.strategy)


def pareto_front(rows: Iterable[RankedCase], peak_bytes: Mapping[Case, float]) -> list[RankedCase]:
    """Return the rivals of known memory that no other can beat in both time and memory, by time.

    A rival of unknown memory may need less than any slower one, so it ends the front.
    """
    kept: list[RankedCase] = []
    least = math.inf

    def time_and_memory(row: RankedCase) -> tuple[float, float]:
        return row.seconds_per_call.value, peak_bytes.get(row.case, 0.0)

    for row in sorted(rows, key=time_and_memory):
        size = peak_bytes.get(row.case, 0.0)
        if 0 < size < least:
            kept.append(row)
        least = min(least, size)
    return kept


def find_out(run: Run, relative_to: str = "") -> RunFindings:
    """Return a run's findings; UserError for too many settings or an unmeasured `relative_to`."""
    settings = len({rival.case.setting for rival in run.measurements})
    if settings > MOST_SETTINGS:
        raise UserError(
            f"expected at most {MOST_SETTINGS:,} settings in a report, received {settings:,}; "
            "ask about one with: timelift choose, or read all with: timelift.load"
        )
    refuse_unmeasured(run, relative_to)
    return RunFindings(run, relative_to)


def refuse_unmeasured(run: Run, relative_to: str) -> None:
    """Raise UserError where `relative_to` is not empty and is no lift that was measured."""
    names = {case.strategy for case in run.measured.keys() - not_ranked(run)}
    if relative_to and names and relative_to not in names:
        raise UserError(
            f"--relative-to: expected a lift that was measured, received {relative_to!r}; "
            f"{nearest(relative_to, names)}"
        )


# One strategy at one size, executed in several ways -----------------------------------------------
#
# Unlike rivals they are timed seconds apart, in processes of their own. So the unit of evidence is
# the difference of two launches' means, and the interval contains the machine's drift in between.

#: The axes of execution, each with the value that others are compared with, if it was measured.
USUAL_EXECUTION: dict[str, Any] = {
    axis: AXES[axis].usual for axis in AXES if AXES[axis].is_execution
}
#: The axes of `execution_pairs`: another precision is no other execution, but a choice, too.
PAIRED = (*USUAL_EXECUTION, "dtype", "time_axis")
#: The axes in which `has_other_executions` sees another computation.
_OTHER_AXES = tuple(axis for axis in AXES if axis not in PAIRED)


@dataclass(frozen=True)
class ExecutionPair:
    """A case and the same strategy executed in another way: they differ in `axis` alone."""

    axis: str
    usual: Case
    other: Case
    comparison: Comparison

    @property
    def values(self) -> tuple[Any, Any]:
        """The two values of the axis, the usual one first."""
        return getattr(self.usual.setting, self.axis), getattr(self.other.setting, self.axis)


def by_execution(settings: Iterable[Setting]) -> list[list[Setting]]:
    """Group the settings that differ only in their execution or the way to take varying lengths."""
    groups: dict[Setting, list[Setting]] = defaultdict(list)
    for setting in sorted(settings):
        time_axis = TimeAxis.PER_LENGTH if setting.time_axis.varies else setting.time_axis
        groups[replace(setting, time_axis=time_axis, **USUAL_EXECUTION)].append(setting)
    return list(groups.values())


def execution_pairs(measurements: Iterable[Measurement]) -> list[ExecutionPair]:
    """Compare every way of execution, precision and way to take lengths with the usual one."""
    measured = [measurement for measurement in measurements if measurement.was_measured]
    matched = [(axis, *pair) for axis in PAIRED for pair in _matched(measured, axis)]
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
    for measurement in measured:
        case = measurement.case
        if axis == "time_axis" and not case.setting.time_axis.varies:
            continue
        groups[replace(case.setting, **{axis: AXES[axis].usual}), case.strategy].append(measurement)
    for _, group in sorted(groups.items()):
        usual, *others = sorted(group, key=lambda measurement: _place(measurement.case, axis))
        yield from itertools.product([usual], others)


def _place(case: Case, axis: str) -> tuple[bool, Any]:
    value = getattr(case.setting, axis)
    place = list(Backend).index(value) if axis == "backend" else value
    return value != AXES[axis].usual, place


def _effects(matched: Sequence[tuple[Measurement, Measurement]]) -> Effects:
    """Return the difference of both means in each launch, or on each machine, that both have."""
    numbers = launch_numbers(itertools.chain.from_iterable(matched))
    usual, other = (
        log_seconds(seconds_by_launch(side, numbers)) for side in zip(*matched, strict=True)
    )
    effects = trimmed_mean(other) - trimmed_mean(usual)
    error = np.hypot(batch_error(usual), batch_error(other))
    marks = [launch_marks(pair, numbers) for pair in matched]  # one unit plays both, nearly always
    return rows_by_machine(Effects(effects, error), marks)
