"""A text broken into lines of a terminal: between words, and long ones between their parts."""

import re
from collections.abc import Iterator
from functools import cache

from rich.cells import cell_len, set_cell_size

#: After these a long word may be broken.
_BREAKS = "_-/,"
#: A word, or an interval in brackets with what follows it.
_GROUPS = re.compile(r"\[[^\[\]]{1,24}\]\S*|\S+")


@cache
def wrapped(text: str, width: int) -> tuple[str, ...]:
    """Return the lines of a text, each at most so wide; none begins with the end of a word."""
    lines: list[str] = []
    for word in _words(text, width):
        *whole, last = _parts(word, width)
        if lines and not whole and cell_len(f"{lines[-1]} {last}") <= width:
            lines[-1] += f" {last}"
        else:
            lines += [*whole, last]
    return tuple(lines)


def _words(text: str, width: int) -> Iterator[str]:
    """Yield the words of a text; an interval that fits in a line is one."""
    for group in _GROUPS.findall(text):
        yield from [group] if cell_len(group) <= width else group.split()


def _parts(word: str, width: int) -> list[str]:
    """Return the parts of a word, one where it fits."""
    parts = []
    while cell_len(word) > width and len(word) > 1:
        fits = max(1, len(set_cell_size(word, width).rstrip()))
        place = max(word.rfind(mark, 0, fits) for mark in _BREAKS) + 1 or fits
        if place > 1 and not any(map(str.isalnum, word[place : place + width])):
            place -= 1
        parts.append(word[:place])
        word = word[place:]
    return [*parts, word]
