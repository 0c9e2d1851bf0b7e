"""The changes in the facts of a case: between two sides, between two runs, and from run to run.

A fact that is the same in every launch is exact, and any change of it is a change of the code. The
others are noisy between two runs, so they have limits as wide as their noise. Two sides of one
run are measured launch by launch, so their noisy facts are judged as times are.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from timelift.case import Case
from timelift.journal.reading import ExactFacts
from timelift.measurement import EXACT_FACTS, FACT_RULES, Measurement, MeasurementsByCase, fact

#: A worse one of these decides by itself: the layer is another one, or is traced again.
_BREAKING = frozenset({"weights", "traces"})


@dataclass(frozen=True)
class FactLimit:
    """A fact passes where it grew by less than this share, or by less than `least` units."""

    share: float
    least: float


#: First calls are single events that moved by a third between runs; memory comes in arenas.
FACT_LIMITS: Mapping[str, FactLimit] = {
    "first_call_seconds": FactLimit(share=0.5, least=0.1),
    "peak_bytes": FactLimit(share=0.25, least=1 << 20),
}


@dataclass(frozen=True)
class FactChange:
    """One fact of one case, before and after; `worse` makes it a suspect.

    `before` and `after` are the positions of the two runs in a series of runs.
    """

    case: Case
    name: str
    old: float
    new: float
    worse: bool
    before: int = 0
    after: int = 1

    @property
    def breaks(self) -> bool:
        return self.worse and self.name in _BREAKING


def exact_change(case: Case, name: str, old: float | None, new: float | None) -> FactChange | None:
    """Return the change of an exact fact, None where there is none or a side is unknown."""
    if old is None or new is None or old == new:
        return None
    return FactChange(case, name, old, new, new > old or not FACT_RULES[name].more_is_worse)


def exact_changes(case: Case, old: Measurement, new: Measurement) -> tuple[FactChange, ...]:
    changes = (exact_change(case, name, fact(old, name), fact(new, name)) for name in EXACT_FACTS)
    return tuple(change for change in changes if change)


def largest(facts: ExactFacts, others: ExactFacts) -> ExactFacts:
    """Return the larger of each pair of facts, None where neither is known."""
    if facts == others:
        return facts
    pairs = zip(facts, others, strict=True)
    known_values = ([value for value in pair if value is not None] for pair in pairs)
    return tuple(max(values, default=None) for values in known_values)


def changes_over_runs(runs: Iterable[Mapping[Case, ExactFacts]]) -> tuple[FactChange, ...]:
    """Return the changes of exact facts, from each run that has a fact to the next that has it."""
    last: dict[tuple[Case, str], tuple[int, float]] = {}
    changes: list[FactChange] = []
    for place, cases in enumerate(runs):
        for case, values in cases.items():
            for name, value in zip(EXACT_FACTS, values, strict=True):
                if value is not None:
                    before, old = last.get((case, name), (place, value))
                    change = exact_change(case, name, old, value)
                    changes += [replace(change, before=before, after=place)] if change else []
                    last[case, name] = place, value
    return tuple(changes)


def fact_changes(old: MeasurementsByCase, new: MeasurementsByCase) -> tuple[FactChange, ...]:
    shared = sorted(old.keys() & new.keys())
    exact = (change for case in shared for change in exact_changes(case, old[case], new[case]))
    return (*exact, *_limited(old, new, shared))


def _limited(
    old: MeasurementsByCase, new: MeasurementsByCase, shared: Iterable[Case]
) -> Iterator[FactChange]:
    for name, limit in FACT_LIMITS.items():
        values = {case: (_least(old[case], name), _least(new[case], name)) for case in shared}
        positive = {case: pair for case, pair in values.items() if pair[0] > 0 and pair[1] > 0}
        usual = _usual_growth(positive.values())
        for case, (before, after) in positive.items():
            is_worse = _beyond(before * usual, after, limit)
            if is_worse or _beyond(after, before * usual, limit):
                yield FactChange(case, name, before, after, is_worse)


def _usual_growth(pairs: Iterable[tuple[float, float]]) -> float:
    """Return the median growth, which is the machine's and no strategy's; 1 of few cases."""
    growth = [after / before for before, after in pairs]
    return float(np.median(growth)) if len(growth) > 2 else 1.0  # noqa: PLR2004 - no majority


def _beyond(before: float, after: float, limit: FactLimit) -> bool:
    return after > before * (1 + limit.share) and after - before > limit.least


def _least(measurement: Measurement, name: str) -> float:
    """Return the least of a fact over launches, or NaN, since later launches build side by side.

    A fact too small to be read counts as the bound that it is below.
    """
    values = (launch.facts.number_or_bound(name) for launch in measurement.launches)
    return min((value for value in values if value is not None), default=float("nan"))
