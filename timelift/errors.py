"""Errors whose text is for the user, and what sentences are made of.

Names that are near, counts, shares that users type, and how lost memory is recognised.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from timelift.escape import without_codes

#: What is printed or raised where memory runs out, the host's or a device's.
_EXHAUSTED = re.compile(
    r"bad_alloc|[Oo]ut of memory|(Cannot|can't) allocate memory|[Ff]ailed to allocate"
    r"|RESOURCE_EXHAUSTED"
)
#: Exceptions that say so by their kind: numpy's and Python's, PyTorch's and TensorFlow's.
_EXHAUSTED_KINDS = frozenset({"MemoryError", "OutOfMemoryError", "ResourceExhaustedError"})

#: Letters of an exception's text that are shown.
_LONGEST = 400
#: So many names are listed where none is close.
_MOST_KNOWN = 12


class UserError(Exception):
    """A sentence for the user: what was expected, what was received, what to do."""


@contextmanager
def writing(path: Path | str, advice: str) -> Iterator[None]:
    """Turn an OSError of what is written inside into a UserError that ends with the advice."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"cannot write {str(path)!r}: {error.strerror or error}; {advice}"
        ) from error


def path_is(test: Callable[[], bool]) -> bool:
    """Return what a path's own test says; False where its name is longer than any file's."""
    try:
        return test()
    except OSError:
        return False


def nearest(word: str, known: Iterable[str], not_in_run: Iterable[str] = ()) -> str:
    """Return a hint: the known words closest to `word`, or what is known where none is close.

    Of words that the run lacks, those that are close stand behind.
    """
    names = sorted(known)
    close, lacked = (", ".join(_closest(word, some)) for some in (names, sorted(not_in_run)))
    more = f" and {len(names) - _MOST_KNOWN:,} more" if len(names) > _MOST_KNOWN else ""
    every = f"known: {', '.join(names[:_MOST_KNOWN]) or 'none'}{more}"
    elsewhere = f"; not in this run: {lacked}" if lacked else ""
    return (f"nearest: {close}" if close else every) + elsewhere


def _closest(word: str, names: Sequence[str]) -> list[str]:
    return difflib.get_close_matches(word, names, cutoff=0.5)


def counted(count: int, noun: str) -> str:
    """Write a count with its noun in the number that fits: `1 case`, `2,000 launches`."""
    if noun.endswith("y"):
        plural = f"{noun[:-1]}ies"
    else:
        plural = f"{noun}es" if noun.endswith(("ch", "s")) else f"{noun}s"
    return f"{count:,} {noun if count == 1 else plural}"


def read_share(text: str) -> float:
    """Read a percentage as a share between 0 and 1; raises UserError.

    With the sign a number is per cent, without it the share itself. A number without the sign from
    1 on could be meant either way, so it is refused.
    """
    word = text.strip()
    signed = word.endswith("%")
    try:
        share = float(word.removesuffix("%")) / (100 if signed else 1)
    except ValueError:
        share = -1.0
    if 0 < share < 1:
        return share
    number = word if not signed and 1 <= share < 100 else "3"  # noqa: PLR2004 - per cent
    raise UserError(
        f"expected a share between 0 and 100%, received {text!r}; write it like "
        f"{number.removesuffix('.')}% or {float(number) / 100:g}, which are the same"
    )


def ran_out_of_memory(text: str | Exception) -> bool:
    """True if an exception, or the last lines of a process, say that memory ran out."""
    kinds = {kind.__name__ for kind in type(text).__mro__}
    return bool(kinds & _EXHAUSTED_KINDS or _EXHAUSTED.search(str(text)))


def one_line(error: Exception) -> str:
    """Return the kind of an exception and the start of its text, on one line.

    TensorFlow puts a stack before the text of an error in a graph: there the last paragraph counts.
    """
    text = without_codes(str(error))
    if text.startswith("Graph execution error"):
        text = text.rstrip().rpartition("\n\n")[2]
    text = " ".join(text.split())
    more = "…" if len(text) > _LONGEST else ""
    return f"{type(error).__name__}: {text[:_LONGEST]}{more}"
