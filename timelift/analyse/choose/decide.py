"""The decision: which strategy to use for a question, where a run decides that.

A setting that was measured has the recommendation that every report has. Between two along an axis
the paired curves decide, among four around it their winners. Other goals are facts of the cases.
"""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from timelift.analyse.choose.beside import ratio_at, with_facts, with_speed_up
from timelift.analyse.choose.question import (
    Alternative,
    Basis,
    Choice,
    ChooseQuestion,
    Doubt,
    Goal,
    Position,
    Undecided,
)
from timelift.analyse.recommend import recommend
from timelift.analyse.runs.measurement import Measurement, Run, fact_or_bound
from timelift.analyse.scaling.overtaking import PairedCurves, paired_curves
from timelift.analyse.scaling.size_series import SIZES, without_size
from timelift.analyse.stats import lifts
from timelift.analyse.stats.ranking import BASELINES, RankedCase, Ranking
from timelift.analyse.stats.verdicts import Verdict
from timelift.case import Setting

#: An answer that may cost more than this over the best is none.
DEAREST = 1.10
#: Between two sizes with different winners, one that is not shown ahead costs no more than this.
_TIED = 1.05
#: Facts closer than this, as a ratio, are not told apart.
_ALIKE = {Goal.MEMORY: 1.05, Goal.FIRST_CALL: 1.25}
_FACTS = {Goal.MEMORY: "peak_bytes", Goal.FIRST_CALL: "first_call_seconds"}


def decide(
    question: ChooseQuestion, run: Run, relative_to: Sequence[str] = BASELINES
) -> Choice | Undecided:
    """Choose a strategy; the first of `relative_to` that was measured is its baseline."""
    measured = lifts.lift_measurements(run)
    ranked = {one.setting: one for one in lifts.rank_run(run, relative_to) if one.rows}
    position = position_of(question.setting, ranked)
    if position is None:
        return _outside(question.setting, ranked)
    contests = [ranked[corner] for corner in position.corners]
    if not all(one.is_contest for one in contests):
        return Undecided(Doubt.ALONE)
    axis = position.axis
    curves = _curves(position, measured) if axis else None
    size = float(getattr(question.setting, axis)) if axis else math.nan
    found = (
        _by_time(position, contests, curves, size)
        if question.goal is Goal.TIME
        else _by_fact(question.goal, position, measured)
    )
    if isinstance(found, Undecided):
        return found
    return with_facts(with_speed_up(found, contests, curves, size, relative_to), measured)


def _by_time(
    position: Position, contests: Sequence[Ranking], curves: PairedCurves | None, size: float
) -> Choice | Undecided:
    if position.measured:
        return _at(position, contests[0])
    return _between(position, contests, curves, size) if curves else _among(position, contests)


def position_of(asked: Setting, measured: Iterable[Setting]) -> Position | None:
    """Find the nearest measured settings on every side; None where a side has none."""
    known = {one for one in measured if _differ_in_sizes_alone(one, asked)}
    if asked in known:
        return Position((asked,))
    for axis in SIZES:
        line = {one for one in known if without_size(one, axis) == without_size(asked, axis)}
        if ends := _neighbours(asked, axis, line):
            return Position(ends, axis)
    return _corners(asked, known)


def _differ_in_sizes_alone(one: Setting, other: Setting) -> bool:
    first, second = (without_size(without_size(each, "seq_len"), "batch") for each in (one, other))
    return first == second


def _neighbours(asked: Setting, axis: str, line: Iterable[Setting]) -> tuple[Setting, ...]:
    """Return the neighbours of a size along a line of settings; none where it lies outside."""
    ordered = sorted(line, key=lambda one: int(getattr(one, axis)))
    size = getattr(asked, axis)
    before = [one for one in ordered if getattr(one, axis) < size]
    after = [one for one in ordered if getattr(one, axis) > size]
    return (before[-1], after[0]) if before and after else ()


def _corners(asked: Setting, known: set[Setting]) -> Position | None:
    """Return the four settings around a question that is between sizes in both axes."""
    batches = _neighbours(asked, "batch", {replace(one, seq_len=asked.seq_len) for one in known})
    lines = [{one for one in known if one.batch == end.batch} for end in batches]
    corners = [_neighbours(asked, "seq_len", line) for line in lines]
    same = len({tuple(one.seq_len for one in ends) for ends in corners}) == 1
    return Position(tuple(one for ends in corners for one in ends)) if same and corners[0] else None


def _outside(asked: Setting, known: Iterable[Setting]) -> Undecided:
    near = [one for one in known if _differ_in_sizes_alone(one, asked)]
    if not near:
        return Undecided(Doubt.NOT_MEASURED)
    lengths, batches = ([getattr(one, axis) for one in near] for axis in SIZES)
    asked_sizes = zip((asked.seq_len, asked.batch), (lengths, batches), strict=True)
    if all(min(sizes) <= size <= max(sizes) for size, sizes in asked_sizes):
        return Undecided(Doubt.NOT_AROUND)
    return Undecided(
        Doubt.OUTSIDE,
        lengths=(min(lengths), max(lengths)),
        batches=(min(batches), max(batches)),
    )


def _at(position: Position, found: Ranking) -> Choice | Undecided:
    best = recommend([found])
    if best is None or not best.is_answer:
        return Undecided(Doubt.ONE_LAUNCH)
    name, price = best.strategy, best.price.ratio
    close = [other for other in found.not_shown_slower if other != name]
    if price > DEAREST:
        return Undecided(Doubt.DEAR, (name, *close), longer=True, price=price)
    own = found.row(name)
    return Choice(
        name,
        position,
        own.launches,
        own.seconds_per_call,
        own.seconds_low,
        own.seconds_high,
        price,
        tuple(
            _alternative(row, own, close, found.baseline) for row in found.rows if row is not own
        ),
        is_fastest=own is found.rows[0],
    )


def _alternative(
    row: RankedCase, own: RankedCase, close: Sequence[str], baseline: str
) -> Alternative:
    """Return what a rival takes beside the chosen one: no more for sure, if none showed it slower.

    Beside the baseline that is the speed-up, with its verdict. All intervals to the fastest hold at
    once, so beside any other the ends of two are divided.
    """
    name = row.case.strategy
    ratio, low, high = row.ratio / own.ratio, row.low / own.high, row.high / own.low
    beside = own.speed_up
    if name == baseline and beside and beside.has_interval:
        is_shown = beside.verdict is Verdict.FASTER
        return Alternative(name, beside.times, beside.low, beside.high, is_shown)
    return Alternative(name, ratio, min(low, 1.0) if name in close else low, high)


def _curves(position: Position, measured: Sequence[Measurement]) -> PairedCurves:
    return next(
        one
        for one in paired_curves(measured, (position.axis,))
        if {member.setting for member in one.series.members} >= set(position.corners)
    )


def _between(
    position: Position, contests: Sequence[Ranking], curves: PairedCurves, size: float
) -> Choice | Undecided:
    first, last = (one.rows[0].case.strategy for one in contests)
    names = sorted({first, last})
    played = [{row.case.strategy for row in one.rows} for one in contests]
    if missing := [name for name in names if not all(name in one for one in played)]:
        return Undecided(Doubt.ONE_SIDE, tuple(names), strategies=tuple(missing))
    rivals = played[0] & played[1]
    if len(rivals) == 1:
        return Undecided(Doubt.ALONE)
    beside = {name: _alternatives(name, rivals - {name}, curves, size) for name in names}
    prices = {name: max([1.0, *(1 / one.low for one in beside[name])]) for name in names}
    best = min(names, key=lambda name: prices[name])
    if not all(beside.values()):
        return Undecided(Doubt.ONE_LAUNCH)
    ahead = first == last or any(one.costs_more for one in beside[best] if one.strategy in names)
    low, high = (int(getattr(corner, position.axis)) for corner in position.corners)
    if prices[best] > (DEAREST if ahead else _TIED):
        doubt = Doubt.DEAR_BETWEEN if first == last else Doubt.TOO_NEAR
        return Undecided(
            doubt, tuple(names), longer=True, strategies=(first, last), sizes=(low, high)
        )
    rows = [one.row(best) for one in contests]
    seconds = _interpolated([row.seconds_per_call for row in rows], (low, high), size)
    launches = min(row.launches for row in rows)
    value = (seconds, math.nan, math.nan, prices[best])
    basis = _basis(first, last, ahead=ahead)
    return Choice(best, position, launches, *value, beside[best], basis, (first, last))


def _alternatives(
    name: str, rivals: Iterable[str], curves: PairedCurves, size: float
) -> tuple[Alternative, ...]:
    """Return what `rivals` take beside `name` at a size; nothing where one of them is not known."""
    found = []
    for other in sorted(rivals):
        curve = curves.between(name, other)
        if curve is None:
            return ()
        found.append(ratio_at(other, curve, size))
    if any(math.isnan(one.low) for one in found):
        return ()
    return tuple(sorted(found, key=lambda one: one.ratio))


def _basis(first: str, last: str, *, ahead: bool) -> Basis:
    if first == last:
        return Basis.FASTEST_AT_BOTH
    return Basis.AHEAD if ahead else Basis.TIED


def _interpolated(seconds: Sequence[float], ends: tuple[int, int], size: float) -> float:
    """Interpolate a time as a straight line over the log of the size."""
    return math.exp(np.interp(math.log(size), np.log(ends), np.log(seconds)))


def _among(position: Position, contests: Sequence[Ranking]) -> Choice | Undecided:
    """Answer between four settings, only if one strategy is fastest in all of them."""
    firsts = {one.rows[0].case.strategy for one in contests}
    prices = [one.rows[0].cost_over_best[1] for one in contests]
    if len(firsts) > 1:
        return Undecided(Doubt.DIFFERENT_WINNERS, tuple(sorted(firsts)))
    if not all(price <= DEAREST for price in prices):
        return Undecided(Doubt.NOT_SURE, tuple(sorted(firsts)))
    (name,) = firsts
    launches = min(one.rows[0].launches for one in contests)
    unknown = (math.nan,) * 3
    return Choice(name, position, launches, *unknown, max(prices), (), Basis.FASTEST_IN_ALL)


def _by_fact(goal: Goal, position: Position, measured: Sequence[Measurement]) -> Choice | Undecided:
    """Answer by a fact of each case: the same strategy must have the least at every corner.

    One that is too little to be read counts as the bound that it is below.
    """
    corners = [
        [one for one in measured if one.case.setting == corner and one.was_measured]
        for corner in position.corners
    ]
    facts = [_values(_FACTS[goal], corner) for corner in corners]
    if not all(len(one) > 1 for one in facts):
        return Undecided(Doubt.FACT_UNKNOWN, fact=_FACTS[goal])
    missing = {
        one.case.strategy
        for corner, known in zip(corners, facts, strict=True)
        for one in corner
        if one.case.strategy not in known
    }
    if missing:
        return Undecided(Doubt.FACT_MISSING, fact=_FACTS[goal], strategies=tuple(sorted(missing)))
    everywhere = sorted(set.intersection(*(set(one) for one in facts)))
    behind = {name: max(one[name] / min(one.values()) for one in facts) for name in everywhere}
    name = min(behind, key=lambda one: behind[one], default="")
    if not name or behind[name] > _ALIKE[goal]:
        firsts = {min(one, key=lambda other: one[other]) for one in facts}
        return Undecided(Doubt.DIFFERENT_WINNERS, tuple(sorted(firsts)))
    own = [one for corner in corners for one in corner if one.case.strategy == name]
    shared = [{other: one[other] for other in everywhere} for one in facts]
    return _least(goal, name, position, own, shared)


def _values(fact: str, measured: Iterable[Measurement]) -> dict[str, float]:
    """Return the fact of every strategy that has one, or its bound."""
    values = {one.case.strategy: fact_or_bound(one, fact)[0] for one in measured}
    return {name: value for name, value in values.items() if value and value > 0}


def _least(
    goal: Goal,
    name: str,
    position: Position,
    own: Sequence[Measurement],
    facts: Sequence[Mapping[str, float]],
) -> Choice:
    """Return the choice of a strategy that has the least.

    `own` are its measurements, `facts` those of every corner.
    """
    is_bound = any(fact_or_bound(one, _FACTS[goal])[1] for one in own)
    others = [
        _beside_fact(other, name, facts, _ALIKE[goal], is_bound=is_bound)
        for other in facts[0]
        if other != name
    ]
    return Choice(
        name,
        position,
        min(
            sum(launch.facts.number_or_bound(_FACTS[goal]) is not None for launch in one.launches)
            for one in own
        ),
        facts[0][name] if position.measured else math.nan,
        low=math.nan,
        high=math.nan,
        price=math.nan,
        others=tuple(sorted(others, key=lambda one: one.ratio)),
        basis=Basis.MEASURED if position.measured else Basis.LEAST_ON_EVERY_SIDE,
        is_bound=is_bound,
    )


def _beside_fact(
    other: str, name: str, facts: Sequence[Mapping[str, float]], alike_to: float, *, is_bound: bool
) -> Alternative:
    """Return how many times as much another has: its range at the corners, and what is alike.

    Beside a bound it is not known how many times it is at most.
    """
    ratios = [one[other] / one[name] for one in facts]
    high = math.inf if is_bound else max(ratios) * alike_to
    return Alternative(other, statistics.geometric_mean(ratios), min(ratios) / alike_to, high)
