"""How a run that is not over is marked: by one word, so that no figure of it reads as a verdict.

A run that is over has no mark, and every function here leaves its words as they are.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from timelift.analyse.runs.measurement import Run
    from timelift.present.tables import Table

PROVISIONAL = "provisional"
CUT_SHORT = "cut short"
_NOT_OVER = f"{PROVISIONAL}: the run is going on, or was interrupted"
#: Of a usual run that is not over.
STATE = f"{_NOT_OVER} (--resume goes on with it)"


class Findings(Protocol):
    """What was found in a run, or the run itself."""

    @property
    def is_provisional(self) -> bool: ...


def word(run: "Run") -> str:
    """Write in a word what keeps a run from being whole; empty where nothing does."""
    if run.is_provisional:
        return PROVISIONAL
    return CUT_SHORT if run.cut_short else ""


def state(run: "Run") -> str:
    """Write in a sentence what keeps a run from being whole; empty where nothing does."""
    if run.is_provisional:
        return f"{_NOT_OVER} (then measure it anew)" if run.header.races_copies else STATE
    if run.cut_short:
        return f"{CUT_SHORT}: the run ended before every case had its launches"
    return ""


def heading(text: str, found: Findings) -> str:
    """Mark what stands above verdicts."""
    return f"{text} ({PROVISIONAL})" if found.is_provisional else text


def answer(text: str, found: Findings) -> str:
    """Mark a recommendation."""
    return f"so far, {text}" if found.is_provisional else text


def headline(text: str, found: Findings) -> str:
    """Mark a sentence that is an answer."""
    return f"So far: {text}" if found.is_provisional else text


def sentence(text: str, found: Findings) -> str:
    """Mark what stands by itself."""
    return f"{PROVISIONAL}: {text}" if found.is_provisional else text


def columns(table: "Table", found: Findings, *names: str) -> "Table":
    """Mark the headings of those columns that hold verdicts."""
    if not found.is_provisional:
        return table
    marked = (
        replace(one, title=heading(one.title or one.name, found)) if one.name in names else one
        for one in table.columns
    )
    return replace(table, columns=tuple(marked))
