"""Reading lines of a journal: what is good is kept, and each damage is one sentence.

Nothing in a file is trusted, and nothing that it names is ever executed. `msgspec` reads the usual
line; what it refuses is read again by `json`, which takes half a surrogate and a byte order mark.

`read_lines` reads everything. A history needs one number a case and launch, its median: for it
`read_medians` passes over the samples wherever the line has their median, so that a year of nightly
runs is read in seconds. Any line but the usual one it reads with the same care as `read_lines`.
"""

import json
import math
import re
import reprlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, get_args, get_origin

import msgspec
from msgspec import Meta, Raw, Struct

from timelift.case import Case, Status
from timelift.journal.facts import EXACT_FACTS, Facts
from timelift.journal.lines import (
    LONGEST_SECONDS,
    SCHEMA,
    SHORTEST_SECONDS,
    Against,
    CaseInLaunch,
    End,
    Header,
    Line,
    median,
)

#: What reading a bad line raises, however it is bad.
BAD_RECORD = (ValueError, OverflowError, RecursionError)
#: The largest size an axis can have: sizes are 32-bit in every backend.
LARGEST_SIZE = 2**31 - 1
_SMALLEST = {"seq_len": 1, "batch": 1, "threads": 0}
#: What `msgspec` calls the types of JSON.
_IN_WORDS = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "int | float": "a number",
    "bool": "true or false",
    "bool | int | float": "true or false",
    "array": "a list",
    "object": "an object",
}
_EXPECTED = re.compile(r"Expected (.*?)( [<>]=? \S+)?(?:, got .*)?(?: - at .*)?", re.DOTALL)
#: How the lines begin that hold no samples.
_OTHER_KINDS = (b'{"kind":"run"', b'{"kind":"end"')
#: Fields of a header that are read together, for all of them or for none.
_AGAINST = ("against", "damaged_against")
_Count = Annotated[float, Meta(ge=0, lt=LARGEST_SIZE)]
_PositiveInt = Annotated[int, Meta(ge=1, le=LARGEST_SIZE)]

#: Facts that repeat themselves, in the order of `EXACT_FACTS`.
ExactFacts = tuple[float | None, ...]
#: Where what is wrong with single fields is put, in sentences.
Damage = list[str]
_Type = TypeVar("_Type", bound=Struct)


class OtherSchemaError(ValueError):
    """A header of a schema that this timelift does not know."""


@dataclass(frozen=True)
class NumberedLine:
    """A line and where it is: its number from 1, and the bytes of the file up to its end.

    `line` is None where nothing of it can be used, and `error` is why; `damage` is what is wrong
    with single fields. A line that is `torn` has no end: the run was cut off while it wrote it.
    """

    number: int
    end_bytes: int
    line: Line | None
    error: Exception | None
    damage: Sequence[str]
    torn: bool


def read_lines(data: bytes) -> Iterator[NumberedLine]:
    """Read the lines of a journal that hold anything, in their order."""
    texts, end = data.split(b"\n"), 0
    for number, text in enumerate(texts, start=1):
        torn = number == len(texts)
        end += len(text) + (not torn)
        if not text.strip():
            continue
        damage: Damage = []
        try:
            yield NumberedLine(number, end, read_line(text, damage), None, damage, torn)
        except BAD_RECORD as error:
            yield NumberedLine(number, end, None, error, damage, torn)


def read_line(text: bytes, damage: Damage) -> Line:
    """Read a line; raises one of BAD_RECORD where nothing of it can be used."""
    fields = parse_object(text)
    kind = fields.get("kind")
    if kind == "launch":
        return case_in_launch_from(fields, damage)
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
    """Parse one JSON object; raises ValueError for anything else, such as NaN or Infinity.

    A number beyond those of 64 bits is infinite, which whoever takes the number leaves out.
    """
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
    found = convert_leniently(Header, plain, damage)
    against = fields.get("against")
    try:
        return msgspec.structs.replace(found, against=msgspec.convert(against, Against | None))
    except msgspec.ValidationError as error:
        if not isinstance(against, dict):
            damage.append(_damage_sentence("against", "an object", against))
            return found
        return msgspec.structs.replace(found, damaged_against=str(error).replace("`", ""))


def case_in_launch_from(fields: Mapping[str, Any], damage: Damage) -> CaseInLaunch:
    """Read the fields of a case in a launch; raises ValueError naming the wrong field."""
    status, stored_median = Status(str(fields.get("status"))), fields.get("median_seconds_per_call")
    measured = status is Status.MEASURED
    rivals = fields.get("rivals")
    seconds = samples(fields.get("seconds_per_call")) if measured else ()
    stored_median = stored_median if measured else None
    if isinstance(stored_median, int | float):
        stored_median = _checked_median(float(stored_median), seconds, damage)
    return CaseInLaunch(
        case=case_from(fields.get("case")),
        launch=whole_number("launch", fields.get("launch"), smallest=1),
        rivals=rivals if isinstance(rivals, int) else None,
        status=status,
        reason=str(fields.get("reason") or ""),
        median_seconds_per_call=stored_median if isinstance(stored_median, float) else None,
        seconds_per_call=seconds,
        calls_per_sample=whole_number(
            "calls_per_sample", fields.get("calls_per_sample", 1), smallest=1
        )
        if measured
        else 1,
        facts=convert_leniently(Facts, fields.get("facts", {}), damage, "facts")
        if measured
        else Facts(),
    )


def _checked_median(stored: float, seconds: Sequence[float | None], damage: Damage) -> float | None:
    """Return a median that is that of the samples, else None: a history would believe it."""
    right = median(seconds)
    if not math.isclose(stored, right, rel_tol=1e-9):
        damage.append(
            _damage_sentence("median_seconds_per_call", f"that of the samples, {right!r}", stored)
        )
        return None
    return stored


def case_from(fields: object) -> Case:
    """Read a case; raises ValueError where a name is empty or a size is impossible."""
    found = Case.from_fields(fields if isinstance(fields, dict) else {})
    if not found.setting.workload:
        raise ValueError("workload: expected a name, received ''")
    for name, smallest in _SMALLEST.items():
        whole_number(name, getattr(found.setting, name), smallest)
    return found


def whole_number(name: str, value: object, smallest: int) -> int:
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
    wrong = next((one for one in played if not SHORTEST_SECONDS < one < LONGEST_SECONDS), None)
    if wrong is not None:
        raise ValueError(f"seconds_per_call: expected times, received {float(wrong)!r}")
    return values


def convert_leniently(kind: type[_Type], fields: object, damage: Damage, within: str = "") -> _Type:
    """Make a struct of an object of JSON; a field of another type is reported and left out.

    A struct that has a field `damage` keeps there what is wrong with its own fields.
    """
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError:
        pass
    if "damage" not in kind.__struct_fields__:
        return _convert_each(kind, fields, damage, within)
    own: Damage = []
    found = _convert_each(kind, fields, own, within.rpartition(".")[2])
    return msgspec.structs.replace(found, damage=tuple(own))


def _convert_each(kind: type[_Type], fields: object, damage: Damage, within: str) -> _Type:
    if not isinstance(fields, dict):
        damage.append(_damage_sentence(within, "an object", fields))
        return kind()
    kept = {}
    for one in msgspec.structs.fields(kind):
        if one.name in fields:
            name = f"{within}.{one.name}" if within else one.name
            try:
                kept[one.name] = _convert_field(one.type, fields[one.name], damage, name)
            except msgspec.ValidationError as error:
                damage.append(_damage_sentence(name, _expected_type(error), fields[one.name]))
    return kind(**kept)


def _convert_field(kind: Any, value: Any, damage: Damage, name: str) -> Any:
    kinds = get_args(kind) if isinstance(kind, UnionType) else (kind,)
    if struct := next(filter(_has_defaults, kinds), None):
        return convert_leniently(struct, value, damage, name)
    inner = get_args(kind)[-1] if get_origin(kind) is dict else None
    if inner is not None and _has_defaults(inner) and isinstance(value, dict):
        return {
            str(key): convert_leniently(inner, one, damage, f"{name}.{key}")
            for key, one in value.items()
        }
    return msgspec.convert(value, kind)


def _has_defaults(kind: Any) -> bool:
    struct = isinstance(kind, type) and issubclass(kind, Struct)
    return struct and not any(one.required for one in msgspec.structs.fields(kind))


def _expected_type(error: msgspec.ValidationError) -> str:
    found = _EXPECTED.fullmatch(str(error))
    if not found:
        return str(error)
    kind = found[1].replace("`", "").replace(" | null", "")
    return _IN_WORDS.get(kind, kind) + (found[2] or "")


def _damage_sentence(name: str, expected: str, value: object) -> str:
    return f"{name}: expected {expected}, received {reprlib.repr(value)}, so it is left out"


class MedianInLaunch(NamedTuple):
    """A case in a launch: the log of its median, and the canary's time.

    The median is NaN where it was lost. `exact` are its facts that repeat themselves.
    """

    case: Case
    launch: int
    log_seconds: float
    canary_seconds: float | None
    exact: ExactFacts


class _UsualFacts(Struct, frozen=True, gc=False):
    canary_seconds: float | None = None
    traces: _Count | None = None
    graph_nodes: _Count | None = None
    weights: _Count | None = None


class _UsualLine(Struct, tag_field="kind", tag="launch", gc=False):
    launch: _PositiveInt
    case: Raw
    status: Literal["measured"]
    seconds_per_call: Raw
    median_seconds_per_call: Annotated[float, Meta(gt=SHORTEST_SECONDS, lt=LONGEST_SECONDS)] = 0.0
    calls_per_sample: _PositiveInt = 1
    facts: _UsualFacts = _UsualFacts()


_usual = msgspec.json.Decoder(_UsualLine).decode
_seconds = msgspec.json.Decoder(list[float | None]).decode


def read_medians(lines: Iterable[bytes]) -> Iterator[MedianInLaunch]:
    for line in lines:
        if not line or line.startswith(_OTHER_KINDS):
            continue
        try:
            yield _quick_median(line)
        except (msgspec.MsgspecError, UnicodeError, *BAD_RECORD):
            yield from _careful_median(line)


def _quick_median(line: bytes) -> MedianInLaunch:
    one = _usual(line)
    seconds = one.median_seconds_per_call or median(samples(_seconds(one.seconds_per_call)))
    facts = one.facts
    exact = _shared(tuple(getattr(facts, name) for name in EXACT_FACTS))
    log = math.log(seconds)
    return MedianInLaunch(_case_of(bytes(one.case)), one.launch, log, facts.canary_seconds, exact)


def _careful_median(line: bytes) -> Iterator[MedianInLaunch]:
    try:
        one = read_line(line, [])
    except BAD_RECORD:
        return
    if isinstance(one, CaseInLaunch):
        seconds = one.seconds_per_call
        log = math.log(median(seconds)) if seconds else math.nan
        exact = _shared(tuple(one.facts.number(name) for name in EXACT_FACTS))
        yield MedianInLaunch(one.case, one.launch, log, one.facts.number("canary_seconds"), exact)


@lru_cache(maxsize=1 << 14)
def _shared(exact: ExactFacts) -> ExactFacts:
    """Return one tuple for all that are equal, since facts hardly change in a year."""
    return exact


@lru_cache(maxsize=1 << 14)
def _case_of(text: bytes) -> Case:
    return case_from(json.loads(text))
