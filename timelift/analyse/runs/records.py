"""The lines of a file merged by case, and what was wrong with it in words."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from timelift import journal
from timelift.analyse.runs.measurement import LaunchSamples, Measurement
from timelift.case import Case, Status
from timelift.escape import plain
from timelift.journal import CaseInLaunch

_WARNING_LIMIT = 50
_QUOTE_LIMIT = 160


@dataclass
class Warnings:
    """What was wrong with a file: the first complaints in words, the rest as a number."""

    texts: list[str] = field(default_factory=list)
    more: int = 0

    def add(self, where: str, what: object) -> None:
        """Note that the record at `where` is not as expected."""
        if len(self.texts) < _WARNING_LIMIT:
            self.texts.append(f"{where}: {plain(what, _QUOTE_LIMIT)}")
        else:
            self.more += 1

    def all(self) -> tuple[str, ...]:
        """Return every complaint, the uncounted ones as a last sentence."""
        rest = (f"and {self.more:,} more records like these",) if self.more else ()
        return (*self.texts, *rest)


def merge(
    records: Iterable[tuple[str, CaseInLaunch]], warnings: Warnings
) -> tuple[Measurement, ...]:
    """Gather the records of each case, in order of appearance; a launch counts once."""
    cases: dict[Case, dict[int, CaseInLaunch]] = {}
    for where, record in records:
        launches = cases.setdefault(record.case, {})
        if launches.setdefault(record.launch, record) is not record:
            warnings.add(where, f"launch {record.launch} of {record.case.label} a second time")
    return tuple(_measurement(case, launches) for case, launches in cases.items())


def _measurement(case: Case, by_number: Mapping[int, CaseInLaunch]) -> Measurement:
    """Merge the launches of a case; one that ended otherwise than measured gives the status."""
    records = [by_number[number] for number in sorted(by_number)]
    launches = tuple(map(_launch, (one for one in records if one.status is Status.MEASURED)))
    end = next((one for one in records if one.status is not Status.MEASURED), records[0])
    return Measurement(case, end.status, launches, end.reason)


def _launch(record: CaseInLaunch) -> LaunchSamples:
    seconds = np.array(record.seconds_per_call, dtype=np.float64)
    return LaunchSamples(record.launch, seconds, record.facts, record.calls_per_sample)


def fact(measurement: Measurement, name: str) -> float | None:
    """Return a fact of a case over its launches; None where no launch holds a number for it."""
    return journal.merged(name, [one.facts for one in measurement.launches])


def fact_or_bound(measurement: Measurement, name: str) -> tuple[float | None, bool]:
    """Return a fact of a case, or else the bound that it is below; and whether it is the bound."""
    value = fact(measurement, name)
    if value is not None:
        return value, False
    bounds = [one.facts.number_or_bound(name) for one in measurement.launches]
    bound = max((one for one in bounds if one is not None), default=None)
    return bound, bound is not None


def fact_of(launch: LaunchSamples, name: str) -> float | None:
    """Return a fact of one launch, or None where it holds no number for it."""
    return launch.facts.number(name)
