"""How the cases of a gate ended: the worst first, and those in a group that are told together."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

from timelift.analyse.verdicts import Verdict
from timelift.case import AxisValue, Case, Status
from timelift.gate.outcomes import CaseOutcome, GateFindings, Sides
from timelift.journal.lines import Quantity


class Ending(AxisValue):
    """How a case ended, the gravest first; those before `BETTER` fail the gate."""

    LOST = "without figures"
    LOST_PEAK = "without a peak of memory"
    OTHER_MODEL = "with other weights or more traces"
    TIME = "slower"
    FIRST_CALL = "with a longer first call"
    MEMORY = "with more peak memory"
    UNDECIDED_FAILS = "undecided"
    BETTER = "better"
    UNDECIDED = "not decided"
    SAME = "the same"


_OF_QUANTITIES = dict(zip(Quantity, (Ending.TIME, Ending.FIRST_CALL, Ending.MEMORY), strict=True))
_NUMBER = re.compile(r"\d[\d.e+-]*")


@dataclass(frozen=True)
class Group:
    """Cases that ended alike, the worst first: `outcomes`, or `pairs` with a side without figures.

    Their strategies have `of` cases in all.
    """

    ending: Ending
    outcomes: Sequence[CaseOutcome] = ()
    pairs: Sequence[Sides] = ()
    of: int = 1

    @property
    def fails(self) -> bool:
        return self.ending < Ending.BETTER

    @property
    def cases(self) -> list[Case]:
        return [*(each.case for each in self.outcomes), *(pair.new.case for pair in self.pairs)]

    @property
    def strategies(self) -> list[str]:
        return [*dict.fromkeys(case.strategy for case in self.cases)]


def each_case(gate: GateFindings) -> list[Group]:
    """Return every case that fails or has an outcome as a group of one, the worst first."""
    undecided_fails = gate.against.undecided_fails
    alone = gate.not_compared if undecided_fails else ()
    groups = [
        *(Group(Ending.LOST, pairs=[pair]) for pair in gate.lost),
        *(Group(Ending.UNDECIDED_FAILS, pairs=[pair]) for pair in alone),
        *(Group(_ending(each, undecided_fails), [each]) for each in gate.outcomes),
    ]
    return sorted(groups, key=_gravity)


def _ending(outcome: CaseOutcome, undecided_fails: bool) -> Ending:  # noqa: FBT001
    if outcome.lost_peak:
        return Ending.LOST_PEAK
    if outcome.broken:
        return Ending.OTHER_MODEL
    if outcome.worse:
        return _OF_QUANTITIES[outcome.worse[0]]
    if outcome.time.verdict is Verdict.UNDECIDED:
        return Ending.UNDECIDED_FAILS if undecided_fails else Ending.UNDECIDED
    return Ending.BETTER if outcome.better else Ending.SAME


def _gravity(alone: Group) -> tuple[Ending, float]:
    """Return a key by which the worst sorts first: the ending, then the size of its change."""
    names = (name for name, ending in _OF_QUANTITIES.items() if ending is alone.ending)
    quantity = next(names, Quantity.TIME)
    sizes = (outcome.changes[quantity].value for outcome in alone.outcomes)
    return alone.ending, min((-size for size in sizes if not math.isnan(size)), default=0.0)


def together(cases: Sequence[Group]) -> Iterator[Group]:
    """Yield groups of the cases that ended alike, in the order of their worst."""
    alike = defaultdict[Hashable, list[Group]](list)
    for each in cases:
        alike[_likeness(each)].append(each)
    counts = Counter(name for each in cases for name in each.strategies)
    for parts in alike.values():
        outcomes = [outcome for part in parts for outcome in part.outcomes]
        pairs = [pair for part in parts for pair in part.pairs]
        names = {name for part in parts for name in part.strategies}
        yield Group(parts[0].ending, outcomes, pairs, sum(counts[name] for name in names))


def _likeness(alone: Group) -> Hashable:
    """Return what cases share that are told together: a strategy, or the reason for no figures.

    How a strategy breaks the law differs from case to case, and so do numbers in a reason.
    """
    for outcome in alone.outcomes:
        broken, untried = tuple(change.name for change in outcome.broken), outcome.untried
        return alone.ending, outcome.case.strategy, broken, outcome.worse, outcome.better, untried
    [(old, new)] = alone.pairs
    if new.status is Status.LAW_BROKEN:
        return alone.ending, new.status, new.case.strategy
    return alone.ending, *((side.status, _NUMBER.sub("0", side.reason)) for side in (old, new))
