"""Reading lines of a journal: what is good is kept, and each damage is one sentence.

Nothing in a file is trusted, and nothing that it names is ever executed. `msgspec` reads the usual
line; what it refuses is read again by `json`, which takes half a surrogate and a byte order mark.
"""

import json
import math
import re
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import msgspec

from timelift.case import Case, Status
from timelift.journal.facts import Facts
from timelift.journal.lines import SCHEMA, Against, CaseInLaunch, End, Header, Line
from timelift.journal.lines import median as median_of

#: A call lasts longer than a picosecond and less than thirty years; anything else is a slip.
SHORTEST_SECONDS, LONGEST_SECONDS = 1e-12, 1e9
#: What reading a bad line raises, however it is bad.
BAD_RECORD = (ValueError, OverflowError, RecursionError)
#: The largest size an axis can have: sizes are 32-bit in every backend.
LARGEST_SIZE = 2**31 - 1
_SMALLEST = {"seq_len": 1, "batch": 1, "threads": 0}
#: A header is one line; a longer first line is not one.
_LONGEST_HEADER = 1 << 20
#: The closing mark is shorter than this.
_TAIL = 1 << 12
#: What `msgspec` calls the types of JSON.
_IN_WORDS = {
    "str": "a text",
    "int": "a whole number",
    "int | float": "a number",
    "bool": "true or false",
    "bool | int | float": "true or false",
    "array": "a list",
    "object": "an object",
}
_EXPECTED = re.compile(r"Expected (.*?)(?:, got .*)?(?: - at .*)?", re.DOTALL)

#: Where what is wrong with single fields is put, in sentences.
Damage = list[str]
_Any = TypeVar("_Any", bound=msgspec.Struct)


class OtherSchemaError(ValueError):
    """A header of a schema that this timelift does not know."""


class DamagedLaunchError(ValueError):
    """A case in a launch of which nothing can be used."""


@dataclass(frozen=True)
class Place:
    """A line where it stands: its number from 1, and the bytes of the file up to its end.

    `line` is None where nothing of it can be used, and `error` says why; `damage` is what is wrong
    with single fields. A line that is `torn` has no end: the run was cut off while it wrote it.
    """

    number: int
    end_bytes: int
    line: Line | None
    error: Exception | None
    damage: Sequence[str]
    torn: bool


def places(data: bytes) -> Iterator[Place]:
    """Read the lines of a journal that hold anything, in their order."""
    texts, end = data.split(b"\n"), 0
    for number, text in enumerate(texts, start=1):
        torn = number == len(texts)
        end += len(text) + (not torn)
        if not text.strip():
            continue
        damage: Damage = []
        try:
            yield Place(number, end, read_line(text, damage), None, damage, torn)
        except BAD_RECORD as error:
            yield Place(number, end, None, error, damage, torn)


def read_line(text: bytes, damage: Damage) -> Line:
    """Read a line; raises one of BAD_RECORD where nothing of it can be used."""
    fields = parse_object(text)
    kind = fields.get("kind")
    if kind == "launch":
        try:
            return case_in_launch_from(fields, damage)
        except BAD_RECORD as error:
            raise DamagedLaunchError(str(error)) from error
    if kind == "run":
        if fields.get("schema") != SCHEMA:
            raise OtherSchemaError(
                f"expected journal schema {SCHEMA}, received {fields.get('schema')!r:.40}"
            )
        return header_from(fields, damage)
    if kind == "end":
        return End(exit=str(fields.get("exit")), ended=str(fields.get("ended") or ""))
    raise ValueError(f"kind: expected run, launch or end, received {kind!r:.80}")


def parse_object(text: bytes) -> dict[str, Any]:
    """Parse one JSON object; raises ValueError for anything else, NaN and infinities included."""
    try:
        found = msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeError):
        found = json.loads(text.decode("utf-8-sig"), parse_constant=_no_constant)
    if isinstance(found, dict):
        return found
    raise ValueError(f"expected a JSON object, received {type(found).__name__}")


def _no_constant(name: str) -> Any:
    raise ValueError(f"expected a number, received {name}")


def header_from(fields: Mapping[str, Any], damage: Damage) -> Header:
    """Read the fields of a header, each for itself where one of them is damaged."""
    plain = {name: one for name, one in fields.items() if name not in _AGAINST}
    found = lenient(Header, plain, damage)
    against = fields.get("against")
    try:
        return msgspec.structs.replace(found, against=msgspec.convert(against, Against | None))
    except msgspec.ValidationError as error:
        if not isinstance(against, dict):
            damage.append(_sentence("against", "an object", against))
            return found
        return msgspec.structs.replace(found, damaged_against=str(error).replace("`", ""))


_AGAINST = ("against", "damaged_against")


def case_in_launch_from(fields: Mapping[str, Any], damage: Damage) -> CaseInLaunch:
    """Read the fields of a case in a launch; raises ValueError naming the wrong field."""
    status, median = Status(str(fields.get("status"))), fields.get("median_seconds_per_call")
    measured = status is Status.MEASURED
    rivals = fields.get("rivals")
    seconds = samples(fields.get("seconds_per_call")) if measured else ()
    if measured and isinstance(median, int | float):
        median = _checked_median(float(median), seconds, damage)
    return CaseInLaunch(
        case=case_from(fields.get("case")),
        launch=whole("launch", fields.get("launch"), smallest=1),
        rivals=rivals if isinstance(rivals, int) else None,
        status=status,
        reason=str(fields.get("reason") or ""),
        median_seconds_per_call=median if isinstance(median, float) else None,
        seconds_per_call=seconds,
        calls_per_sample=_calls(fields) if measured else 1,
        facts=lenient(Facts, fields.get("facts", {}), damage, "facts") if measured else Facts(),
    )


def _checked_median(told: float, seconds: Sequence[float | None], damage: Damage) -> float | None:
    """Return a median that is that of the samples, else None: a history would believe it."""
    right = median_of(sorted(one for one in seconds if one is not None))
    if not math.isclose(told, right, rel_tol=1e-9):
        damage.append(_sentence("median_seconds_per_call", f"that of the samples, {right!r}", told))
        return None
    return told


def _calls(fields: Mapping[str, Any]) -> int:
    return whole("calls_per_sample", fields.get("calls_per_sample", 1), smallest=1)


def case_from(fields: object) -> Case:
    """Read a case; raises ValueError where a name is empty or a size is impossible."""
    found = Case.from_fields(fields if isinstance(fields, dict) else {})
    if not found.setting.workload:
        raise ValueError("workload: expected a name, received ''")
    for name, smallest in _SMALLEST.items():
        whole(name, getattr(found.setting, name), smallest)
    return found


def whole(name: str, value: object, smallest: int) -> int:
    good = isinstance(value, int) and not isinstance(value, bool)
    if not good or not smallest <= value <= LARGEST_SIZE:  # type: ignore[operator]
        raise ValueError(
            f"{name}: expected a whole number from {smallest}, received {reprlib.repr(value)}"
        )
    return value  # type: ignore[return-value]


def samples(values: object) -> list[float | None]:
    """Read seconds per call, one a round, None where the rival sat out."""
    if not isinstance(values, list) or not set(map(type, values)) <= {float, int, type(None)}:
        raise ValueError(
            f"seconds_per_call: expected a list of numbers, received {reprlib.repr(values)}"
        )
    played = [one for one in values if one is not None]
    if not played:
        raise ValueError("seconds_per_call: expected at least one sample, received none")
    if not SHORTEST_SECONDS < min(played) <= max(played) < LONGEST_SECONDS:
        wrong = next(one for one in played if not SHORTEST_SECONDS < one < LONGEST_SECONDS)
        raise ValueError(f"seconds_per_call: expected times, received {float(wrong)!r}")
    return values


def lenient(kind: type[_Any], fields: object, damage: Damage, within: str = "") -> _Any:
    """Make a struct of an object of JSON; a field of another type is reported and left out."""
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError:
        pass
    if not isinstance(fields, dict):
        damage.append(_sentence(within, "an object", fields))
        return kind()
    kept = {}
    for one in msgspec.structs.fields(kind):
        if one.name in fields:
            name = f"{within}.{one.name}" if within else one.name
            try:
                kept[one.name] = _field(one.type, fields[one.name], damage, name)
            except msgspec.ValidationError as error:
                damage.append(_sentence(name, _expected(error), fields[one.name]))
    return kind(**kept)


def _field(kind: Any, value: Any, damage: Damage, name: str) -> Any:
    """Convert a field; a field that holds structs is read field by field."""
    if _has_defaults(kind) and isinstance(value, dict):
        return lenient(kind, value, damage, name)
    inner = get_args(kind)[-1] if get_origin(kind) is dict else None
    if inner is not None and _has_defaults(inner) and isinstance(value, dict):
        return {
            str(key): lenient(inner, one, damage, f"{name}.{key}") for key, one in value.items()
        }
    return msgspec.convert(value, kind)


def _has_defaults(kind: Any) -> bool:
    struct = isinstance(kind, type) and issubclass(kind, msgspec.Struct)
    return struct and not any(one.required for one in msgspec.structs.fields(kind))


def _expected(error: msgspec.ValidationError) -> str:
    found = _EXPECTED.fullmatch(str(error))
    kind = found[1].replace("`", "").replace(" | null", "") if found else str(error)
    return _IN_WORDS.get(kind, kind)


def _sentence(name: str, expected: str, value: object) -> str:
    return f"{name}: expected {expected}, received {reprlib.repr(value)}, so it is left out"


def head_of(path: Path) -> Header:
    """Read the header of a file; raises OSError or one of BAD_RECORD where it has none."""
    with path.open("rb") as file:
        found = read_line(file.readline(_LONGEST_HEADER), [])
    if not isinstance(found, Header):
        raise ValueError(  # noqa: TRY004 - as whatever is wrong with a file
            f"expected a header of journal schema {SCHEMA}, received another line"
        )
    return found


def header_of(path: Path) -> Header:
    """Read the header of a file, of whatever schema; an empty one where it has none.

    A run that only a later timelift reads is still the latest, and refused when it is read.
    """
    try:
        with path.open("rb") as file:
            fields = parse_object(file.readline(_LONGEST_HEADER))
        return header_from(fields, []) if fields.get("kind") == "run" else Header()
    except (*BAD_RECORD, OSError):
        return Header()


def is_closed(path: Path) -> bool:
    """True if the last line of a journal is its closing mark; raises OSError."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        last = file.read().rstrip().rpartition(b"\n")[2]
    try:
        return isinstance(read_line(last, []), End)
    except BAD_RECORD:
        return False
