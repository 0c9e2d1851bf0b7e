"""The changes of a case's exact facts: those that are the same in every launch.

Any change of an exact fact is a change of the code.
"""

from dataclasses import dataclass

from timelift.case import Case
from timelift.measurement import EXACT_FACTS, FACT_RULES, Measurement, fact

#: A worse one of these decides by itself: the layer is another one, or is traced again.
_BREAKING = frozenset({"weights", "traces"})


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
