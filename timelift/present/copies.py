"""What a run that raced copies found, in sentences: against another side, or a self-test."""

import math
from collections.abc import Iterator, Sequence

from timelift.analyse.findings import RunFindings
from timelift.analyse.results import Run
from timelift.case import Case
from timelift.errors import counted
from timelift.gate.outcomes import CaseOutcome, GateFindings, Sides
from timelift.gate.rule import SidesFinding
from timelift.journal.lines import Against, Quantity, short_commit
from timelift.present import conditions
from timelift.present.units import percent, percent_interval, percent_more
from timelift.selftest import Trust

#: How many cases are named on a line of their own, and names in a line; the journal has the rest.
NAMED, _NAMES = 12, 8
#: How many kinds of operations are named.
_KINDS = 3
#: In so many of its tries a planted slow-down was found most times.
_MOST_TIMES = 0.9
#: What is told of a change that would have been seen: a larger one says nothing of the case.
_LARGEST_TOLD = math.log(2)
#: A quantity that became worse, and one that became better.
_COMPARED = {
    Quantity.TIME: ("{} slower than", "{} faster than"),
    Quantity.FIRST_CALL: ("a {} longer first call than", "a {} shorter first call than"),
    Quantity.MEMORY: ("{} more peak memory than", "{} less peak memory than"),
}


def findings(found: RunFindings) -> Iterator[str]:
    """Write what was found where copies were raced; nothing for a usual run."""
    if found.gate:
        yield from gate_lines(found.gate)
    elif found.run.header.races_copies:
        yield from selftest_findings(found.selftest, conditions.state(found.run))


# Against another side -----------------------------------------------------------------------------


def failure(outcome: CaseOutcome, against: Against) -> str:
    reasons = [
        change_in_words(quantity, outcome.findings[quantity], against) for quantity in outcome.worse
    ]
    reasons += broken_in_words(outcome, against)
    if not reasons:
        reasons = [undecided_in_words(outcome.time, against)]
    return f"{case_in_words(outcome.case)}: {'; '.join(reasons)}"


def broken_in_words(outcome: CaseOutcome, against: Against) -> list[str]:
    """Write the facts that fail a case whatever its times."""
    return [
        f"{change.new:,.0f} {change.name} where {against.label} has {change.old:,.0f}"
        for change in outcome.broken
    ]


def limit_in_words(pair: Sides, against: Against) -> str:
    """Write that the new side was given up where the other one has figures."""
    why = f"{pair.new.status}: {pair.new.reason}"
    return f"{case_in_words(pair.new.case)}: {why}, where {against.label} has figures"


def case_in_words(case: Case) -> str:
    """Name a case in the order in which one asks for it: strategy, workload, sizes, the rest."""
    return ", ".join([case.strategy, case.setting.workload, *case.setting.words])


def change_in_words(quantity: Quantity, finding: SidesFinding, against: Against) -> str:
    less = finding.value < 0
    changed = _COMPARED[quantity][less].format(percent(abs(math.expm1(finding.value))))
    launches = counted(round(finding.launches), "launch")
    return f"{changed} {against.label} {percent_interval(finding)}, {launches}"


def undecided_in_words(finding: SidesFinding, against: Against) -> str:
    """Write what is not known of a case, and what would have been seen."""
    if math.isnan(finding.value):
        return f"undecided beside {against.label}: no round was played by both sides"
    seen = (
        f"a change of {percent(math.expm1(finding.detectable))} would have been seen"
        if finding.detectable < _LARGEST_TOLD
        else "too few launches to see even a case that takes twice as long"
    )
    if finding.left_untried:
        seen = "it looks changed, and the run ended before it was tried again"
    beside = f"undecided beside {against.label}"
    return f"{beside}: {percent_more(finding.value)} {_interval(finding)}, and {seen}"


def gate_lines(found: GateFindings, most: int = NAMED) -> Iterator[str]:
    """Write what the gate found, the failures first, and so many sentences on cases at most."""
    if found.is_provisional:
        yield conditions.NOT_OVER
    if found.outcomes:
        yield count(found)
    yield from _some([*_verdicts(found), *_besides(found)], most)
    yield from _names(found.against)


def headline(found: GateFindings) -> str:
    """Write in one sentence whether anything fails the gate."""
    label, failed = found.against.label, found.failed_cases
    judged = {one.case for one in found.outcomes}.union(failed, found.untimed)
    cases = counted(len(judged), "case")
    if not judged:
        return f"No case was measured on both sides, so nothing is known beside {label}."
    if not failed:
        return f"None of {cases} fails the gate against {label}."
    if len(failed) == 1:
        return f"1 of {cases} fails the gate against {label}: {case_in_words(failed[0])}."
    return f"{len(failed):,} of {cases} fail the gate against {label}."


def beside_verdicts(found: GateFindings) -> Iterator[str]:
    """Write what else differs between the sides, and what only one of them has."""
    yield from _some([*_hit_limit(found), *_besides(found)], NAMED)
    yield from _names(found.against)


def _some(sentences: Sequence[str], most: int) -> Iterator[str]:
    yield from sentences[:most]
    if len(sentences) > most:
        yield f"and {len(sentences) - most:,} more: the journal has them"


def _verdicts(found: GateFindings) -> Iterator[str]:
    against = found.against
    for one in found.failed:
        yield failure(one, against)
    yield from _hit_limit(found)
    for one, quantity in found.faster:
        told = change_in_words(quantity, one.findings[quantity], against)
        yield f"{case_in_words(one.case)}: {told}"
    for one in found.undecided:
        yield f"{case_in_words(one.case)}: {undecided_in_words(one.time, against)}"


def _hit_limit(found: GateFindings) -> Iterator[str]:
    for pair in found.hit_limit:
        yield limit_in_words(pair, found.against)


def _besides(found: GateFindings) -> Iterator[str]:
    for case, other_side in found.not_compared:
        yield (
            f"{case_in_words(case)}: not compared, since {found.against.label} has no figures: "
            f"{other_side.status}: {other_side.reason}"
        )
    for case in found.untimed:
        yield f"{case_in_words(case)}: same, not timed: both sides run the same program"
    for one in found.outcomes:
        if told := program_in_words(one):
            yield f"{case_in_words(one.case)}: {told}"


def program_in_words(outcome: CaseOutcome) -> str:
    """Write how the program differs, by its operations or else by its nodes; nothing if not."""
    if not (more := outcome.more_operations):
        nodes = (one for one in outcome.facts if one.name == "graph_nodes")
        told = (f"{one.old:,.0f} graph nodes became {one.new:,.0f}" for one in nodes)
        return next(told, "")
    named = ", ".join(f"{number:+,} {kind}" for kind, number in more[:_KINDS])
    rest = len(more) - _KINDS
    return f"its program has {named}" + (f" and {rest:,} more" if rest > 0 else "")


def count(found: GateFindings) -> str:
    """Write how many cases have which verdict, against what, at which gate."""
    against = found.against
    words = [f"{count} {verdict}" for verdict, count in found.verdicts.items()]
    commit = f" ({short_commit(against.commit)})" if against.commit else ""
    gate = f"gate {100 * against.gates[Quantity.TIME]:g} %, {100 * found.ignored:.3g} % ignored"
    cases = counted(len(found.outcomes), "case")
    return f"{cases} against {against.label}{commit}, {gate}: {', '.join(words)}"


def _names(against: Against) -> Iterator[str]:
    differing = {
        "new": against.new,
        "removed": against.removed,
        "renamed": [f"{old} is {new} now" for new, old in against.renamed.items()],
        "unchanged, and not measured": against.unchanged,
        "versions, there and here": [
            f"{package} {there} and {here}" for package, (there, here) in against.versions.items()
        ],
    }
    for word, names in differing.items():
        if names:
            more = f" and {len(names) - _NAMES:,} more" if len(names) > _NAMES else ""
            yield f"{word}: {', '.join(names[:_NAMES])}{more}"


def _interval(finding: SidesFinding) -> str:
    if not math.isfinite(finding.low):
        return "(no interval from so few launches)"
    return percent_interval(finding)


# Self-tests, and what they tell of a machine ------------------------------------------------------


def selftest_stored(found: Trust | None, kept: Trust | None, run: Run) -> Iterator[str]:
    """Write which self-test reports quote; `kept` is an earlier one of more comparisons, if any."""
    if found is None:
        return
    if run.is_provisional:
        yield "not stored, since the run did not end"
    elif kept:
        day = kept.measured[:10]
        yield f"reports go on to quote the self-test of {day}, which rests on more comparisons"
    else:
        yield "stored: reports of this machine quote it from now on"


def selftest_findings(found: Trust | None, state: str = "") -> Iterator[str]:
    """Write what a self-test found, below the `state` of its run where that is not whole."""
    if state:
        yield state
    if found is None:
        yield "no twin was measured, so there is no result"
        return
    false, wrong = found.false_alarms, found.wrong_way
    yield (
        f"identical code was called different in {false.hits} of {false.tries:,} comparisons "
        f"(at most {percent(false.at_most, 2)} with 95 % confidence)"
    )
    seen = (
        f"{percent(share, 0, signed=True)} in {calls.hits} of {calls.tries}"
        for share, calls in sorted(found.found.items())
    )
    yield (
        f"found where planted: {', '.join(seen)}; "
        f"the wrong way round in {wrong.hits} of {wrong.tries:,}"
    )
    yield (
        f"{counted(found.settings, 'setting')}, {found.launches:.1f} launches a rival, "
        f"{found.seconds_per_verdict:.1f} s a comparison"
    )


def trust_in_words(run: Run, trust: Trust | None) -> str:
    """Write how far the figures of a run's machine may be trusted, or how to find out."""
    if trust is None:
        return "not known for this machine; find out with: timelift selftest"
    false = trust.false_alarms
    alarms = counted(false.hits, "false alarm")
    found = (
        f"{percent(share, 0, signed=True)} found in {percent(seen.value, 0)}"
        for share, seen in sorted(trust.found.items())
        if share > 0 and seen.tries
    )
    moved = trust.changed_packages(run.header.machine.versions)
    first = (
        f"self-test of {trust.measured[:10]}: {alarms} in {false.tries:,} comparisons of "
        f"identical code (at most {percent(false.at_most, 2)})"
    )
    since = f"since then other {', '.join(moved)}" if moved else ""
    return "; ".join(filter(None, (first, ", ".join(found), since)))


def short_trust(run: Run, trust: Trust | None) -> str:
    """Write the same in one line: of what was planted, the least that was found most times."""
    if trust is None:
        return "this machine is not tested yet: timelift selftest (10 minutes)"
    false, moved = trust.false_alarms, trust.changed_packages(run.header.machine.versions)
    planted = {share: seen for share, seen in sorted(trust.found.items()) if share > 0}
    known = [share for share, seen in planted.items() if seen.tries]
    sure = [share for share in known if planted[share].value >= _MOST_TIMES] or known[-1:]
    found = [
        f"{percent(one, 0, signed=True)} found in {percent(planted[one].value, 0)}"
        for one in sure[:1]
    ]
    since = [f"since then other {', '.join(moved)}"] if moved else []
    alarms = f"{counted(false.hits, 'false alarm')} in {false.tries:,}"
    first = f"self-test of {trust.measured[:10]}: {alarms} (at most {percent(false.at_most)})"
    return "; ".join([first, *found, *since])
