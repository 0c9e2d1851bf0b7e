"""Whether two runs may be compared at all, and what drifted between them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from timelift.analyse.runs.engines import identity
from timelift.analyse.runs.measurement import Run

#: Options that change what is measured without being an axis of a setting.
_OPTIONS = ("pin", "round_seconds")
#: What drifts without a change of what is installed.
_NOT_INSTALLED = frozenset({"kernel", "governor", *_OPTIONS})
_SCALARS = (str, int, float, bool)


@dataclass(frozen=True)
class Difference:
    """One property of two runs, as each file tells it."""

    name: str
    old: str
    new: str


def identity_differences(old: Run, new: Run) -> tuple[Difference, ...]:
    """Name what makes the runs incomparable; a run that does not tell its machine is another's."""
    before, after = _engines(old), _engines(new)
    both = before.keys() & after.keys()
    return (
        *_differences(_machine(old, "identity"), _machine(new, "identity")),
        *(Difference(one, before[one], after[one]) for one in both if before[one] != after[one]),
    )


def _engines(run: Run) -> dict[str, str]:
    """Give what each backend told of its device: names and switches such as tf32."""
    return {
        f"{one.case.setting.backend} {one.case.setting.device} {name}": value
        for one in run.measurements
        for name, value in identity(one).items()
    }


def drift(old: Run, new: Run) -> tuple[Difference, ...]:
    """Name what drifted: versions, interpreter, kernel, flags, and how it was measured."""
    return tuple(_differences(_drift(old), _drift(new)))


def versions_drifted(differences: Sequence[Difference]) -> bool:
    """Whether other packages or another interpreter were measured, which no revision explains."""
    return any(difference.name not in _NOT_INSTALLED for difference in differences)


def _differences(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Difference]:
    for name in dict.fromkeys((*old, *new)):
        before, after = old.get(name, "unknown"), new.get(name, "unknown")
        if before != after:
            yield Difference(name, before, after)
    if not old and not new:
        yield Difference("machine", "unknown", "unknown")


def _machine(run: Run, part: str) -> dict[str, str]:
    return _flat(_object(_object(run.header.get("machine")).get(part)))


def _drift(run: Run) -> dict[str, str]:
    options = _object(run.header.get("options"))
    asked = {name: options[name] for name in _OPTIONS if name in options}
    return {"drift": "told", **_machine(run, "drift"), **_flat(asked)}


def _flat(fields: Mapping[str, Any]) -> dict[str, str]:
    """Give the scalars of an object and of the objects in it, by name."""
    found: dict[str, str] = {}
    for name, value in fields.items():
        if isinstance(value, dict):
            found |= {str(key): str(one) for key, one in value.items() if isinstance(one, _SCALARS)}
        elif isinstance(value, _SCALARS):
            found[str(name)] = str(value)
    return found


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
