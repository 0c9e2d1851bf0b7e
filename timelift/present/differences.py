"""What differs between two runs, in words."""

from collections.abc import Sequence

from timelift.analyse.changes.machines import Difference
from timelift.escape import plain

#: So many differences are named, each in so many characters.
_NAMED, _QUOTE = 8, 60


def in_words(differences: Sequence[Difference]) -> str:
    """Name the differences, the first of them where there are many."""
    more = [f"and {len(differences) - _NAMED} more"] if len(differences) > _NAMED else []
    return ", ".join([*map(_one, differences[:_NAMED]), *more])


def _one(found: Difference) -> str:
    name, old, new = (plain(text, _QUOTE) for text in (found.name, found.old, found.new))
    return f"{name} {old} → {new}"


def between(differences: Sequence[Difference]) -> str:
    """Name what was installed or set otherwise between two runs: `keras 3.14 -> 3.15`."""
    return ", ".join(f"{one.name} {one.old} -> {one.new}" for one in differences)
