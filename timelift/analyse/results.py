"""A run, read from its journal: its measurements, and their rounds as arrays.

Nothing in a file is trusted: a line that is not as in `timelift.journal` is left out and named in
`Run.warnings`. Nothing that a file names is ever executed.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from timelift.axis_values import Status
from timelift.case import Case, Setting
from timelift.errors import UserError, counted, first_few
from timelift.escape import plain
from timelift.journal.lines import End, Header, RunEnd, parse_time
from timelift.journal.reading import contents, read_lines
from timelift.measurement import (
    CaseInLaunch,
    Measurement,
    MeasurementsByCase,
    merge,
    without_disturbed,
)

Samples = NDArray[np.float64]

#: How many damaged lines are named, and how many characters of what is wrong with one.
_MOST_NAMED, _LONGEST_REASON = 12, 160
_DAY = 86_400
#: From so many on, machines are the evidence, or runs that were put together.
LEAST_MACHINES = 3


@dataclass(frozen=True)
class Run:
    """A run as it was read; `cut_short` where its budget or --maxfail ended it early."""

    header: Header
    measurements: tuple[Measurement, ...]
    complete: bool
    warnings: tuple[str, ...] = ()
    ended: str = ""
    cut_short: bool = False

    @classmethod
    def of_lines(
        cls, header: Header, lines: Iterable[CaseInLaunch], end: End, warnings: Iterable[str] = ()
    ) -> "Run":
        """Return the run of a journal's lines; its `end` is empty while the run goes on.

        Beside another side all launches count, since both were disturbed alike.
        """
        return cls(
            header,
            merge(lines if header.against else without_disturbed(lines)),
            complete=end.exit == RunEnd.COMPLETE,
            warnings=tuple(warnings),
            ended=end.ended,
            cut_short=end.exit == RunEnd.CUT_SHORT,
        )

    @property
    def is_provisional(self) -> bool:
        """True if the run is not over, so that its verdicts may still change.

        It is going on, or was killed, or interrupted. An interrupted run remains so even where all
        its settings have reached a decision point: its verdicts are those of one look (5 %), and
        its times may be why it was interrupted. Neither a budget nor --maxfail depends on times, so
        what they cut short is final.
        """
        return not (self.complete or self.cut_short)

    @property
    def seconds(self) -> float | None:
        """Seconds from the start to the end; None if unknown, negative, or more than a day.

        A clock that was set makes it negative. A run of more than a day lay still in between.
        """
        try:
            begun, ended = map(parse_time, (self.header.started or "", self.ended))
        except ValueError:
            return None
        taken = (ended - begun).total_seconds()
        return taken if 0 < taken <= _DAY else None

    @cached_property
    def by_case(self) -> MeasurementsByCase:
        return {measurement.case: measurement for measurement in self.measurements}

    @cached_property
    def workloads(self) -> frozenset[str]:
        return frozenset(case.setting.workload for case in self.by_case)

    @cached_property
    def launches_by_setting(self) -> Mapping[Setting, list[CaseInLaunch]]:
        """The launches of all measured cases of each setting."""
        launches: dict[Setting, list[CaseInLaunch]] = {}
        for case, measurement in self.measured.items():
            launches.setdefault(case.setting, []).extend(measurement.launches)
        return launches

    @property
    def without_result(self) -> list[Measurement]:
        """The measurements that ended without a time: skipped, failed or lost."""
        return [each for each in self.measurements if each.status is not Status.MEASURED]

    @cached_property
    def measured(self) -> MeasurementsByCase:
        return {
            case: measurement
            for case, measurement in self.by_case.items()
            if measurement.was_measured
        }


def launch_numbers(measurements: Iterable[Measurement]) -> tuple[int, ...]:
    return tuple(sorted({launch.number for rival in measurements for launch in rival.launches}))


class Evidence(StrEnum):
    """What a figure rests on: machines, or else runs, from three on; launches otherwise.

    Each is named like the field of a launch that tells which one it belongs to.
    """

    MACHINE = "machine"
    RUN = "run"

    def names(self, launches: Iterable[CaseInLaunch]) -> set[str]:
        return {getattr(launch, self) for launch in launches} - {""}

    @classmethod
    def of(cls, launches: Sequence[CaseInLaunch]) -> "Evidence | None":
        """Return machines before runs, if three or more played; None where launches are."""
        return next((one for one in cls if len(one.names(launches)) >= LEAST_MACHINES), None)


def launch_marks(measurements: Iterable[Measurement], numbers: Sequence[int]) -> Sequence[str]:
    """Return each launch's run, where runs are the evidence, or machine, '' where unknown."""
    launches = [launch for rival in measurements for launch in rival.launches]
    evidence = Evidence.of(launches) or Evidence.MACHINE
    marks = {one.number: name for one in launches if (name := getattr(one, evidence))}
    return [marks.get(number, "") for number in numbers]


def seconds_by_launch(measurements: Sequence[Measurement], numbers: Sequence[int]) -> Samples:
    """Return seconds per call of these launches as (cases, launches, rounds), NaN if not played."""
    launches = [launch for measurement in measurements for launch in measurement.launches]
    rounds = max((len(launch.seconds_per_call) for launch in launches), default=0)
    seconds = np.full((len(measurements), len(numbers), rounds), np.nan)
    column = {number: i for i, number in enumerate(numbers)}
    for row, measurement in zip(seconds, measurements, strict=True):
        for launch in measurement.launches:
            if launch.number in column:
                row[column[launch.number], : len(launch.seconds_per_call)] = launch.seconds_per_call
    return seconds


def facts_by_launch(
    measurements: Sequence[Measurement], numbers: Sequence[int], name: str
) -> Samples:
    """Return a fact, or its bound, as (cases, launches); NaN where it is unknown or negative."""
    facts = np.full((len(measurements), len(numbers)), np.nan)
    for row, measurement in zip(facts, measurements, strict=True):
        known = {one.number: one.facts.number_or_bound(name) for one in measurement.launches}
        row[:] = [np.nan if (value := known.get(number)) is None else value for number in numbers]
    return np.where(facts < 0, np.nan, facts)


def load(path: Path) -> Run:
    """Read a run; raises UserError where the file is no journal that this timelift can read."""
    try:
        lines = read_lines(contents(path))
    except OSError as error:
        raise UserError(
            f"cannot read {str(path)!r}: {error.strerror}; name a journal under results/"
        ) from error
    first = next(lines, None)
    if first is None or not isinstance(first.line, Header):
        reason = plain(first.error, _LONGEST_REASON) if first and first.error else "none"
        raise UserError(
            f"{str(path)!r}: expected a journal of this timelift, which begins with its header, "
            f"received another file ({reason}); name a file that a run wrote"
        )
    records: dict[tuple[Case, int], CaseInLaunch] = {}
    damaged: dict[int, str] = {}
    end, torn = End(exit=""), 0
    for numbered in lines:
        line = numbered.line
        if isinstance(line, End):
            end = line
        elif isinstance(line, CaseInLaunch) and (line.case, line.number) not in records:
            records[line.case, line.number] = line
            end = End(exit="")
        elif numbered.torn:
            torn = numbered.number
        else:
            second = "a header or a launch of a case a second time"
            damaged[numbered.number] = str(numbered.error or second)
    return Run.of_lines(first.line, records.values(), end, _warnings(damaged, torn))


def _warnings(damaged: Mapping[int, str], torn: int) -> Iterator[str]:
    """Yield a sentence on damaged lines, and one on a torn line (0: none); lines count from 1."""
    if damaged:
        numbers = first_few([*map(str, damaged)], _MOST_NAMED)
        first = plain(next(iter(damaged.values())), _LONGEST_REASON)
        lines = f"{counted(len(damaged), 'damaged line')} left out"
        yield f"{lines}: {numbers} ({'the first: ' if len(damaged) > 1 else ''}{first})"
    if torn:
        yield f"line {torn} is torn: the run was cut off while it wrote this line"


def refuse_empty(run: Run, path: Path, *, or_failed: bool = True) -> None:
    """Raise UserError where no case was measured, nor has failed if `or_failed`."""
    if not (run.measurements if or_failed else run.measured):
        raise UserError(
            f"expected measurements in {str(path)!r}, found none; let it go on, or measure it anew"
        )


def load_usual(path: Path, *, or_failed: bool = False) -> Run:
    """Read a run without copies of its strategies; raises UserError for any other."""
    run = load(path)
    refuse_empty(run, path, or_failed=or_failed)
    if run.header.races_copies:
        raise UserError(
            f"expected a usual run, received one against twins, {str(path)!r}, whose answer is its "
            "own; name a run of timelift bench without --against"
        )
    return run
