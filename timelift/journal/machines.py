"""What differs between the machines of two runs: names with both values, not yet in words.

Where the identity differs, runs are not comparable; where what drifts does, it must be told.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from timelift.journal.lines import Machine

_SCALARS = (str, int, float, bool)
#: What identifies a machine: names with values as text.
Identity = frozenset[tuple[str, str]]


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


def identity_of(machine: Machine) -> Identity:
    """Return what two runs of one machine have in common; empty where a run does not tell it."""
    return frozenset(flattened(machine.identity).items())


def identity_differences(old: Machine, new: Machine) -> tuple[Difference, ...]:
    """Name what makes two machines incomparable; those of which nothing is known may be any."""
    if not identity_of(old) | identity_of(new):
        return (Difference("machine", None, None),)
    return tuple(differences(flattened(old.identity), flattened(new.identity)))


def drift_differences(old: Machine, new: Machine) -> tuple[Difference, ...]:
    """Name what was installed or set otherwise: versions first, each part by name."""
    parts = [(flattened(one.versions), flattened(one.other_drift)) for one in (old, new)]
    return tuple(
        found
        for before, after in zip(*parts, strict=True)
        for found in sorted(differences(before, after), key=lambda one: one.name)
    )


def flattened(fields: Mapping[str, Any]) -> dict[str, str]:
    """Return scalars as text by name, those of a nested object too, and leave out the rest."""
    found: dict[str, str] = {}
    for name, value in fields.items():
        if isinstance(value, dict):
            found |= {str(key): str(one) for key, one in value.items() if isinstance(one, _SCALARS)}
        elif isinstance(value, _SCALARS):
            found[str(name)] = str(value)
    return found
