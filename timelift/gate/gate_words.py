"""The findings of an --against run in words: which cases fail its gate, and the other outcomes."""

import math
from collections.abc import Iterator, Sequence

from timelift.analyse.results import Run
from timelift.case import Case
from timelift.errors import counted
from timelift.escape import NAME_LIMIT, plain
from timelift.gate.outcomes import CaseOutcome, GateFindings, Sides, gate_findings
from timelift.gate.rule import JudgedChange
from timelift.journal.lines import Against, Quantity, short_commit
from timelift.measurement import Measurement
from timelift.present import conditions
from timelift.present.summary import Section
from timelift.present.tables import Column, Table
from timelift.present.words import percent, percent_interval, percent_more

#: How many cases are named on a line of their own, and names in a line; the journal has the rest.
_MOST_CASES, _MOST_NAMES = 12, 8
#: How many kinds of operations are named.
_MOST_KINDS = 3
#: Characters after which a cell of the table is cut.
_LONGEST_CELL = 300
#: A detectable change larger than this, a log ratio, tells nothing about the case.
_LARGEST_DETECTABLE = math.log(2)
#: How a quantity that became worse is told, and one that became better.
_COMPARED = {
    Quantity.TIME: ("{} slower than", "{} faster than"),
    Quantity.FIRST_CALL: ("a {} longer first call than", "a {} shorter first call than"),
    Quantity.MEMORY: ("{} more peak memory than", "{} less peak memory than"),
}


def section(gate: GateFindings) -> Section:
    """Return what a terminal, report.md and the page show of a run against another side."""
    beside_table = [*_all_given_up(gate), *_other_sentences(gate)]
    return Section(
        headline=_headline(gate),
        versions=_versions(gate),
        below=f"{_count(gate)}." if gate.outcomes else "",
        names=tuple(case.strategy for case in gate.failed_cases),
        table=_table(gate),
        notes=(*_up_to(_MOST_CASES, beside_table), *_changed_names(gate.against)),
    )


def failures(run: Run) -> dict[Case, str]:
    """Return each case of a run against another side that fails its gate, with the reason."""
    gate = gate_findings(run)
    reasons = {outcome.case: failure(outcome, gate.against) for outcome in gate.failed}
    return reasons | {pair.new.case: _given_up(pair, gate.against) for pair in gate.hit_limit}


# Sentences ---------------------------------------------------------------------------------------


def _headline(gate: GateFindings) -> str:
    """Return in one sentence whether anything fails the gate."""
    label, failed = gate.against.label, gate.failed_cases
    judged = {outcome.case for outcome in gate.outcomes}.union(failed, gate.untimed)
    cases = counted(len(judged), "case")
    if not judged:
        return f"No case was measured on both sides, so nothing is known beside {label}."
    if not failed:
        return f"None of {cases} fails the gate against {label}."
    if len(failed) == 1:
        return f"1 of {cases} fails the gate against {label}: {case_in_words(failed[0])}."
    return f"{len(failed):,} of {cases} fail the gate against {label}."


def _versions(gate: GateFindings) -> list[tuple[str, ...]]:
    """Return all sentences, the failures first, and versions of them that name fewer cases."""
    state = [conditions.NOT_OVER] if gate.is_provisional else []
    count = [_count(gate)] if gate.outcomes else []
    cases = [*_verdicts(gate), *_other_sentences(gate)]
    names = [*_changed_names(gate.against)]
    return [(*state, *count, *_up_to(most, cases), *names) for most in range(_MOST_CASES, -1, -1)]


def _up_to(most: int, sentences: Sequence[str]) -> Iterator[str]:
    yield from sentences[:most]
    if len(sentences) > most:
        yield f"and {len(sentences) - most:,} more: the journal has them"


def _count(gate: GateFindings) -> str:
    """Return the number of cases with each verdict, the other side, and the gate."""
    against = gate.against
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in gate.verdicts.items())
    commit = f" ({short_commit(against.commit)})" if against.commit else ""
    rule = f"gate {100 * against.gates[Quantity.TIME]:g} %, {100 * gate.ignored:.3g} % ignored"
    cases = counted(len(gate.outcomes), "case")
    return f"{cases} against {against.label}{commit}, {rule}: {verdicts}"


def _verdicts(gate: GateFindings) -> Iterator[str]:
    """Yield a sentence for each case with a verdict other than "same", the failures first."""
    against = gate.against
    for outcome in gate.failed:
        yield failure(outcome, against)
    yield from _all_given_up(gate)
    for outcome in gate.outcomes:
        for quantity in outcome.better:
            change = change_in_words(quantity, outcome.changes[quantity], against)
            yield f"{case_in_words(outcome.case)}: {change}"
    for outcome in gate.undecided:
        yield f"{case_in_words(outcome.case)}: {undecided_in_words(outcome.time, against)}"


def _all_given_up(gate: GateFindings) -> Iterator[str]:
    return (_given_up(pair, gate.against) for pair in gate.hit_limit)


def _other_sentences(gate: GateFindings) -> Iterator[str]:
    """Yield the cases that were not compared, those not timed, and changed programs."""
    for pair in gate.not_compared:
        why = why_not_compared(gate.against.label, pair.old)
        yield f"{case_in_words(pair.new.case)}: {why}"
    for case in gate.untimed:
        yield f"{case_in_words(case)}: same, not timed: both sides run the same program"
    for outcome in gate.outcomes:
        if change := _changed_program(outcome):
            yield f"{case_in_words(outcome.case)}: {change}"


def _changed_names(against: Against) -> Iterator[str]:
    """Yield the names of what differs between the sides as a whole, a line a kind."""
    kinds = {
        "new": against.new,
        "removed": against.removed,
        "renamed": [f"{old} is {new} now" for new, old in against.renamed.items()],
        "unchanged, and not measured": against.unchanged,
        "versions, there and here": [
            f"{package} {there} and {here}" for package, (there, here) in against.versions.items()
        ],
    }
    for kind, names in kinds.items():
        if names:
            left = len(names) - _MOST_NAMES
            more = f" and {left:,} more" if left > 0 else ""
            yield f"{kind}: {', '.join(names[:_MOST_NAMES])}{more}"


# One case ----------------------------------------------------------------------------------------


def case_in_words(case: Case) -> str:
    """Return a case's strategy, workload, sizes and other axes, in the order of the options."""
    return ", ".join([case.strategy, case.setting.workload, *case.setting.words])


def failure(outcome: CaseOutcome, against: Against) -> str:
    """Return why a case fails its gate: what became worse, or else that it is undecided."""
    reasons = [
        change_in_words(quantity, outcome.changes[quantity], against) for quantity in outcome.worse
    ]
    reasons += _broken_facts(outcome, against)
    if not reasons:
        reasons = [undecided_in_words(outcome.time, against)]
    return f"{case_in_words(outcome.case)}: {'; '.join(reasons)}"


def why_not_compared(label: str, other: Measurement) -> str:
    return f"not compared, since {label} has no figures: {other.status}: {other.reason}"


def _broken_facts(outcome: CaseOutcome, against: Against) -> list[str]:
    return [
        f"{change.new:,.0f} {change.name} where {against.label} has {change.old:,.0f}"
        for change in outcome.broken
    ]


def _given_up(pair: Sides, against: Against) -> str:
    """Return that the new side was given up where the other one has figures."""
    why = f"{pair.new.status}: {pair.new.reason}"
    return f"{case_in_words(pair.new.case)}: {why}, where {against.label} has figures"


def change_in_words(quantity: Quantity, change: JudgedChange, against: Against) -> str:
    is_better = change.value < 0
    changed = _COMPARED[quantity][is_better].format(percent(abs(math.expm1(change.value))))
    launches = counted(round(change.launches), "launch")
    return f"{changed} {against.label} {percent_interval(change)}, {launches}"


def undecided_in_words(time: JudgedChange, against: Against) -> str:
    """Return that a case is undecided, with its interval, and what would have been seen."""
    beside = f"undecided beside {against.label}"
    if math.isnan(time.value):
        return f"{beside}: no round was played by both sides"
    if time.left_untried:
        seen = "it looks changed, and the run ended before it was tried again"
    elif time.detectable < _LARGEST_DETECTABLE:
        seen = f"a change of {percent(math.expm1(time.detectable))} would have been seen"
    else:
        seen = "too few launches to see even a case that takes twice as long"
    has_interval = math.isfinite(time.low)
    interval = percent_interval(time) if has_interval else "(no interval from so few launches)"
    return f"{beside}: {percent_more(time.value)} {interval}, and {seen}"


def _changed_program(outcome: CaseOutcome) -> str:
    """Return how the program differs, by its operations or else by its nodes, or ''."""
    if not (more := outcome.more_operations):
        changes = (change for change in outcome.facts if change.name == "graph_nodes")
        nodes = (f"{change.old:,.0f} graph nodes became {change.new:,.0f}" for change in changes)
        return next(nodes, "")
    kinds = ", ".join(f"{number:+,} {kind}" for kind, number in more[:_MOST_KINDS])
    left = len(more) - _MOST_KINDS
    return f"its program has {kinds}" + (f" and {left:,} more" if left > 0 else "")


# The table ---------------------------------------------------------------------------------------


def _table(gate: GateFindings) -> Table:
    """Return the table of all outcomes, those that fail first."""
    failed = {outcome.case for outcome in gate.failed}
    label = plain(gate.against.label, NAME_LIMIT)
    table = Table(
        "gate",
        f"Against {label}",
        (
            Column("case", value=lambda row: case_in_words(row.case), limit=_LONGEST_CELL),
            Column("gate", value=lambda row: "fails" if row.case in failed else "passes"),
            Column("verdict", "time", value=lambda row: row.time.verdict),
            Column("change", f"beside {label}", lambda row: _time_change(row.time)),
            Column("why", value=lambda row: _why_beside_time(row, gate), limit=_LONGEST_CELL),
        ),
        sorted(gate.outcomes, key=lambda row: row.case not in failed),
    )
    return table.without_empty_columns()


def _time_change(time: JudgedChange) -> str:
    if math.isnan(time.value):
        return ""
    interval = f" {percent_interval(time)}" if math.isfinite(time.low) else ""
    return f"{percent_more(time.value)}{interval}"


def _why_beside_time(outcome: CaseOutcome, gate: GateFindings) -> str:
    """Return the reasons other than its time why a case fails."""
    worse = [
        change_in_words(quantity, outcome.changes[quantity], gate.against)
        for quantity in outcome.worse
        if quantity is not Quantity.TIME
    ]
    return "; ".join([*worse, *_broken_facts(outcome, gate.against)])
