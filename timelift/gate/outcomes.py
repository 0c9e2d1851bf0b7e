"""A run against another side: its pairs of cases, and the outcome of each."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from timelift.analyse.effects import Effects, launch_effects
from timelift.analyse.results import (
    Run,
    facts_by_launch,
    launch_marks,
    launch_numbers,
    seconds_by_launch,
)
from timelift.analyse.stopping import Referee
from timelift.analyse.verdicts import Verdict
from timelift.axis_values import SKIPPED, AxisValue, Status
from timelift.case import Case
from timelift.gate.rule import GateRule, JudgedChange, judge
from timelift.journal.lines import Against, Quantity
from timelift.measurement import FactChange, Measurement, exact_changes, merge


class Sides(NamedTuple):
    """A case as it was measured on the other side, and on this one."""

    old: Measurement
    new: Measurement

    @property
    def lacks_figures(self) -> bool:
        """True if a side has none, but for a refusal or a limit of both, which is no fault."""
        measured = [side.status is Status.MEASURED for side in self]
        return not all(measured) and (any(measured) or self.new.status not in SKIPPED)


class Ending(AxisValue):
    """How a case ended, the gravest first; what is worse has the name of its quantity."""

    LOST = "without figures"
    LOST_PEAK = "without a peak of memory"
    MORE_TRACES = "with more traces"
    TIME = "slower"
    FIRST_CALL = "with a longer first call"
    MEMORY = "with more peak memory"
    UNDECIDED = "undecided"
    BETTER = "better"
    SAME = "the same"


@dataclass(frozen=True)
class CaseOutcome:
    """The outcome of one case: the change of each quantity, and of facts.

    `more_operations` has how many more nodes of a kind its graph has than the other side's, or
    fewer, which is negative; the largest differences first. Nothing is known of a case but its
    `unmeasured` sides if one of them has no figures.
    """

    case: Case
    changes: Mapping[Quantity, JudgedChange]
    facts: Sequence[FactChange] = ()
    more_operations: Sequence[tuple[str, int]] = ()
    unmeasured: Sides | None = None

    @property
    def time(self) -> JudgedChange:
        return self.changes[Quantity.TIME]

    @property
    def worse(self) -> tuple[Quantity, ...]:
        """The quantities that are worse beyond what their gates ignore."""
        return self._with_verdict(Verdict.SLOWER)

    @property
    def better(self) -> tuple[Quantity, ...]:
        return self._with_verdict(Verdict.FASTER)

    @property
    def untried(self) -> tuple[Quantity, ...]:
        """The quantities beside time that look worse, and were not tried in fresh launches."""
        changes = self.changes.items()
        looks = (name for name, change in changes if change.left_untried and not change.value <= 0)
        return tuple(name for name in looks if name is not Quantity.TIME)

    def _with_verdict(self, verdict: Verdict) -> tuple[Quantity, ...]:
        return tuple(name for name, change in self.changes.items() if change.verdict is verdict)

    @property
    def broken(self) -> tuple[FactChange, ...]:
        """The facts that fail a case whatever its times: more traces."""
        return tuple(change for change in self.facts if change.breaks)

    @property
    def ending(self) -> Ending:
        """The gravest of what became of the case."""
        if self.unmeasured:
            is_measured = self.unmeasured.new.status is Status.MEASURED
            return Ending.UNDECIDED if is_measured else Ending.LOST
        if any(math.isnan(self.changes[quantity].value) for quantity in self.worse):
            return Ending.LOST_PEAK
        if self.broken:
            return Ending.MORE_TRACES
        if self.worse:
            return Ending[self.worse[0].name]
        if self.time.verdict is Verdict.UNDECIDED:
            return Ending.UNDECIDED
        return Ending.BETTER if self.better else Ending.SAME

    @property
    def fails(self) -> bool:
        """True if the case fails the gate, whatever an undecided one does."""
        return self.ending < Ending.UNDECIDED

    @property
    def gravity(self) -> tuple[Ending, float]:
        """A key by which the worst case sorts first: its ending, then the size of its change."""
        quantity = next(iter(self.worse), Quantity.TIME)
        size = self.changes[quantity].value if self.changes else math.nan
        return self.ending, 0.0 if math.isnan(size) else -size


@dataclass(frozen=True)
class GateFindings:
    """The outcomes of a run against another side; any may change while it `is_provisional`."""

    against: Against
    outcomes: Sequence[CaseOutcome]
    is_provisional: bool = False

    def fails(self, outcome: CaseOutcome) -> bool:
        """True if a case fails the gate; with `--undecided fail` an undecided one does."""
        is_open = outcome.ending is Ending.UNDECIDED
        return outcome.fails or (is_open and self.against.undecided_fails)


def gate_findings(run: Run) -> GateFindings:
    """Return the outcome of every case of which both sides have a line.

    A pair that failed in its trial has no changes. Its screening still counts for the variances of
    the other pairs, so that their suspicions stay as they were before the trial.
    """
    against = run.header.against
    assert against
    pairs = _pairs(run.measurements, other_sides(run))
    outcomes = [
        CaseOutcome(pair.new.case, {}, unmeasured=pair) for pair in pairs if pair.lacks_figures
    ]
    played = _played(pairs)
    rules = gate_rules(against) if played else {}
    judged = {quantity: _judged(played, quantity, rule) for quantity, rule in rules.items()}
    outcomes += [
        CaseOutcome(
            pair.new.case,
            {quantity: changes[place] for quantity, changes in judged.items()},
            exact_changes(pair.new.case, *pair),
            _more_operations(pair),
        )
        for place, pair in enumerate(played)
        if pair.old.status is pair.new.status is Status.MEASURED
    ]
    return GateFindings(against, outcomes, is_provisional=run.is_provisional)


def other_sides(run: Run) -> dict[Case, Case]:
    """Return each case that has another side, in the order of cases, and that side's case."""
    strategies = run.header.strategies.items()
    originals = {name: of for name, entry in strategies if (of := entry.other_side_of) is not None}
    cases = [case for case in run.by_case if case.strategy in originals]
    return dict(sorted((Case(case.setting, originals[case.strategy]), case) for case in cases))


def _pairs(measurements: Iterable[Measurement], sides: Mapping[Case, Case]) -> list[Sides]:
    """Return the pairs of which both sides have a line, measured or not."""
    by_case = {measurement.case: measurement for measurement in measurements}
    return [
        Sides(by_case[old], by_case[new])
        for new, old in sides.items()
        if old in by_case and new in by_case
    ]


def gate_rules(against: Against) -> dict[Quantity, GateRule]:
    gates, screening = against.gates, against.screening
    rules = {quantity: GateRule.of_fact(gates[quantity], screening) for quantity in Quantity}
    return rules | {Quantity.TIME: GateRule(gates[Quantity.TIME], screening)}


def _played(pairs: Iterable[Sides]) -> list[Sides]:
    return [pair for pair in pairs if pair.old.launches and pair.new.launches]


def _more_operations(pair: Sides) -> tuple[tuple[str, int], ...]:
    """Return the differences of the sides' operation counts by kind, from their first counts."""
    counts = ((launch.facts.operations for launch in side.launches) for side in pair)
    old, new = (next((own for own in of_side if own is not None), None) for of_side in counts)
    if old is None or new is None:
        return ()
    more = {kind: new.get(kind, 0) - old.get(kind, 0) for kind in {**old, **new}}
    differ = [(kind, number) for kind, number in more.items() if number]
    return tuple(sorted(differ, key=lambda item: (-abs(item[1]), item[0])))


# Changes by launch -------------------------------------------------------------------------------

#: The fact behind a quantity, and a floor that is added to both sides before they are divided, so
#: that a change too small to notice does not count: 50 ms of a first call, 1 MiB of memory.
_FACTS = {Quantity.FIRST_CALL: ("start_seconds", 0.05), Quantity.MEMORY: ("peak_bytes", 2**20)}


def _judged(pairs: Sequence[Sides], quantity: Quantity, rule: GateRule) -> list[JudgedChange]:
    """Judge the log ratios, new over old, of all pairs in the launches of the new sides.

    A peak of memory is lost where the new side played, but only that of the old one was read: a
    reader that the new side kills reads nothing of it.
    """
    numbers = launch_numbers(pair.new for pair in pairs)
    marks = [launch_marks(pair, numbers) for pair in pairs]
    sides = [*(pair.old for pair in pairs), *(pair.new for pair in pairs)]
    if quantity is Quantity.TIME:
        seconds = np.split(seconds_by_launch(sides, numbers), 2)
        return judge(launch_effects(*seconds), numbers, rule, marks=marks)
    name, floor = _FACTS[quantity]
    old, new = np.split(facts_by_launch(sides, numbers, name), 2)
    effect = np.log((new + floor) / (old + floor))
    effects = Effects(effect, np.zeros_like(effect))  # one number a launch: no rounds differ
    if quantity is not Quantity.MEMORY:
        return judge(effects, numbers, rule, marks=marks)
    played = [np.isin(numbers, [one.number for one in pair.new.launches]) for pair in pairs]
    lost = np.asarray(played) & np.isfinite(old) & np.isnan(new)
    return judge(effects, numbers, rule, lost, marks)


# While the run goes on ---------------------------------------------------------------------------


class GateReferee(Referee):
    """Asks for fresh launches of suspects, and of undecided cases if the gate fails those."""

    def __init__(self, sides: Mapping[Case, Case], against: Against) -> None:
        super().__init__()
        self._sides, self._undecided_fails = sides, against.undecided_fails
        self._rules = gate_rules(against)
        self.decision_points = self._rules[Quantity.TIME].decision_points

    def measurements(self) -> tuple[Measurement, ...]:
        """All launches count: both sides were disturbed alike."""
        return merge(self._lines)

    def to_play(self) -> frozenset[Case]:
        return self._doubtful(*self._rules)

    def doubts_peak_of(self) -> frozenset[Case]:
        return self._doubtful(Quantity.MEMORY)

    def _doubtful(self, *quantities: Quantity) -> frozenset[Case]:
        """Return both sides of the cases that need launches, unless a fact fails them already."""
        pairs = _played(_pairs(self.measurements(), self._sides))
        if not pairs:
            return frozenset()
        judged = {name: _judged(pairs, name, self._rules[name]) for name in quantities}
        return frozenset(
            side.case
            for place, pair in enumerate(pairs)
            if not any(change.breaks for change in exact_changes(pair.new.case, *pair))
            and any(
                not changes[place].settled
                and (changes[place].suspected or (self._undecided_fails and name is Quantity.TIME))
                for name, changes in judged.items()
            )
            for side in pair
        )
