"""What a gate found, in sentences: for each case that fails, and for the whole run."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from timelift.analyse.runs import results
from timelift.analyse.runs.against import of_run as read_against
from timelift.analyse.runs.measurement import Run
from timelift.analyse.stats.gate import Finding
from timelift.analyse.stats.outcomes import Outcome, outcomes, without_other_side
from timelift.analyse.stats.paired import Quantity
from timelift.analyse.stats.verdicts import Verdict
from timelift.case import Case
from timelift.journal import Against

#: So many cases are named on a line of their own; the journal has the rest.
NAMED = 12
#: How a quantity that became worse is said.
_COMPARED = {
    Quantity.TIME: ("slower than", "faster than"),
    Quantity.FIRST_CALL: ("more first-call seconds than", "less first-call seconds than"),
    Quantity.MEMORY: ("more peak memory than", "less peak memory than"),
}


def of_run(run: Run) -> Iterator[str]:
    """Say what a run against another side found; nothing of a usual run."""
    against = read_against(run)
    if against is not None:
        yield from lines(outcomes(run, against), against)
        yield from _some(
            f"{name(case)}: not compared, since {against.label} has no figures: "
            f"{lost.status}: {lost.reason}"
            for case, lost in without_other_side(run)
        )


def failures(path: Path) -> dict[Case, str]:
    """Read a run against another side; give each case that fails with the reason."""
    run = results.load(path)
    found = read_against(run)
    if found is None:
        return {}
    judged = {one.case: failure(one, found) for one in outcomes(run, found)}
    return {case: text for case, text in judged.items() if text}


def failure(outcome: Outcome, against: Against) -> str:
    """Say why a case fails the gate; nothing where it does not."""
    if not outcome.fails(against.undecided):
        return ""
    reasons = [changed(quantity, outcome.findings[quantity], against) for quantity in outcome.worse]
    reasons += list(_broken(outcome, against))
    if not reasons:
        reasons = [undecided(outcome.time, against)]
    return f"{name(outcome.case)}: {'; '.join(reasons)}"


def name(case: Case) -> str:
    """Name a case in the order in which one asks for it: strategy, workload, sizes, the rest."""
    return ", ".join([case.strategy, case.setting.workload, *case.setting.words])


def changed(quantity: Quantity, finding: Finding, against: Against) -> str:
    """Say by how much a quantity differs, with its 95 % interval in per cent."""
    less = finding.effect < 0
    ends = sorted(abs(_percent(end)) for end in (finding.low, finding.high))
    return (
        f"{abs(_percent(finding.effect)):.1f} % {_COMPARED[quantity][less]} {against.label} "
        f"[{ends[0]:.1f}, {ends[1]:.1f}], {finding.launches:.0f} launches"
    )


def undecided(finding: Finding, against: Against) -> str:
    """Say what is not known of a case, and what would have been seen."""
    seen = (
        f"a change of {_percent(finding.detectable):.1f} % would have been seen"
        if math.isfinite(finding.detectable)
        else "too few launches to see any change"
    )
    if finding.suspected and not finding.tried:
        seen = "it looks changed and was not tried again, since the time was up"
    beside = f"undecided beside {against.label}"
    return f"{beside}: {_percent(finding.effect):+.1f} % {_interval(finding)}, and {seen}"


def _broken(outcome: Outcome, against: Against) -> Iterator[str]:
    for fact in ("weights", "traces") if outcome.retraces else ("weights",):
        if fact in outcome.facts:
            old, new = outcome.facts[fact]
            yield f"{new:,} {fact} where {against.label} has {old:,}"


def lines(outcomes: Sequence[Outcome], against: Against) -> Iterator[str]:
    """Say what the gate found, the failures first."""
    if outcomes:
        yield _count(outcomes, against)
    yield from _some(text for one in outcomes if (text := failure(one, against)))
    yield from _some(
        f"{name(one.case)}: {changed(quantity, found, against)}"
        for one in outcomes
        for quantity, found in one.findings.items()
        if found.verdict is Verdict.FASTER
    )
    if against.undecided != "fail":
        yield from _some(
            f"{name(one.case)}: {undecided(one.time, against)}"
            for one in outcomes
            if one.time.verdict is Verdict.UNDECIDED
        )
    yield from _some(
        f"{name(one.case)}: {old:,} {fact.replace('_', ' ')} became {new:,}"
        for one in outcomes
        for fact, (old, new) in one.facts.items()
        if fact == "graph_nodes"
    )
    yield from _names(against)


def _count(outcomes: Sequence[Outcome], against: Against) -> str:
    verdicts = Counter(one.time.verdict for one in outcomes)
    words = [f"{verdicts[verdict]} {verdict}" for verdict in Verdict if verdicts[verdict]]
    commit = f" ({against.commit[:8]})" if against.commit else ""
    gate = f"gate {100 * against.gates[Quantity.TIME]:g} %"
    return f"{len(outcomes)} cases against {against.label}{commit}, {gate}: {', '.join(words)}"


def _names(against: Against) -> Iterator[str]:
    told = {
        "new": against.new,
        "removed": against.removed,
        "renamed": [f"{old} is {new} now" for new, old in against.renamed.items()],
        "unchanged, and not measured": against.unchanged,
        "versions, there and here": [
            f"{package} {there} and {here}" for package, (there, here) in against.versions.items()
        ],
    }
    for word, names in told.items():
        if names:
            yield f"{word}: {', '.join(names)}"


def _some(texts: Iterator[str]) -> Iterator[str]:
    found = list(texts)
    yield from found[:NAMED]
    if len(found) > NAMED:
        yield f"and {len(found) - NAMED} more like these"


def _interval(finding: Finding) -> str:
    if not math.isfinite(finding.low):
        return "(no interval from so few launches)"
    return f"[{_percent(finding.low):.1f}, {_percent(finding.high):.1f}]"


def _percent(log_ratio: float) -> float:
    return 100 * math.expm1(log_ratio)
