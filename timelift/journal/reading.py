"""Reading lines of a journal: a line that is wrong in any part is left out whole.

Nothing in a file is trusted, and nothing that it names is ever executed.

`read_lines` reads everything. `read_medians` reads one number a case and launch: it passes over the
samples wherever the line has their median, so that a year of nightly runs is read in seconds.
"""

import errno
import math
import re
import reprlib
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache, reduce
from operator import or_
from pathlib import Path
from typing import Annotated, Any, BinaryIO, NamedTuple, get_args, get_type_hints

import msgspec
from msgspec import Meta, Raw, Struct

from timelift.axis_values import Status
from timelift.case import LARGEST_SIZE, Case
from timelift.journal.lines import LONGEST_SECONDS, SCHEMA, SHORTEST_SECONDS, End, Header, Line
from timelift.measurement import EXACT_FACTS, CaseInLaunch, Facts, is_disturbance, median

#: The most bytes of a journal, ten times the largest known, and of a text in it, such as a name.
_LARGEST, _LONGEST = 1 << 30, 10_000
#: The same of a text in a header, which has the words of a command: twice the limit of Linux.
_LONGEST_ARGUMENT = 1 << 18
_TEXT = re.compile(rb'"((?:[^"\\]|\\.)*+)"')
#: The beginnings of lines that hold no samples.
_OTHER_KINDS = (b'{"kind":"run"', b'{"kind":"end"')
DAMAGED = (msgspec.MsgspecError, ValueError, RecursionError)
_Count = Annotated[int, Meta(ge=1, le=LARGEST_SIZE)]
_Seconds = Annotated[float, Meta(gt=SHORTEST_SECONDS, lt=LONGEST_SECONDS)]

#: Values of the facts named by `EXACT_FACTS`, in this order.
ExactFacts = tuple[float | None, ...]


class _About(Struct):
    """The parts of a line that every schema has."""

    kind: str
    schema: Any = None


#: What an array of 64-bit numbers can hold; anything beyond is an error.
_IN_64_BITS = Meta(ge=-(2**63), le=2**63 - 1)
_BOUNDED = {int: Annotated[int, _IN_64_BITS], float: Annotated[float, _IN_64_BITS]}

_FACTS = [
    (name, reduce(or_, [_BOUNDED.get(kind, kind) for kind in get_args(kinds)]), None)
    for name, kinds in get_type_hints(Facts).items()
]
#: The fields of `Facts` within these bounds; msgspec reads a dataclass three times as slowly.
_FactsInFile = msgspec.defstruct("_FactsInFile", _FACTS, frozen=True, gc=False)


class _LaunchLine(Struct, tag_field="kind", tag="launch", gc=False):
    """A `CaseInLaunch` as it stands in a file, its case and its samples not yet read."""

    launch: _Count
    case: Raw
    status: Status
    rivals: _Count | None = None
    mark: Annotated[str, Meta(max_length=_LONGEST)] = ""
    reason: Annotated[str, Meta(max_length=_LONGEST)] = ""
    median_seconds_per_call: _Seconds | None = None
    seconds_per_call: Raw = Raw(b"[]")
    bursts: tuple[_Count, ...] = ()
    calls_per_sample: _Count = 1
    facts: _FactsInFile = _FactsInFile()  # type: ignore[valid-type]


_about = msgspec.json.Decoder(_About).decode
#: Reads a header, of a later schema too.
header_of_any_schema = msgspec.json.Decoder(Header).decode
_line = msgspec.json.Decoder(Header | _LaunchLine | End).decode
_launch_line = msgspec.json.Decoder(_LaunchLine).decode
_seconds = msgspec.json.Decoder(list[_Seconds | None]).decode


@dataclass(frozen=True)
class NumberedLine:
    """A line with its number, from 1, and the bytes of the file up to its end.

    A line that is left out is None, and has an `error`. A `torn` line has no end: the run was cut
    off while it wrote it.
    """

    number: int
    end_bytes: int
    line: Line | None
    error: ValueError | None
    torn: bool


def opened(path: Path) -> BinaryIO:
    """Open a journal to be read; raises OSError where a file is larger than any."""
    if path.stat().st_size > _LARGEST:
        raise OSError(errno.EFBIG, f"expected a journal of at most {_LARGEST:,} bytes")
    return path.open("rb")


def contents(path: Path) -> bytes:
    with opened(path) as file:
        return file.read()


def read_lines(data: bytes) -> Iterator[NumberedLine]:
    """Read the lines of a journal in their order, but for blank ones."""
    texts, end = data.split(b"\n"), 0
    for number, text in enumerate(texts, start=1):
        torn = number == len(texts)
        end += len(text) + (not torn)
        if not text.strip():
            continue
        try:
            yield NumberedLine(number, end, read_line(text), None, torn)
        except ValueError as error:
            yield NumberedLine(number, end, None, error, torn)


def read_line(text: bytes) -> Line:
    """Read a line; raises ValueError where any part of it is wrong."""
    try:
        in_file = _line(text)
        line = _case_in_launch(in_file) if isinstance(in_file, _LaunchLine) else in_file
        if isinstance(line, Header):
            _refuse_long(*_TEXT.findall(text), most=_LONGEST_ARGUMENT)
            list(line.planned_cases())  # raises where one is no case
    except DAMAGED as error:
        _refuse_other_schema(text)
        raise ValueError(str(error).replace("`", "")) from None
    if isinstance(line, Header):
        _refuse_other_schema(text)
    return line


def _refuse_other_schema(text: bytes) -> None:
    try:
        about = _about(text)
    except DAMAGED:
        return
    if about.kind == "run" and about.schema != SCHEMA:
        raise ValueError(f"expected journal schema {SCHEMA}, received {reprlib.repr(about.schema)}")


def _refuse_long(*texts: bytes, most: int = _LONGEST) -> None:
    if max(map(len, texts)) > most:
        raise ValueError(f"expected texts of at most {most:,} bytes, received a longer one")


def _case_in_launch(line: _LaunchLine) -> CaseInLaunch:
    case = _case_of(bytes(line.case))
    if line.status is not Status.MEASURED:
        ended = line.status, line.reason
        return CaseInLaunch(case, line.launch, line.rivals, *ended, mark=line.mark)
    seconds = _samples(line)[0]
    if line.bursts and sum(line.bursts) != len(seconds):
        raise ValueError(
            f"bursts: expected numbers that add up to {len(seconds)} rounds, received "
            f"{sum(line.bursts)}"
        )
    return CaseInLaunch(
        case,
        line.launch,
        line.rivals,
        seconds_per_call=seconds,
        bursts=line.bursts,
        calls_per_sample=line.calls_per_sample,
        facts=msgspec.convert(line.facts, Facts, from_attributes=True),
        mark=line.mark,
    )


def _samples(line: _LaunchLine) -> tuple["array[float]", float]:
    """Return seconds per call, one a round, NaN where the rival sat out; and their median.

    Raises ValueError if there are none, or if the line states another median, which `read_medians`
    would return.
    """
    seconds, stated = _seconds(line.seconds_per_call), line.median_seconds_per_call
    played = [value for value in seconds if value is not None]
    if not played:
        raise ValueError("seconds_per_call: expected at least one sample, received none")
    actual = median(played)
    if stated is not None and not math.isclose(stated, actual, rel_tol=1e-9):
        raise ValueError(
            f"median_seconds_per_call: expected that of the samples, {actual!r}, received "
            f"{stated!r}"
        )
    if len(played) < len(seconds):
        played = [math.nan if value is None else value for value in seconds]
    return array("d", played), actual


@lru_cache(maxsize=1 << 14)
def _case_of(text: bytes) -> Case:
    """Read a case; raises ValueError where a name is empty or a size is impossible."""
    _refuse_long(text)
    fields = msgspec.json.decode(text)
    return Case.from_fields(fields if isinstance(fields, dict) else {})


class MedianInLaunch(NamedTuple):
    """A case in a launch: its log median, NaN if it failed, beats, and facts of `EXACT_FACTS`."""

    case: Case
    launch: int
    log_seconds: float
    canary: tuple[float | None, float | None]
    exact: ExactFacts
    mark: str = ""
    disturbed: bool = False


def read_medians(lines: Iterable[bytes]) -> Iterator[MedianInLaunch]:
    for text in lines:
        if text and not text.startswith(_OTHER_KINDS):
            try:
                yield _median_in_launch(_launch_line(text))
            except DAMAGED:
                continue


def _median_in_launch(line: _LaunchLine) -> MedianInLaunch:
    facts: Any = line.facts
    seconds = line.median_seconds_per_call
    if line.status is not Status.MEASURED:
        seconds = None
    elif seconds is None:
        seconds = _samples(line)[1]
    return MedianInLaunch(
        _case_of(bytes(line.case)),
        line.launch,
        math.log(seconds) if seconds else math.nan,
        (facts.canary_seconds, facts.copy_seconds),
        _shared(tuple(getattr(facts, name) for name in EXACT_FACTS)),
        line.mark,
        is_disturbance(facts.missing_cores),
    )


@lru_cache(maxsize=1 << 14)
def _shared(exact: ExactFacts) -> ExactFacts:
    """Return one tuple for all that are equal, to save memory: facts hardly change in a year."""
    return exact
