"""One case in one launch as a file tells it: checked field by field, then merged by case."""

import reprlib
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard

import numpy as np

from timelift.analyse.runs.measurement import Launch, Measurement, Samples
from timelift.case import Case, Status
from timelift.escape import plain

#: A call lasts longer than a picosecond and less than thirty years; anything else is a slip.
SHORTEST_SECONDS, LONGEST_SECONDS = 1e-12, 1e9
#: The facts of a case that tables, exports and baselines have a column for.
REPORTED = (
    "build_seconds",
    "trace_seconds",
    "first_call_seconds",
    "traces",
    "graph_nodes",
    "peak_bytes",
    "weights",
    "valid_steps",
    "law_error",
)
#: What reading a bad record raises, however it is bad.
BAD_RECORD = (ValueError, OverflowError, RecursionError)
#: The largest size an axis can have: sizes are 32-bit in every backend.
LARGEST_SIZE = 2**31 - 1
_SMALLEST = {"seq_len": 1, "batch": 1, "threads": 0}
_WARNING_LIMIT = 50
_QUOTE_LIMIT = 160


@dataclass(frozen=True)
class Record:
    """One case in one launch; `seconds` is empty unless the case was measured."""

    case: Case
    launch: int
    status: Status
    reason: str
    seconds: Samples
    facts: Mapping[str, Any]
    calls_per_sample: int = 1


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
        """Give every complaint, the uncounted ones as a last sentence."""
        rest = (f"and {self.more:,} more records like these",) if self.more else ()
        return (*self.texts, *rest)


def parse(fields: Mapping[str, Any]) -> Record:
    """Read a journal's `launch` line; raises ValueError naming the field that is wrong."""
    status = Status(str(fields.get("status")))
    measured = status is Status.MEASURED
    facts = fields.get("facts")
    return Record(
        case=parse_case(fields.get("case")),
        launch=whole("launch", fields.get("launch"), smallest=1),
        status=status,
        reason=str(fields.get("reason") or ""),
        seconds=samples(fields.get("seconds_per_call")) if measured else np.empty(0),
        facts=facts if isinstance(facts, dict) else {},
        calls_per_sample=_calls(fields) if measured else 1,
    )


def _calls(fields: Mapping[str, Any]) -> int:
    return whole("calls_per_sample", fields.get("calls_per_sample", 1), smallest=1)


def parse_case(fields: object) -> Case:
    """Read a case; raises ValueError where a name is empty or a size is impossible."""
    case = Case.from_fields(fields if isinstance(fields, dict) else {})
    if not case.setting.workload:
        raise ValueError("workload: expected a name, received ''")
    for name, smallest in _SMALLEST.items():
        whole(name, getattr(case.setting, name), smallest)
    return case


def whole(name: str, value: object, smallest: int) -> int:
    """Read a whole number that counts something."""
    good = isinstance(value, int) and not isinstance(value, bool)
    if not good or not smallest <= value <= LARGEST_SIZE:  # type: ignore[operator]
        raise ValueError(
            f"{name}: expected a whole number from {smallest}, received {reprlib.repr(value)}"
        )
    return value  # type: ignore[return-value]


def samples(values: object) -> Samples:
    """Read seconds per call, one a round, None where the rival sat out; NaN stands for None."""
    if not isinstance(values, list) or not set(map(type, values)) <= {float, int, type(None)}:
        raise ValueError(
            f"seconds_per_call: expected a list of numbers, received {reprlib.repr(values)}"
        )
    seconds = np.array(values, dtype=np.float64)
    played = seconds[[value is not None for value in values]]
    if not played.size:
        raise ValueError("seconds_per_call: expected at least one sample, received none")
    wrong = ~((played > SHORTEST_SECONDS) & (played < LONGEST_SECONDS))
    if wrong.any():
        raise ValueError(f"seconds_per_call: expected times, received {float(played[wrong][0])!r}")
    return seconds


def merge(records: Iterable[tuple[str, Record]], warnings: Warnings) -> tuple[Measurement, ...]:
    """Gather the records of each case, in order of appearance; a launch counts once."""
    cases: dict[Case, dict[int, Record]] = {}
    for where, record in records:
        launches = cases.setdefault(record.case, {})
        if launches.setdefault(record.launch, record) is not record:
            warnings.add(where, f"launch {record.launch} of {record.case.label} a second time")
    return tuple(_measurement(case, launches) for case, launches in cases.items())


def _measurement(case: Case, by_number: Mapping[int, Record]) -> Measurement:
    """Merge the launches of a case; one that ended otherwise than measured gives the status."""
    records = [by_number[number] for number in sorted(by_number)]
    launches = tuple(
        Launch(record.launch, record.seconds, record.facts, record.calls_per_sample)
        for record in records
        if record.status is Status.MEASURED
    )
    end = next((one for one in records if one.status is not Status.MEASURED), records[0])
    return Measurement(case, end.status, launches, end.reason)


#: How the values of a fact over launches become one: sizes by their largest, what a user waits for
#: once by the geometric mean, and the rest by the median.
_TOO_LARGE = 2**63
_WAITED = frozenset({"build_seconds", "trace_seconds", "first_call_seconds"})
_LARGEST = frozenset({"traces", "graph_nodes", "peak_bytes", "weights", "law_error"})


def fact(measurement: Measurement, name: str) -> float | None:
    """Give a fact of a case over its launches, or None where no launch holds a number for it."""
    values = [fact_of(one, name) for one in measurement.launches]
    numbers = [value for value in values if value is not None]
    if not numbers:
        return None
    if name in _LARGEST:
        return max(numbers)
    if name in _WAITED and min(numbers) > 0:
        return statistics.geometric_mean(numbers)
    return statistics.median(numbers)


def fact_of(launch: Launch, name: str) -> float | None:
    """Give a fact of one launch, or None where it holds no number for it."""
    value = launch.facts.get(name)
    return float(value) if _is_number(value) else None


def _is_number(value: object) -> TypeGuard[float]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < _TOO_LARGE
