"""Outcomes: what became of every case that was raced against its other side."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from timelift.analyse.gate.against import of_run, other_sides
from timelift.analyse.gate.judge import GateRule, SidesFinding, judge
from timelift.analyse.gate.sides import Quantity, Sides, changes
from timelift.analyse.runs.fact_changes import FactChange, exact_changes
from timelift.analyse.runs.measurement import Measurement, Run
from timelift.analyse.stats.verdicts import Verdict
from timelift.case import Case, Status
from timelift.journal import Against


@dataclass(frozen=True)
class CaseOutcome:
    """One case: what each quantity came to, and the exact facts that differ."""

    case: Case
    findings: Mapping[Quantity, SidesFinding]
    facts: tuple[FactChange, ...]

    @property
    def time(self) -> SidesFinding:
        """What the seconds of a call came to."""
        return self.findings[Quantity.TIME]

    @property
    def worse(self) -> tuple[Quantity, ...]:
        """The quantities that were confirmed to be worse, beyond their gates."""
        return tuple(q for q, one in self.findings.items() if one.verdict is Verdict.SLOWER)

    @property
    def broken(self) -> tuple[FactChange, ...]:
        """The facts that fail a case whatever its times: other weights, or more traces."""
        return tuple(change for change in self.facts if change.breaks)

    def fails(self, undecided: str) -> bool:
        """True if the gate is shut for this case; `undecided` is the user's word on doubt."""
        doubtful = undecided == "fail" and self.time.verdict is Verdict.UNDECIDED
        return bool(self.worse or self.broken) or doubtful


@dataclass(frozen=True)
class GateFindings:
    """What a run against another side found; `lost` are the cases whose other side ended otherwise.

    The latter are given with how the other side ended.
    """

    against: Against
    outcomes: Sequence[CaseOutcome]
    lost: Sequence[tuple[Case, Measurement]] = ()

    @property
    def failed(self) -> tuple[CaseOutcome, ...]:
        """The cases that fail the gate."""
        return tuple(one for one in self.outcomes if one.fails(self.against.undecided))

    @property
    def faster(self) -> tuple[tuple[CaseOutcome, Quantity], ...]:
        """What was confirmed to be better, case by case."""
        return tuple(
            (one, quantity)
            for one in self.outcomes
            for quantity, found in one.findings.items()
            if found.verdict is Verdict.FASTER
        )

    @property
    def undecided(self) -> tuple[CaseOutcome, ...]:
        """The cases of undecided time, where that does not fail them."""
        if self.against.undecided == "fail":
            return ()
        return tuple(one for one in self.outcomes if one.time.verdict is Verdict.UNDECIDED)

    @property
    def verdicts(self) -> dict[Verdict, int]:
        """How many cases came to which verdict on their time, of those that any came to."""
        counts = Counter(one.time.verdict for one in self.outcomes)
        return {verdict: counts[verdict] for verdict in Verdict if counts[verdict]}


def gate_findings(run: Run) -> GateFindings | None:
    """Judge a run against another side; None for a usual run."""
    against = of_run(run)
    if against is None:
        return None
    return GateFindings(against, outcomes(run, against), without_other_side(run))


def outcomes(run: Run, against: Against) -> list[CaseOutcome]:
    """Judge every case of which both sides were measured, in the order of the cases.

    A pair that failed in its trial has no outcome, but what it showed at screening still counts for
    the variances of the others: they are suspected as they were when they were sent to trial.
    """
    pairs = _pairs(run)
    if not pairs:
        return []
    judged = {quantity: judged_as(pairs, against, quantity) for quantity in Quantity}
    return [
        CaseOutcome(
            pair.new.case,
            {q: found[place] for q, found in judged.items()},
            exact_changes(pair.new.case, pair.old, pair.new),
        )
        for place, pair in enumerate(pairs)
        if all(side.status is Status.MEASURED for side in pair)
    ]


def judged_as(pairs: Sequence[Sides], against: Against, quantity: Quantity) -> list[SidesFinding]:
    """Judge one quantity of all pairs."""
    rule = GateRule(against.gates[quantity], against.screening)
    return judge(changes(pairs, quantity), rule)


def _pairs(run: Run) -> list[Sides]:
    played = {one.case: one for one in run.measurements if one.launches}
    sides = sorted(other_sides(run).items())
    return [
        Sides(played[old], played[new]) for new, old in sides if old in played and new in played
    ]


def without_other_side(run: Run) -> list[tuple[Case, Measurement]]:
    """Return the measured cases whose other side ended otherwise, with how that ended."""
    found = {one.case: one for one in run.measurements}
    return [
        (new, found[old])
        for new, old in sorted(other_sides(run).items())
        if new in found and _has_launches(found[new]) and found[old].status is not Status.MEASURED
    ]


def _has_launches(one: Measurement) -> bool:
    return one.status is Status.MEASURED and bool(one.launches)
