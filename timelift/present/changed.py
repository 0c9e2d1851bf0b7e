"""What changed between stored runs, in words: alike over two runs and over many."""

from collections.abc import Callable, Mapping, Sequence

from timelift.analyse.changes.states import ChangeState
from timelift.analyse.runs.fact_changes import FactChange
from timelift.escape import plain
from timelift.journal import Difference
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
#: The most differences that are named, and the most characters of each.
NAMED, _QUOTE = 8, 60


def fact_in_words(change: FactChange) -> str:
    name, write = FACTS[change.name]
    return f"{name} {write(change.old)} → {write(change.new)}"


def differences_in_words(
    differences: Sequence[Difference], missing: str = "unknown", most: int = NAMED
) -> str:
    """Name what differs between two runs, `keras 3.14 → 3.15`: the first, where there is much."""
    named = [
        " ".join((plain(one.name, _QUOTE), " → ".join(_side(side, missing) for side in sides)))
        for one in differences[:most]
        for sides in [(one.old, one.new)]
    ]
    more = [f"and {len(differences) - most} more"] if len(differences) > most else []
    return ", ".join([*named, *more])


def _side(value: object, missing: str) -> str:
    return missing if value is None else plain(value, _QUOTE)
