"""What analysis reasons about: a run, and its cases with their samples and facts by launch."""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from timelift.case import Case, Status
from timelift.journal.lines import Header, parse_time
from timelift.measurement import CaseInLaunch, Facts, median, merge_fact

Samples = NDArray[np.float64]

_MOST_SWITCHES = 20


@dataclass(frozen=True)
class LaunchSamples:
    """One case in one launch.

    `seconds_per_call` holds one value a round, NaN where the rival sat the round out; position `i`
    of every rival of the setting in the same launch is the same moment. A sample is that many
    seconds times `calls_per_sample`, which is 1 where the file lacks it.
    """

    number: int
    seconds_per_call: Samples
    facts: Facts = field(default_factory=Facts)
    calls_per_sample: int = 1

    @cached_property
    def median_seconds(self) -> float:
        """The median seconds per call, as a journal has it; NaN where no round was played."""
        played = self.seconds_per_call[~np.isnan(self.seconds_per_call)]
        return median(played.tolist()) if played.size else math.nan


@dataclass(frozen=True)
class Measurement:
    """A case with its launches; `reason` says why where it was not measured."""

    case: Case
    status: Status
    launches: tuple[LaunchSamples, ...] = ()
    reason: str = ""

    @property
    def was_measured(self) -> bool:
        """True if the case did not fail in any launch and has samples."""
        return self.status is Status.MEASURED and any(
            np.isfinite(launch.seconds_per_call).any() for launch in self.launches
        )


MeasurementsByCase = Mapping[Case, Measurement]


@dataclass(frozen=True)
class Run:
    """A run as it was read; `cut_short` where its budget or --maxfail ended it early.

    `untimed` are the cases of a gate that an older version did not time, since both sides run the
    same program; they are in no measurement.
    """

    header: Header
    measurements: tuple[Measurement, ...]
    complete: bool
    warnings: tuple[str, ...] = ()
    ended: str = ""
    cut_short: bool = False
    untimed: tuple[Case, ...] = ()

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
        """How long the run took; None where the file does not tell, or a clock was set."""
        try:
            begun, ended = map(parse_time, (self.header.started or "", self.ended))
        except ValueError:
            return None
        taken = (ended - begun).total_seconds()
        return taken if taken > 0 else None

    @cached_property
    def by_case(self) -> MeasurementsByCase:
        return {one.case: one for one in self.measurements}

    @cached_property
    def measured(self) -> MeasurementsByCase:
        return {one.case: one for one in self.measurements if one.was_measured}


def launch_numbers(measurements: Iterable[Measurement]) -> tuple[int, ...]:
    return tuple(sorted({launch.number for one in measurements for launch in one.launches}))


def seconds_by_launch(measurements: Sequence[Measurement], numbers: Sequence[int]) -> Samples:
    """Return seconds per call as (cases, launches, rounds), of the launches of these numbers.

    NaN is a round that a rival sat out, or a launch that it missed.
    """
    launches = [launch for one in measurements for launch in one.launches]
    rounds = max((launch.seconds_per_call.size for launch in launches), default=0)
    seconds = np.full((len(measurements), len(numbers), rounds), np.nan)
    place = {number: i for i, number in enumerate(numbers)}
    for row, one in zip(seconds, measurements, strict=True):
        for launch in one.launches:
            if launch.number in place:
                row[place[launch.number], : launch.seconds_per_call.size] = launch.seconds_per_call
    return seconds


def fact(measurement: Measurement, name: str) -> float | None:
    """Return a fact of a case over its launches; None where no launch holds a number for it."""
    return merge_fact(name, [one.facts for one in measurement.launches])


def fact_or_bound(measurement: Measurement, name: str) -> tuple[float | None, bool]:
    """Return a fact of a case, or else the bound that it is below; and whether it is the bound."""
    value = fact(measurement, name)
    if value is not None:
        return value, False
    bounds = [one.facts.number_or_bound(name) for one in measurement.launches]
    bound = max((one for one in bounds if one is not None), default=None)
    return bound, bound is not None


def engine_facts(measurement: Measurement) -> dict[str, str]:
    """Return the name of a case's device and its switches, such as tf32; empty where unknown."""
    engine = next((one.facts.engine for one in measurement.launches if one.facts.engine), {})
    pairs = itertools.islice(engine.items(), _MOST_SWITCHES)
    return {str(name): str(value) for name, value in pairs if isinstance(value, str | int | float)}


def merge(records: Iterable[CaseInLaunch]) -> tuple[Measurement, ...]:
    """Merge lines by case in order of appearance; of two for one launch the first counts."""
    cases: dict[Case, dict[int, CaseInLaunch]] = {}
    for record in records:
        cases.setdefault(record.case, {}).setdefault(record.launch, record)
    return tuple(_measurement(case, launches) for case, launches in cases.items())


def _measurement(case: Case, by_number: Mapping[int, CaseInLaunch]) -> Measurement:
    records = [by_number[number] for number in sorted(by_number)]
    launches = tuple(map(_launch, (one for one in records if one.status is Status.MEASURED)))
    end = next((one for one in records if one.status is not Status.MEASURED), records[0])
    return Measurement(case, end.status, launches, end.reason)


def _launch(record: CaseInLaunch) -> LaunchSamples:
    seconds = np.array(record.seconds_per_call, dtype=np.float64)
    return LaunchSamples(record.launch, seconds, record.facts, record.calls_per_sample)
