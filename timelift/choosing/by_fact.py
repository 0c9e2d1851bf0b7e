"""Choosing by a fact of each case: peak memory, or the seconds of the first call."""

import math
from collections.abc import Sequence

from timelift.case import Case, Setting
from timelift.choosing.answers import Beside, Choice, Open
from timelift.choosing.place import Place
from timelift.choosing.question import Goal
from timelift.read.measurement import Measurement
from timelift.read.records import fact, fact_of

#: Facts closer than this, as a ratio, are not told apart.
_ALIKE = {Goal.MEMORY: 1.05, Goal.FIRST_CALL: 1.25}
_FACTS = {Goal.MEMORY: "peak_bytes", Goal.FIRST_CALL: "first_call_seconds"}


def by_fact(goal: Goal, where: Place, lifts: Sequence[Measurement]) -> Choice | Open:
    """Answer by a fact of each case: the same strategy must have the least at every corner."""
    facts = [_facts(goal, corner, lifts) for corner in where.corners]
    if not all(len(one) > 1 for one in facts):
        return Open(f"the run does not know it of two strategies: {_FACTS[goal]}")
    best = [min(one, key=lambda name: (one[name], name)) for one in facts]
    if len(set(best)) > 1:
        return Open("the settings around it have different winners", tuple(sorted(set(best))))
    name, here = best[0], facts[0]
    alike = _ALIKE[goal]
    others = [
        Beside(other, value / here[name], value / here[name] / alike, value / here[name] * alike)
        for other, value in sorted(here.items(), key=lambda item: item[1])
        if other != name
    ]
    value = here[name] if where.measured else math.nan
    why = "" if where.measured else f"{name} has the least on every side"
    unknown = math.nan, math.nan, math.nan
    seen = tuple(others) if where.measured else ()
    return Choice(name, where, _told(goal, name, where, lifts), value, *unknown, seen, why)


def _told(goal: Goal, name: str, where: Place, lifts: Sequence[Measurement]) -> int:
    """Count the launches that tell the fact."""
    return min(
        sum(fact_of(launch, _FACTS[goal]) is not None for launch in one.launches)
        for one in lifts
        if one.case.strategy == name and one.case.setting in where.corners
    )


def _facts(goal: Goal, setting: Setting, lifts: Sequence[Measurement]) -> dict[str, float]:
    """Give the fact of every measured strategy of a setting that has one."""
    cases: dict[Case, float | None] = {
        one.case: fact(one, _FACTS[goal])
        for one in lifts
        if one.case.setting == setting and one.launches
    }
    return {case.strategy: value for case, value in cases.items() if value and value > 0}
