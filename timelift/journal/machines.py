"""What differs between two runs' machines: names with both values, for others to put in words.

Where the identity differs, runs are not comparable; where what drifts does, it must be told.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_SCALARS = (str, int, float, bool)


@dataclass(frozen=True)
class Difference:
    """One property of two runs; None where a run does not have it."""

    name: str
    old: Any
    new: Any


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    for name in dict.fromkeys((*old, *new)):
        if old.get(name) != new.get(name):
            yield Difference(name, old.get(name), new.get(name))


def flat(fields: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in fields.items():
        if isinstance(value, dict):
            found |= {str(key): str(one) for key, one in value.items() if isinstance(one, _SCALARS)}
        elif isinstance(value, _SCALARS):
            found[str(name)] = str(value)
    return found
