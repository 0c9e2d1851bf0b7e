"""The one exception whose text is written for the person who made the mistake."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A sentence for the user: what was expected, what was received, what to do."""


def nearest(word: str, known: Iterable[str], limit: int = 3) -> str:
    """Name the known words closest to `word`, or all of them when none is close."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=limit, cutoff=0.5)
    return ", ".join(close or names)
