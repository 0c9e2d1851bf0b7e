"""A change between stored runs in words, alike over two runs and over many."""

import math
from collections.abc import Callable, Mapping

from timelift.analyse.changes.states import ChangeState, LevelChange
from timelift.analyse.runs.fact_changes import FactChange
from timelift.present.units import human_bytes, three_figures

#: Red fails a build; a suspect is to be looked at.
STYLES = {
    ChangeState.SUSPECT: "yellow",
    ChangeState.SLOWER: "red",
    ChangeState.CREPT: "red",
    ChangeState.FASTER: "green",
}

FACTS: Mapping[str, tuple[str, Callable[[float], str]]] = {
    "weights": ("weights", "{:,.0f}".format),
    "graph_nodes": ("graph nodes", "{:,.0f}".format),
    "traces": ("traces", "{:,.0f}".format),
    "first_call_seconds": ("first call", lambda seconds: f"{three_figures(seconds)} s"),
    "peak_bytes": ("peak memory", human_bytes),
}


def percent(log_ratio: float) -> str:
    """Write a log ratio as per cent more or less."""
    return f"{round(100 * math.expm1(log_ratio), 1) + 0.0:+.1f} %"


def interval(change: LevelChange) -> str:
    """Write the 95 % interval of a change."""
    return f"[{percent(change.low)}, {percent(change.high)}]"


def fact_in_words(change: FactChange) -> str:
    """Write a fact with its value before and after."""
    name, write = FACTS[change.name]
    return f"{name} {write(change.old)} → {write(change.new)}"
