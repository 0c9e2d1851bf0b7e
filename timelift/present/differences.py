"""What differs between two runs, in words."""

from collections.abc import Sequence

from timelift.escape import plain
from timelift.journal import Difference

#: So many differences are named, each in so many characters.
_NAMED, _QUOTE = 8, 60


def in_words(differences: Sequence[Difference]) -> str:
    """Name the differences, the first of them where there are many."""
    more = [f"and {len(differences) - _NAMED} more"] if len(differences) > _NAMED else []
    return ", ".join([*map(_one, differences[:_NAMED]), *more])


def _one(found: Difference) -> str:
    sides = (_told(side, "unknown") for side in (found.old, found.new))
    name, old, new = (plain(text, _QUOTE) for text in (found.name, *sides))
    return f"{name} {old} → {new}"


def between(differences: Sequence[Difference]) -> str:
    """Name what was installed or set otherwise between two runs: `keras 3.14 -> 3.15`."""
    return ", ".join(
        f"{one.name} {_told(one.old, 'absent')} -> {_told(one.new, 'absent')}"
        for one in differences
    )


def _told(value: str | None, otherwise: str) -> str:
    return otherwise if value is None else value
