"""The compact letter display: rivals that share a letter were not shown to differ."""

import string
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def tie_letters(differ: NDArray[np.bool_]) -> tuple[str, ...]:
    """Give each row its letters, from the symmetric table of pairs shown to differ.

    Every pair that differs shares no letter and every other pair shares one. Source: the
    insert-and-absorb algorithm of Piepho 2004, Journal of Computational and Graphical Statistics
    13(2), 456-466.
    """
    groups = [frozenset(range(len(differ)))]
    for first, second in np.argwhere(np.triu(differ)).tolist():
        if any(first in group and second in group for group in groups):
            groups = _absorb(_insert(groups, first, second))
    ordered = sorted(groups, key=sorted)
    names = [_letter(place) for place in range(len(ordered))]
    return tuple(
        "".join(name for name, group in zip(names, ordered, strict=True) if row in group)
        for row in range(len(differ))
    )


def _insert(groups: Sequence[frozenset[int]], first: int, second: int) -> list[frozenset[int]]:
    """Split every group that holds both into one without the first and one without the second."""
    apart: list[frozenset[int]] = []
    for group in groups:
        both = first in group and second in group
        apart += [group - {second}, group - {first}] if both else [group]
    return apart


def _absorb(groups: Sequence[frozenset[int]]) -> list[frozenset[int]]:
    """Drop groups that another holds entirely."""
    distinct = list(dict.fromkeys(groups))
    return [group for group in distinct if not any(group < other for other in distinct)]


def _letter(place: int) -> str:
    """Name the group at `place`: a to z, then a1 to z1, and so on."""
    lap, letter = divmod(place, len(string.ascii_lowercase))
    return string.ascii_lowercase[letter] + (str(lap) if lap else "")
