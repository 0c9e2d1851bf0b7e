"""The median of every case in every launch, read without the samples where the journal has it.

A year of nightly runs is read in seconds this way: the usual line is taken apart by types that hold
nothing else, and its samples are passed over. Any other line is read with all care.
"""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta, Raw, Struct

from timelift.case import Case, Status
from timelift.journal.facts import EXACT
from timelift.journal.lines import CaseInLaunch, median
from timelift.journal.reading import (
    BAD_RECORD,
    LARGEST_SIZE,
    LONGEST_SECONDS,
    SHORTEST_SECONDS,
    case_from,
    read_line,
    samples,
)

_OTHER = (b'{"kind":"run"', b'{"kind":"end"')
Exact = tuple[float | None, ...]
_Count = Annotated[float, Meta(ge=0, lt=LARGEST_SIZE)]
_Whole = Annotated[int, Meta(ge=1, le=LARGEST_SIZE)]


class Median(NamedTuple):
    """A case in a launch: the log of its median, NaN where it was lost, and the canary's time.

    `exact` are its facts that repeat themselves, in the order of `EXACT`.
    """

    case: Case
    launch: int
    log_seconds: float
    canary_seconds: float | None
    exact: Exact


class _Facts(Struct, frozen=True, gc=False):
    canary_seconds: float | None = None
    traces: _Count | None = None
    graph_nodes: _Count | None = None
    weights: _Count | None = None


class _Usual(Struct, tag_field="kind", tag="launch", gc=False):
    launch: _Whole
    case: Raw
    status: Literal["measured"]
    seconds_per_call: Raw
    median_seconds_per_call: Annotated[float, Meta(gt=SHORTEST_SECONDS, lt=LONGEST_SECONDS)] = 0.0
    calls_per_sample: _Whole = 1
    facts: _Facts = _Facts()


_usual = msgspec.json.Decoder(_Usual).decode
_seconds = msgspec.json.Decoder(list[float | None]).decode


def medians(lines: Iterable[bytes]) -> Iterator[Median]:
    """Read the lines of a journal; damaged ones are skipped."""
    for line in lines:
        if not line or line.startswith(_OTHER):
            continue
        try:
            yield _quick(line)
        except (msgspec.MsgspecError, UnicodeError, *BAD_RECORD):
            yield from careful(line)


def _quick(line: bytes) -> Median:
    one = _usual(line)
    seconds = one.median_seconds_per_call or _median(_seconds(one.seconds_per_call))
    facts = one.facts
    exact = _once(tuple(getattr(facts, name) for name in EXACT))
    log = math.log(seconds)
    return Median(_case(bytes(one.case)), one.launch, log, facts.canary_seconds, exact)


def careful(line: bytes) -> Iterator[Median]:
    try:
        one = read_line(line, [])
    except BAD_RECORD:
        return
    if isinstance(one, CaseInLaunch):
        lost = one.status is not Status.MEASURED
        log = math.nan if lost else math.log(_median(one.seconds_per_call))
        exact = _once(tuple(one.facts.number(name) for name in EXACT))
        yield Median(one.case, one.launch, log, one.facts.number("canary_seconds"), exact)


def _median(seconds: Sequence[float | None]) -> float:
    return median(sorted(one for one in samples(seconds) if one is not None))


@lru_cache(maxsize=1 << 14)
def _once(exact: Exact) -> Exact:
    """Return one tuple for all that are equal, since facts hardly change in a year."""
    return exact


@lru_cache(maxsize=1 << 14)
def _case(text: bytes) -> Case:
    return case_from(json.loads(text))
