"""Errors whose text is for the user, and parts of their sentences.

The nearest names, counts with their nouns, percentages, and errors of exhausted memory.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from timelift.escape import without_codes

#: What is printed or raised if memory of the host or a device runs out.
_EXHAUSTED = re.compile(
    r"bad_alloc|[Oo]ut of memory|(Cannot|can't) allocate memory|[Ff]ailed to allocate"
    r"|RESOURCE_EXHAUSTED|ResourceExhausted|MemoryError"
)
#: Exceptions for it by their class: of numpy and Python, PyTorch, and TensorFlow.
_EXHAUSTED_KINDS = frozenset({"MemoryError", "OutOfMemoryError", "ResourceExhaustedError"})

#: Characters of an exception's text that are shown.
_LONGEST = 400
#: The most names that are listed if none is close.
_MOST_KNOWN = 12


class UserError(Exception):
    """A sentence for the user: what was expected, what was received, what to do."""


@contextmanager
def writing(path: Path | str, advice: str) -> Iterator[None]:
    """Turn an OSError of the block, which writes to `path`, into a UserError with the advice."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"cannot write {str(path)!r}: {error.strerror or error}; {advice}"
        ) from error


def path_is(test: Callable[[], bool]) -> bool:
    """Return the result of a path's own test; False if the path is too long for any file."""
    try:
        return test()
    except OSError:
        return False


def read_folder(word: str) -> Path:
    """Read the path of a folder, which need not be there; raises UserError for a file's."""
    if path_is(Path(word).is_file):
        raise UserError(f"expected a folder, received {word!r}, a file; move it or name another")
    return Path(word)


def nearest(word: str, known: Iterable[str], not_in_run: Iterable[str] = ()) -> str:
    """Return a hint: the known words closest to `word`, or all, and the closest `not_in_run`."""
    names = sorted(known)
    closest, closest_elsewhere = (
        ", ".join(difflib.get_close_matches(word, words, cutoff=0.5))
        for words in (names, sorted(not_in_run))
    )
    every = f"known: {first_few(names, _MOST_KNOWN) or 'none'}"
    elsewhere = f"; not in this run: {closest_elsewhere}" if closest_elsewhere else ""
    return (f"nearest: {closest}" if closest else every) + elsewhere


def first_few(words: Sequence[str], most: int) -> str:
    """Join words, of which those beyond `most` are counted alone: `a, b and 3 more`."""
    more = f" and {len(words) - most:,} more" if len(words) > most else ""
    return f"{', '.join(words[:most])}{more}"


def counted(count: int, noun: str) -> str:
    """Return a count with its noun, in the singular or plural: `1 case`, `2,000 launches`."""
    if noun.endswith("y"):
        plural = f"{noun[:-1]}ies"
    else:
        plural = f"{noun}es" if noun.endswith(("ch", "s")) else f"{noun}s"
    return f"{count:,} {noun if count == 1 else plural}"


def read_share(text: str) -> float:
    """Read a percentage as a share between 0 and 1; raises UserError.

    A number with `%` is per cent, one without is the share itself. Without `%` a number from 1 on
    could be meant either way, so it is refused.
    """
    word = text.strip()
    is_percent = word.endswith("%")
    try:
        share = float(word.removesuffix("%")) / (100 if is_percent else 1)
    except ValueError:
        share = -1.0
    if 0 < share < 1:
        return share
    number = word if not is_percent and 1 <= share < 100 else "3"  # noqa: PLR2004 - per cent
    raise UserError(
        f"expected a share between 0 and 100%, received {text!r}; write it like "
        f"{number.removesuffix('.')}% or {float(number) / 100:g}, which are the same"
    )


def ran_out_of_memory(text: str | Exception) -> bool:
    """True if an exception, or the last lines of a process, are those of exhausted memory."""
    kinds = {kind.__name__ for kind in type(text).__mro__}
    return bool(kinds & _EXHAUSTED_KINDS or _EXHAUSTED.search(str(text)))


def one_line(error: Exception) -> str:
    """Return the kind of an exception and the start of its text, on one line; a UserError's alone.

    TensorFlow puts a stack before the text of an error in a graph: there the last paragraph counts.
    Keras puts advice before what a layer's own call raised, and arguments behind.
    """
    is_quoted = isinstance(error, KeyError) and "\\n" in str(error)
    text = without_codes(str(error.args[0] if is_quoted else error))
    if "Error encountered:" in text:
        text = text.partition("Error encountered:")[2].partition("Arguments received by")[0]
    if text.startswith("Graph execution error"):
        text = text.rstrip().rpartition("\n\n")[2]
    text = " ".join(text.split())
    more = "…" if len(text) > _LONGEST else ""
    kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
    return f"{kind}{text[:_LONGEST]}{more}"
