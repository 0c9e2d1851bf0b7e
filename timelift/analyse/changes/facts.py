"""What changed of the facts: the exact ones exactly, the others by gates as wide as their noise."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from timelift.analyse.runs.measurement import Measurement
from timelift.analyse.runs.records import fact
from timelift.case import Case
from timelift.journal import ABOUT, EXACT


@dataclass(frozen=True)
class Gate:
    """A fact passes where it grew by less than this share, or by less than `least` units."""

    share: float
    least: float


#: First calls are single events that moved by a third between runs; memory comes in arenas.
GATES: Mapping[str, Gate] = {
    "first_call_seconds": Gate(share=0.5, least=0.1),
    "peak_bytes": Gate(share=0.25, least=1 << 20),
}

Cases = Mapping[Case, Measurement]


@dataclass(frozen=True)
class FactChange:
    """One fact of one case, before and after; `worse` makes it a suspect."""

    case: Case
    name: str
    old: float
    new: float
    worse: bool


def fact_changes(old: Cases, new: Cases) -> tuple[FactChange, ...]:
    """Give every change of a fact that says something, in the order of cases."""
    shared = sorted(old.keys() & new.keys())
    return (*_exact(old, new, shared), *_gated(old, new, shared))


def _exact(old: Cases, new: Cases, shared: Iterable[Case]) -> Iterator[FactChange]:
    for case in shared:
        for name in EXACT:
            before, after = fact(old[case], name), fact(new[case], name)
            if before is not None and after is not None and before != after:
                worse = after > before or not ABOUT[name].more_is_worse
                yield FactChange(case, name, before, after, worse)


def _gated(old: Cases, new: Cases, shared: Iterable[Case]) -> Iterator[FactChange]:
    for name, gate in GATES.items():
        values = {case: (_least(old[case], name), _least(new[case], name)) for case in shared}
        known = {case: pair for case, pair in values.items() if pair[0] > 0 and pair[1] > 0}
        usual = _usual_growth(known.values())
        for case, (before, after) in known.items():
            if _beyond(before * usual, after, gate):
                yield FactChange(case, name, before, after, worse=True)
            elif _beyond(after, before * usual, gate):
                yield FactChange(case, name, before, after, worse=False)


def _usual_growth(pairs: Iterable[tuple[float, float]]) -> float:
    """Give what most cases grew by, which is the machine's doing, not that of one strategy."""
    growth = [after / before for before, after in pairs]
    return float(np.median(growth)) if len(growth) > 2 else 1.0  # noqa: PLR2004 - no majority


def _beyond(before: float, after: float, gate: Gate) -> bool:
    return after > before * (1 + gate.share) and after - before > gate.least


def _least(measurement: Measurement, name: str) -> float:
    """Return the least of a fact over launches, since later ones build side by side; or NaN.

    What is too small to be read counts as the bound that it is below.
    """
    known = (one.facts.number_or_bound(name) for one in measurement.launches)
    return min((value for value in known if value is not None), default=float("nan"))
