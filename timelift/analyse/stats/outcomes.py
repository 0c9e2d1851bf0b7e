"""Outcomes: what became of every case that was raced against its other side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from timelift.analyse.runs.against import other_sides
from timelift.analyse.runs.measurement import Measurement, Run
from timelift.analyse.stats.gate import Finding, Rule, judge
from timelift.analyse.stats.paired import Pair, Quantity, changes
from timelift.analyse.stats.verdicts import Verdict
from timelift.case import Case, Status
from timelift.journal import EXACT, Against

#: Facts that are the same in every launch, so that any change is one.


@dataclass(frozen=True)
class Outcome:
    """One case: what each quantity came to, and (old, new) of the exact facts that differ."""

    case: Case
    findings: Mapping[Quantity, Finding]
    facts: Mapping[str, tuple[int, int]]

    @property
    def time(self) -> Finding:
        """What the seconds of a call came to."""
        return self.findings[Quantity.TIME]

    @property
    def worse(self) -> tuple[Quantity, ...]:
        """The quantities that were confirmed to be worse, beyond their gates."""
        return tuple(q for q, one in self.findings.items() if one.verdict is Verdict.SLOWER)

    @property
    def another_model(self) -> bool:
        """Whether the two sides differ in their weights, so that their times mean little."""
        return "weights" in self.facts

    @property
    def retraces(self) -> bool:
        """Whether the new side is traced more often, which every call may pay."""
        old, new = self.facts.get("traces", (0, 0))
        return new > old

    def fails(self, undecided: str) -> bool:
        """Say whether the gate is shut for this case; `undecided` is the user's word on doubt."""
        doubtful = undecided == "fail" and self.time.verdict is Verdict.UNDECIDED
        return bool(self.worse) or self.another_model or self.retraces or doubtful


def outcomes(run: Run, against: Against) -> list[Outcome]:
    """Judge every case of which both sides were measured, in the order of the cases.

    A pair that failed in its trial has no outcome, but what it showed at screening still counts for
    the variances of the others: they are suspected as they were when they were sent to trial.
    """
    pairs = _pairs(run)
    if not pairs:
        return []
    judged = {quantity: judged_as(pairs, against, quantity) for quantity in Quantity}
    return [
        Outcome(
            pair.new.case, {q: found[place] for q, found in judged.items()}, exact_changes(pair)
        )
        for place, pair in enumerate(pairs)
        if all(side.status is Status.MEASURED for side in pair)
    ]


def judged_as(pairs: Sequence[Pair], against: Against, quantity: Quantity) -> list[Finding]:
    """Judge one quantity of all pairs."""
    rule = Rule(against.gates[quantity], against.screening)
    return judge(changes(pairs, quantity), rule)


def _pairs(run: Run) -> list[Pair]:
    played = {one.case: one for one in run.measurements if one.launches}
    sides = sorted(other_sides(run).items())
    return [Pair(played[old], played[new]) for new, old in sides if old in played and new in played]


def without_other_side(run: Run) -> list[tuple[Case, Measurement]]:
    """Give the measured cases whose other side ended otherwise, with how that ended."""
    found = {one.case: one for one in run.measurements}
    return [
        (new, found[old])
        for new, old in sorted(other_sides(run).items())
        if new in found and _has_launches(found[new]) and found[old].status is not Status.MEASURED
    ]


def _has_launches(one: Measurement) -> bool:
    return one.status is Status.MEASURED and bool(one.launches)


def exact_changes(pair: Pair) -> dict[str, tuple[int, int]]:
    """Give (old, new) of the exact facts that differ: the largest of all launches."""
    sides = [{name: _largest(side, name) for name in EXACT} for side in pair]
    return {
        name: (old, new)
        for name in EXACT
        if (old := sides[0][name]) is not None
        and (new := sides[1][name]) is not None
        and old != new
    }


def _largest(side: Measurement, name: str) -> int | None:
    values = [getattr(one.facts, name) for one in side.launches]
    return max((value for value in values if isinstance(value, int)), default=None)
