"""A run against another side: which cases stand side by side, and what became of each."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from timelift.analyse.effects import Effects, launch_effects
from timelift.analyse.fact_changes import FactChange, exact_changes
from timelift.analyse.results import Run, Samples, launch_numbers, seconds_by_launch
from timelift.analyse.stopping import Referee
from timelift.analyse.verdicts import Verdict
from timelift.case import Case, Status
from timelift.gate.rule import Change, GateRule, judge
from timelift.journal.lines import Against, Quantity
from timelift.measurement import Measurement, fact


class Sides(NamedTuple):
    """A case as it was measured on the other side, and on this one."""

    old: Measurement
    new: Measurement


@dataclass(frozen=True)
class CaseOutcome:
    """What became of one case.

    `more_operations` are the kinds of which its graph has more nodes than the other side's, or
    fewer, which is negative; the largest differences first.
    """

    case: Case
    changes: Mapping[Quantity, Change]
    facts: tuple[FactChange, ...]
    more_operations: tuple[tuple[str, int], ...] = ()

    @property
    def time(self) -> Change:
        return self.changes[Quantity.TIME]

    @property
    def worse(self) -> tuple[Quantity, ...]:
        """The quantities that were confirmed to be worse, beyond their gates."""
        return self._with_verdict(Verdict.SLOWER)

    @property
    def better(self) -> tuple[Quantity, ...]:
        return self._with_verdict(Verdict.FASTER)

    def _with_verdict(self, verdict: Verdict) -> tuple[Quantity, ...]:
        return tuple(name for name, change in self.changes.items() if change.verdict is verdict)

    @property
    def broken(self) -> tuple[FactChange, ...]:
        """The facts that fail a case whatever its times: other weights, or more traces."""
        return tuple(change for change in self.facts if change.breaks)

    @property
    def is_undecided(self) -> bool:
        """True if its time is undecided, and nothing else fails it."""
        doubtful = self.time.verdict is Verdict.UNDECIDED
        return doubtful and not (self.worse or self.broken)

    def fails(self, *, undecided_fails: bool = False) -> bool:
        """True if the case fails the gate, which doubt about its time may do too."""
        return bool(self.worse or self.broken) or (undecided_fails and self.is_undecided)


@dataclass(frozen=True)
class GateFindings:
    """The outcomes of a run against another side, those of which both sides were measured.

    The other side of `not_compared` failed; the new side of `hit_limit` alone was given up at its
    first call, which fails it; `untimed` are cases that run the same program on both sides, as
    older versions found. While the run `is_provisional`, a suspect may still be tried, and any
    outcome change.
    """

    against: Against
    outcomes: Sequence[CaseOutcome]
    not_compared: Sequence[Sides] = ()
    hit_limit: Sequence[Sides] = ()
    untimed: Sequence[Case] = ()
    is_provisional: bool = False

    @property
    def ignored(self) -> float:
        """The slow-down of a case that never fails it, a share."""
        return float(np.expm1(gate_rules(self.against)[Quantity.TIME].log_ignored))

    @property
    def failed(self) -> tuple[CaseOutcome, ...]:
        undecided_fails = self.against.undecided_fails
        return tuple(one for one in self.outcomes if one.fails(undecided_fails=undecided_fails))

    @property
    def failed_cases(self) -> tuple[Case, ...]:
        """All cases that fail, those without an outcome too."""
        lost = self.not_compared if self.against.undecided_fails else ()
        return (
            *(outcome.case for outcome in self.failed),
            *(pair.new.case for pair in (*self.hit_limit, *lost)),
        )

    @property
    def undecided(self) -> tuple[CaseOutcome, ...]:
        """The cases of undecided time, where neither that nor anything else fails them."""
        if self.against.undecided_fails:
            return ()
        return tuple(one for one in self.outcomes if one.is_undecided)

    @property
    def verdicts(self) -> dict[Verdict, int]:
        """How many cases have which verdict on their time, of those that any has."""
        counts = Counter(outcome.time.verdict for outcome in self.outcomes)
        return {verdict: counts[verdict] for verdict in Verdict if counts[verdict]}


def gate_findings(run: Run) -> GateFindings:
    """Judge a run against another side."""
    against = run.header.against
    assert against
    pairs = _pairs(run.measurements, other_sides(run))
    return GateFindings(
        against,
        _outcomes(pairs, against),
        [one for one in pairs if one.new.was_measured and one.old.status is not Status.MEASURED],
        [pair for pair in pairs if _hit_limit(pair, run)],
        [case for case in run.untimed if not _is_other_side(case, run)],
        is_provisional=run.is_provisional,
    )


def other_sides(run: Run) -> dict[Case, Case]:
    """Return each case that has another side, in the order of cases, and that side's case."""
    strategies = run.header.strategies
    of = {name: of for name, entry in strategies.items() if (of := entry.other_side_of) is not None}
    cases = [one.case for one in run.measurements if one.case.strategy in of]
    return dict(sorted((Case(case.setting, of[case.strategy]), case) for case in cases))


def _is_other_side(case: Case, run: Run) -> bool:
    entry = run.header.strategies.get(case.strategy)
    return entry is not None and entry.other_side_of is not None


def _pairs(measurements: Iterable[Measurement], sides: Mapping[Case, Case]) -> list[Sides]:
    """Return the cases of which anything is known on both sides."""
    by_case = {one.case: one for one in measurements}
    return [
        Sides(by_case[old], by_case[new])
        for new, old in sides.items()
        if old in by_case and new in by_case
    ]


def _hit_limit(pair: Sides, run: Run) -> bool:
    """True if the new side alone was given up at its first call.

    Its limit was twice what the other side takes, or more; nearer to it, chance may decide.
    """
    limit = run.header.option_number("first_call_limit") or 0
    seconds = fact(pair.old, "first_call_seconds")
    given_up = pair.new.status is Status.TRACING_LIMIT and pair.old.status is Status.MEASURED
    return given_up and seconds is not None and 2 * seconds <= limit


def gate_rules(against: Against) -> dict[Quantity, GateRule]:
    """Return the rule of each quantity."""
    rules = {one: GateRule.of_fact(against.gates[one], against.screening) for one in Quantity}
    time = GateRule(against.gates[Quantity.TIME], against.screening, against.ignored)
    return rules | {Quantity.TIME: time}


def _outcomes(pairs: Iterable[Sides], against: Against) -> list[CaseOutcome]:
    """Return the outcome of every case of which both sides were measured.

    A pair that failed in its trial has no outcome, but its screening still counts for the variances
    of the others: they are suspected as they were when they were sent to trial.
    """
    played = _played(pairs)
    if not played:
        return []
    rules = gate_rules(against)
    judged = {quantity: _judged(played, quantity, rule) for quantity, rule in rules.items()}
    return [
        CaseOutcome(
            pair.new.case,
            {quantity: changes[place] for quantity, changes in judged.items()},
            _fact_changes(pair),
            _more_operations(pair),
        )
        for place, pair in enumerate(played)
        if pair.old.status is pair.new.status is Status.MEASURED
    ]


def _played(pairs: Iterable[Sides]) -> list[Sides]:
    return [pair for pair in pairs if pair.old.launches and pair.new.launches]


def _fact_changes(pair: Sides) -> tuple[FactChange, ...]:
    return exact_changes(pair.new.case, pair.old, pair.new)


def _more_operations(pair: Sides) -> tuple[tuple[str, int], ...]:
    """Return by how many operations the sides' graphs differ, as the first launch counted them."""
    before, now = map(_operations, pair)
    if before is None or now is None:
        return ()
    more = {kind: now.get(kind, 0) - before.get(kind, 0) for kind in {**before, **now}}
    differ = [(kind, number) for kind, number in more.items() if number]
    return tuple(sorted(differ, key=lambda item: (-abs(item[1]), item[0])))


def _operations(side: Measurement) -> Mapping[str, int] | None:
    counts = (launch.facts.operations for launch in side.launches)
    return next((one for one in counts if one is not None), None)


# Changes by launch -------------------------------------------------------------------------------

#: The fact behind a quantity, and what is added to both sides before they are divided, so that a
#: change too small to notice is none: 50 ms of a first call, 1 MiB of memory.
_FACTS = {Quantity.FIRST_CALL: ("first_call_seconds", 0.05), Quantity.MEMORY: ("peak_bytes", 2**20)}


def _judged(pairs: Sequence[Sides], quantity: Quantity, rule: GateRule) -> list[Change]:
    numbers = launch_numbers(pair.new for pair in pairs)
    return judge(_effects(pairs, quantity, numbers), numbers, rule)


def _effects(pairs: Sequence[Sides], quantity: Quantity, numbers: Sequence[int]) -> Effects:
    """Return log ratios, new over old, as (pairs, launches), for the launches of these numbers."""
    if quantity is Quantity.TIME:
        sides = [*(pair.old for pair in pairs), *(pair.new for pair in pairs)]
        return launch_effects(*np.split(seconds_by_launch(sides, numbers), 2))
    effect = np.stack([_fact_ratio(pair, numbers, *_FACTS[quantity]) for pair in pairs])
    return Effects(effect, np.zeros_like(effect))  # one number a launch: no rounds differ


def _fact_ratio(pair: Sides, numbers: Sequence[int], name: str, floor: float) -> Samples:
    """Return the log ratio of a fact in every launch in which both sides have it."""
    old, new = (_fact_by_launch(side, numbers, name) for side in pair)
    return np.asarray(np.log((new + floor) / (old + floor)))


def _fact_by_launch(side: Measurement, numbers: Sequence[int], name: str) -> Samples:
    values = {one.number: one.facts.number_or_bound(name) for one in side.launches}
    known = (values.get(number) for number in numbers)
    return np.array([np.nan if one is None or one < 0 else one for one in known])


# While the run goes on ---------------------------------------------------------------------------


class GateReferee(Referee):
    """Asks for fresh launches of the suspects, and of all that is undecided where that fails.

    `sides` has each case's other side, `against` what it is and by what rule it is judged.
    """

    def __init__(self, sides: Mapping[Case, Case], against: Against) -> None:
        super().__init__()
        self._sides, self._thorough = sides, against.undecided_fails
        self._rules = gate_rules(against)
        self.decision_points = self._rules[Quantity.TIME].decision_points

    def to_play(self) -> frozenset[Case]:
        return self._doubtful(*self._rules)

    def doubts_peak_of(self) -> frozenset[Case]:
        return self._doubtful(Quantity.MEMORY)

    def _doubtful(self, *quantities: Quantity) -> frozenset[Case]:
        """Return both sides of what needs launches for one of these, and fails by no fact yet."""
        pairs = _played(_pairs(self.measurements(), self._sides))
        if not pairs:
            return frozenset()
        judged = {one: _judged(pairs, one, self._rules[one]) for one in quantities}
        return frozenset(
            side.case
            for place, pair in enumerate(pairs)
            if not any(change.breaks for change in _fact_changes(pair))
            and any(self._needs_launches(one[place], quantity) for quantity, one in judged.items())
            for side in pair
        )

    def _needs_launches(self, change: Change, quantity: Quantity) -> bool:
        thorough = self._thorough and quantity is Quantity.TIME
        return (change.suspected or thorough) and not change.settled
