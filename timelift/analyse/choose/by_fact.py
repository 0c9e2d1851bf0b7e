"""Choosing by a fact of each case: peak memory, or the seconds of the first call."""

import math
from collections.abc import Mapping, Sequence

from timelift.analyse.choose.answers import Alternative, Basis, Choice, Doubt, Undecided
from timelift.analyse.choose.place import Place
from timelift.analyse.choose.question import Goal
from timelift.analyse.runs.measurement import Measurement
from timelift.analyse.runs.records import fact, fact_of
from timelift.case import Case, Setting, Status

#: Facts closer than this, as a ratio, are not told apart.
_ALIKE = {Goal.MEMORY: 1.05, Goal.FIRST_CALL: 1.25}
_FACTS = {Goal.MEMORY: "peak_bytes", Goal.FIRST_CALL: "first_call_seconds"}


def by_fact(goal: Goal, where: Place, lifts: Sequence[Measurement]) -> Choice | Undecided:
    """Answer by a fact of each case: the same strategy must have the least at every corner."""
    facts = [_facts(goal, corner, lifts) for corner in where.corners]
    if not all(len(one) > 1 for one in facts):
        return Undecided(Doubt.FACT_UNKNOWN, fact=_FACTS[goal])
    if silent := _silent(facts, where, lifts):
        return Undecided(Doubt.FACT_SILENT, fact=_FACTS[goal], strategies=tuple(silent))
    everywhere = sorted(set.intersection(*(set(one) for one in facts)))
    behind = {name: max(one[name] / min(one.values()) for one in facts) for name in everywhere}
    name = min(behind, key=lambda one: behind[one], default="")
    if not name or behind[name] > _ALIKE[goal]:
        firsts = {min(one, key=lambda other: one[other]) for one in facts}
        return Undecided(Doubt.DIFFERENT_WINNERS, tuple(sorted(firsts)))
    others = sorted(
        (_beside(other, name, facts, _ALIKE[goal]) for other in everywhere if other != name),
        key=lambda one: one.ratio,
    )
    value = facts[0][name] if where.measured else math.nan
    basis = Basis.MEASURED if where.measured else Basis.LEAST_ON_EVERY_SIDE
    unknown = math.nan, math.nan, math.nan
    launches = _told(goal, name, where, lifts)
    return Choice(name, where, launches, value, *unknown, tuple(others), basis)


def _beside(
    other: str, name: str, facts: Sequence[Mapping[str, float]], alike: float
) -> Alternative:
    """Give how many times as much another has: its range at the corners, and what is alike."""
    ratios = [one[other] / one[name] for one in facts]
    middle = math.exp(math.fsum(map(math.log, ratios)) / len(ratios))
    return Alternative(other, middle, min(ratios) / alike, max(ratios) * alike)


def _told(goal: Goal, name: str, where: Place, lifts: Sequence[Measurement]) -> int:
    """Count the launches that tell the fact."""
    return min(
        sum(fact_of(launch, _FACTS[goal]) is not None for launch in one.launches)
        for one in lifts
        if one.case.strategy == name and one.case.setting in where.corners
    )


def _silent(
    facts: Sequence[Mapping[str, float]], where: Place, lifts: Sequence[Measurement]
) -> list[str]:
    """Name the strategies that were measured at a corner at which their fact is not known."""
    known = dict(zip(where.corners, facts, strict=True))
    return sorted(
        {
            one.case.strategy
            for one in lifts
            if one.status is Status.MEASURED
            and one.launches
            and one.case.setting in known
            and one.case.strategy not in known[one.case.setting]
        }
    )


def _facts(goal: Goal, setting: Setting, lifts: Sequence[Measurement]) -> dict[str, float]:
    """Give the fact of every measured strategy of a setting that has one."""
    cases: dict[Case, float | None] = {
        one.case: fact(one, _FACTS[goal])
        for one in lifts
        if one.case.setting == setting and one.launches
    }
    return {case.strategy: value for case, value in cases.items() if value and value > 0}
