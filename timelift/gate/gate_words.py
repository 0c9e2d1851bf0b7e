"""The findings of an --against run in words: which cases fail its gate, and the other outcomes."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from timelift.analyse.verdicts import Verdict
from timelift.case import Case, Status
from timelift.errors import counted
from timelift.escape import NAME_LIMIT, plain
from timelift.gate.groups import Ending, Group, each_case, together
from timelift.gate.outcomes import CaseOutcome, GateFindings, Sides
from timelift.gate.rule import JudgedChange
from timelift.journal.lines import Against, Quantity, short_commit
from timelift.measurement import Measurement
from timelift.present import conditions
from timelift.present.summary import Section
from timelift.present.tables import Column, Table
from timelift.present.words import percent, percent_interval, percent_more

#: How many groups are named on a line of their own, and names in a line; report.md has the rest.
_MOST_LINES, _MOST_NAMES = 12, 8
#: How many kinds of operations are named.
_MOST_KINDS = 6
#: Characters after which a cell of the table is cut.
_LONGEST_CELL = 400
#: A detectable change larger than this, a log ratio, tells nothing about the case.
_LARGEST_DETECTABLE = math.log(2)
#: How a quantity that became worse is told, and one that became better.
_COMPARED = {
    Quantity.TIME: ("slower", "faster"),
    Quantity.FIRST_CALL: ("longer first call", "shorter first call"),
    Quantity.MEMORY: ("more peak memory", "less peak memory"),
}


def section(gate: GateFindings) -> Section:
    """Return what a terminal, report.md and the page show of a run against another side."""
    cases, against = each_case(gate), gate.against
    grouped, others = [*together(cases)], [*_not_judged(gate), *_changed_names(against)]
    state = [conditions.NOT_OVER] if gate.is_provisional else []
    headline, below = _headline(gate, cases), _counts(gate)
    told = [*filter(None, (_sentence(group, against) for group in grouped))]
    return Section(
        headline=headline,
        versions=[
            (*state, headline, *filter(None, [below]), *_up_to(most, told), *others)
            for most in (len(told), *range(_MOST_LINES, -1, -1))
        ],
        below=below,
        names=tuple(each.cases[0].strategy for each in cases[:1] if each.fails),
        table=_table(grouped, against),
        details=_table(cases, against),
        notes=tuple(others),
    )


def nothing_compared(label: str, reasons: Iterable[str]) -> Iterator[str]:
    """Yield that no case has another side, and the reasons, those of most cases first."""
    yield f"nothing was compared: no case has another side in {label} that differs"
    for reason, count in Counter(reasons).most_common(_MOST_NAMES):
        yield f"{counted(count, 'case')}: {reason}"


def failures(gate: GateFindings) -> dict[Case, str]:
    """Return each case of a run against another side that fails its gate, with the reason."""
    failed = (each for each in each_case(gate) if each.fails)
    return {each.cases[0]: _sentence(each, gate.against) for each in failed}


# Sentences ---------------------------------------------------------------------------------------


def _headline(gate: GateFindings, cases: Sequence[Group]) -> str:
    """Return in one sentence whether anything fails the gate, and why."""
    label, failed = gate.against.label, [each for each in cases if each.fails]
    count = counted(len(cases) + len(gate.untimed), "case")
    if not (cases or gate.untimed):
        return f"No case was measured on both sides, so nothing is known beside {label}."
    if not failed:
        return f"None of {count} fails the gate against {label}."
    if len(failed) == 1:
        return f"1 of {count} fails the gate against {label}: {_name(failed[0])}."
    endings = Counter(each.ending for each in failed).items()
    why = ", ".join(f"{number:,} {ending}" for ending, number in endings)
    return f"{len(failed):,} of {count} fail the gate against {label}: {why}."


def _up_to(most: int, sentences: Sequence[str]) -> Iterator[str]:
    yield from sentences[:most]
    if len(sentences) > most:
        yield f"and {len(sentences) - most:,} more: report.md and the page have them"


def _counts(gate: GateFindings) -> str:
    """Return the number of cases with each verdict on time, the other side, and the gate."""
    against = gate.against
    counts = Counter(outcome.time.verdict for outcome in gate.outcomes)
    verdicts = ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict])
    commit = f" ({short_commit(against.commit)})" if against.commit else ""
    rule = f"gate {100 * against.gates[Quantity.TIME]:g} %, {100 * gate.ignored:.3g} % ignored"
    timed = f"{counted(len(gate.outcomes), 'case')} timed beside {against.label}{commit}, {rule}"
    return f"{timed}: {verdicts}." if gate.outcomes else ""


def _sentence(group: Group, against: Against) -> str:
    """Return how the cases of a group ended, and why; '' if nothing at all differs."""
    lost = "no figures: " if group.ending is Ending.LOST else ""
    parts = [*filter(None, [_time(group, against), _why(group, against)])]
    return f"{lost}{_name(group)}: {'; '.join(parts)}" if parts else ""


def _name(group: Group) -> str:
    """Return the case of a group, or its strategies with the number of settings."""
    if len(group.cases) == 1:
        return case_in_words(group.cases[0])
    names, left = group.strategies[:_MOST_NAMES], len(group.strategies) - _MOST_NAMES
    more = f" and {left:,} more" if left > 0 else ""
    return f"{', '.join(names)}{more}, {len(group.cases):,} of {group.of:,} cases"


def case_in_words(case: Case) -> str:
    """Return a case's strategy, workload, sizes and other axes, in the order of the options."""
    return ", ".join([case.strategy, case.setting.workload, *case.setting.words])


def _time(group: Group, against: Against) -> str:
    """Return how the time of judged cases changed; '' where that is neither shown nor open."""
    for outcome in group.outcomes:
        if Quantity.TIME in outcome.worse + outcome.better:
            return _changes(Quantity.TIME, group.outcomes, f" than {against.label}")
        if group.ending in {Ending.UNDECIDED, Ending.UNDECIDED_FAILS}:
            largest = "the largest: " if len(group.outcomes) > 1 else ""
            return f"{largest}{undecided_in_words(outcome.time, against)}"
    return ""


def _why(group: Group, against: Against) -> str:
    """Return what is told of a group beside its time, as of its worst."""
    if group.pairs:
        return why_without_figures(group.pairs[0], against.label)
    outcome, label = group.outcomes[0], against.label
    changed = outcome.worse + outcome.better
    parts = [
        *([f"its peak memory can be read on {label} alone"] if outcome.lost_peak else []),
        *(f"{one.new:,.0f} {one.name} where {label} has {one.old:,.0f}" for one in outcome.broken),
        *(
            _changes(quantity, group.outcomes, f" than {label}" if quantity is changed[0] else "")
            for quantity in changed
            if quantity is not Quantity.TIME
        ),
        *(
            f"its {quantity} looks worse, and the run ended before it was tried again"
            for quantity in outcome.untried
        ),
        _changed_program(group),
    ]
    return "; ".join(filter(None, parts))


def why_without_figures(pair: Sides, label: str) -> str:
    """Return why a side of a pair, the new one if both, was not measured."""
    old, new = pair
    if new.status is Status.MEASURED:
        return why_not_compared(label, old)
    reason = f"{new.status}: {new.reason.removeprefix('breaks the law: ')}"
    if old.status is Status.MEASURED:
        return reason
    return f"{reason}, and {label} has no figures either: {old.status}"


def why_not_compared(label: str, other: Measurement) -> str:
    return f"not compared, since {label} has no figures: {other.status}: {other.reason}"


def _changes(quantity: Quantity, outcomes: Sequence[CaseOutcome], than: str) -> str:
    """Return the change of a quantity, with its interval if it is of one case alone."""
    changes = [outcome.changes[quantity] for outcome in outcomes]
    sizes = sorted(abs(math.expm1(change.value)) for change in changes)
    compared = _COMPARED[quantity][changes[0].value < 0]
    text = f"{_from_to(sizes[0], sizes[-1])} {compared}{than}"
    if len(changes) > 1:
        return text
    launches = counted(round(changes[0].launches), "launch")
    return f"{text} {percent_interval(changes[0])}, {launches}"


def _from_to(least: float, most: float, *, signed: bool = False) -> str:
    """Write shares as `7.9 %` or `7.9 to 12.3 %`, without decimals from 100 % on."""
    low, high = (percent(share, int(most < 1), signed=signed) for share in (least, most))
    return high if low == high else f"{low.removesuffix(' %')} to {high}"


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


def _changed_program(group: Group) -> str:
    """Return how programs differ, by operations or else by nodes, or ''; if they vary, once."""
    texts = [*filter(None, map(_program_of, group.outcomes))]
    if not texts:
        return ""
    alike = texts.count(texts[0])
    cases = len(group.outcomes)
    return texts[0] + (f" in {alike} of {cases}" if alike < cases else "")


def _program_of(outcome: CaseOutcome) -> str:
    if not (more := outcome.more_operations):
        changes = (change for change in outcome.facts if change.name == "graph_nodes")
        nodes = (f"{change.old:,.0f} graph nodes became {change.new:,.0f}" for change in changes)
        return next(nodes, "")
    kinds = ", ".join(f"{number:+,} {kind}" for kind, number in more[:_MOST_KINDS])
    left = len(more) - _MOST_KINDS
    return f"its program has {kinds}" + (f" and {left:,} more" if left > 0 else "")


def _not_judged(gate: GateFindings) -> Iterator[str]:
    """Yield the cases that were not compared or not timed."""
    alone = () if gate.against.undecided_fails else gate.not_compared
    reasons = {pair.new.case: why_not_compared(gate.against.label, pair.old) for pair in alone}
    reasons |= dict.fromkeys(gate.untimed, "same, not timed: both sides run the same program")
    yield from _up_to(_MOST_LINES, [f"{case_in_words(case)}: {reasons[case]}" for case in reasons])


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


# The tables --------------------------------------------------------------------------------------


def _table(groups: Sequence[Group], against: Against) -> Table:
    """Return a row for each group."""
    label = plain(against.label, NAME_LIMIT)
    table = Table(
        "gate",
        f"Against {label}",
        (
            Column("case", value=_name, limit=_LONGEST_CELL),
            Column("gate", value=lambda row: "fails" if row.fails else "passes"),
            Column("verdict", "time", _verdict),
            Column("change", f"beside {label}", _time_change),
            Column("why", None, partial(_why, against=against), limit=_LONGEST_CELL),
        ),
        groups,
    )
    return table.without_empty_columns()


def _verdict(group: Group) -> str:
    return next((str(outcome.time.verdict) for outcome in group.outcomes), "no figures")


def _time_change(group: Group) -> str:
    """Return the change of the time with its interval, or the least and the most of several."""
    times = [outcome.time for outcome in group.outcomes if not math.isnan(outcome.time.value)]
    if len(times) == 1 and math.isfinite(times[0].low):
        return f"{percent_more(times[0].value)} {percent_interval(times[0])}"
    sizes = sorted(math.expm1(time.value) for time in times)
    return _from_to(sizes[0], sizes[-1], signed=True) if sizes else ""
