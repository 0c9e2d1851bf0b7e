"""A change between stored runs in words, alike over two runs and over many."""

import math

from timelift.analyse.changes.states import Change, State

#: Red fails a build; a suspect is to be looked at.
STYLES = {
    State.SUSPECT: "yellow",
    State.SLOWER: "red",
    State.CREPT: "red",
    State.FASTER: "green",
}


def percent(log_ratio: float) -> str:
    """Write a log ratio as per cent more or less."""
    return f"{round(100 * math.expm1(log_ratio), 1) + 0.0:+.1f} %"


def interval(change: Change) -> str:
    """Write the 95 % interval of a change."""
    return f"[{percent(change.low)}, {percent(change.high)}]"
