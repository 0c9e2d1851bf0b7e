"""How the programs of a pair's two sides differ: in which operations, before and after optimising.

A worker compares them (`timelift.worker.equal_programs`) and leaves facts; of equal ones no time is
known, unless they were raced all the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from timelift.analyse.runs.measurement import Measurement

#: Parts of the names of operations that are told first, casts and calls of Python; and how those
#: begin that cost next to nothing, such as constants.
_FIRST = ("cast,", "convert", "_to_copy", "pyfunc", "callback")
_LAST = (
    "const",
    "_eagerconst",
    "identity",
    "ensureshape",
    "bitcast",
    "getattr",
    "broadcast",
    "fusion",
    "jit",
)

#: Kinds of operations with how many more there are now, negative where fewer; the gravest first.
MoreOperations = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class ProgramChange:
    """How programs differ as they run, in `operations` unless they are `equal`, and as `traced`.

    The former are None where they are not known: of what has no one program, or is traced again.
    """

    operations: MoreOperations | None
    traced: MoreOperations
    equal: bool


def runs_same_program(old: Measurement, new: Measurement) -> bool:
    """True if the sides ran the same program in every launch, so that none was timed."""
    launches = [*old.launches, *new.launches]
    return bool(launches) and all(
        one.facts.same_program and not one.seconds_per_call.size for one in launches
    )


def program_change(old: Measurement, new: Measurement) -> ProgramChange | None:
    """Return how the programs differ; None where they do not, or where that is not known."""
    operations = _more(_facts(old, "operations"), _facts(new, "operations"))
    traced = _more(_facts(old, "traced_operations"), _facts(new, "traced_operations")) or ()
    equal = any(one.facts.same_program for one in new.launches) and operations is None
    known = operations is not None or traced
    return ProgramChange(operations, traced, equal) if known else None


def _facts(side: Measurement, name: str) -> Mapping[str, int] | None:
    """Return the operations that the first launch with any has."""
    known = (getattr(one.facts, name) for one in side.launches)
    return next((one for one in known if one is not None), None)


def _more(old: Mapping[str, int] | None, new: Mapping[str, int] | None) -> MoreOperations | None:
    if old is None or new is None:
        return None
    more = {kind: new.get(kind, 0) - old.get(kind, 0) for kind in {**old, **new}}
    return tuple(sorted(((kind, n) for kind, n in more.items() if n), key=_weight))


def _weight(item: tuple[str, int]) -> tuple[int, int, str]:
    kind, number = item
    name = kind.lower()
    place = 0 if any(one in name for one in _FIRST) else 2 if name.startswith(_LAST) else 1
    return place, -abs(number), kind
