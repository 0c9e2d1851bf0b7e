"""What changed between stored runs, in words: alike over two runs and over many."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from timelift.analyse.changes.states import ChangeState, LevelChange
from timelift.analyse.runs.fact_changes import FactChange
from timelift.escape import plain
from timelift.journal import Difference
from timelift.present.units import human_bytes, percent_interval, three_figures

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
#: So many differences are named, each in so many characters.
_NAMED, _QUOTE = 8, 60


def interval(change: LevelChange) -> str:
    return percent_interval(change.low, change.high)


def fact_in_words(change: FactChange) -> str:
    name, write = FACTS[change.name]
    return f"{name} {write(change.old)} → {write(change.new)}"


def differences_in_words(differences: Sequence[Difference]) -> str:
    """Name what differs between two runs, the first of it where there is much."""
    more = [f"and {len(differences) - _NAMED} more"] if len(differences) > _NAMED else []
    return ", ".join([*map(_difference, differences[:_NAMED]), *more])


def _difference(found: Difference) -> str:
    name, old, new = (plain(text, _QUOTE) for text in (found.name, *_sides(found, "unknown")))
    return f"{name} {old} → {new}"


def between(differences: Sequence[Difference]) -> str:
    """Name what was installed or set otherwise between two runs: `keras 3.14 -> 3.15`."""
    return ", ".join(f"{one.name} {' -> '.join(_sides(one, 'absent'))}" for one in differences)


def _sides(found: Difference, missing: str) -> Iterator[str]:
    return (missing if side is None else str(side) for side in (found.old, found.new))
