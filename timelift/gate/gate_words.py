"""The findings of an --against run in words: which cases fail its gate, and the other outcomes."""

import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter

from timelift.analyse.verdicts import Verdict
from timelift.axis_values import Status
from timelift.case import Case
from timelift.errors import counted, first_few
from timelift.escape import NAME_LIMIT, plain
from timelift.gate.outcomes import CaseOutcome, Ending, GateFindings, gate_rules
from timelift.gate.rule import JudgedChange
from timelift.journal.lines import Against, Quantity, short_commit
from timelift.measurement import Measurement
from timelift.present.answer import NOT_DECIDED
from timelift.present.document import SCREEN_LINES, Block, Document, More, Shown
from timelift.present.summary import TITLE
from timelift.present.tables import Column, Table
from timelift.present.words import percent, percent_interval, percent_more

#: What a screen says of the sentences that it has no room for.
_MORE = More(SCREEN_LINES, "more line", "report.md and the page have them")
#: The most names in a line.
_MOST_NAMES = 8
#: How many kinds of operations are named.
_MOST_KINDS = 6
#: Characters after which a cell of the table is cut.
_LONGEST_CELL = 400
#: A detectable change larger than this, a log ratio, tells nothing about the case.
_LARGEST_DETECTABLE = math.log(2)
#: Why a suspect was not tried in fresh launches.
_UNTRIED = "--budget, -x or Ctrl-C ended the run before it was tried again"
#: How a quantity that became worse is told, and one that became better.
_COMPARED = {
    Quantity.TIME: ("slower", "faster"),
    Quantity.FIRST_CALL: ("longer first call", "shorter first call"),
    Quantity.MEMORY: ("more peak memory", "less peak memory"),
}


@dataclass(frozen=True)
class _Row:
    """Cases of a strategy that ended alike, the worst first; it has `of` cases in all."""

    outcomes: Sequence[CaseOutcome]
    of: int = 1

    @property
    def worst(self) -> CaseOutcome:
        return self.outcomes[0]

    @property
    def verdict(self) -> str:
        return self.worst.time.verdict if self.worst.changes else "no figures"


def document(gate: GateFindings) -> Document:
    """Return what is shown of a run against another side: a sentence a row, and tables."""
    outcomes = sorted(gate.outcomes, key=attrgetter("gravity"))
    rows, every_case = [*_alike(outcomes)], [_Row([outcome]) for outcome in outcomes]
    told = tuple(filter(None, (_sentence(row, gate.against) for row in rows)))
    others = (*_other_weights(outcomes), *_changed_names(gate.against))
    return Document(
        title=TITLE,
        answer=_headline(gate, outcomes),
        below=_counts(gate),
        fits_a_screen=True,
        blocks=(
            Block(sentences=told, more=_MORE),
            Block(name="also", sentences=others),
            Block(name="answer", table=_table(rows, gate), shown=Shown.ON_PAGE),
            Block(name="copies", table=_table(every_case, gate), shown=Shown.ON_PAGE),
        ),
    )


def nothing_compared(against: Against, reasons: Iterable[str]) -> Document:
    """Return that no case was compared, with the reasons, those of most cases first."""
    counts = Counter(reasons).most_common(_MOST_NAMES)
    why = (f"{counted(count, 'case')}: {reason}" for reason, count in counts)
    return Document(
        answer=f"Nothing was compared with {against.label}.",
        blocks=(Block(sentences=(*why, *_changed_names(against))),),
    )


def failures(gate: GateFindings) -> dict[Case, str]:
    """Return each case of a run against another side that fails its gate, with the reason."""
    return _told_alone(gate.against, filter(gate.fails, gate.outcomes))


def not_compared(gate: GateFindings) -> dict[Case, str]:
    """Return each case that passes since the other side has no figures, with the reason."""
    passes = (outcome for outcome in gate.outcomes if not gate.fails(outcome))
    return _told_alone(gate.against, (outcome for outcome in passes if outcome.unmeasured))


def _told_alone(against: Against, outcomes: Iterable[CaseOutcome]) -> dict[Case, str]:
    return {outcome.case: _sentence(_Row([outcome]), against) for outcome in outcomes}


def _alike(outcomes: Sequence[CaseOutcome]) -> Iterator[_Row]:
    """Yield the cases that are told together, in the order of their worst."""
    rows = defaultdict[Hashable, list[CaseOutcome]](list)
    for outcome in outcomes:
        broken, sides = tuple(change.name for change in outcome.broken), outcome.unmeasured or ()
        told = broken, outcome.worse, outcome.better, outcome.untried
        statuses = tuple(side.status for side in sides)
        rows[outcome.case.strategy, outcome.ending, statuses, told].append(outcome)
    cases = Counter(outcome.case.strategy for outcome in outcomes)
    for row in rows.values():
        yield _Row(row, cases[row[0].case.strategy])


# Sentences ---------------------------------------------------------------------------------------


def _headline(gate: GateFindings, outcomes: Sequence[CaseOutcome]) -> str:
    """Return in one sentence how many cases fail the gate, and how they ended."""
    label, failed = gate.against.label, [*filter(gate.fails, outcomes)]
    cases = counted(len(outcomes), "case")
    if not (failed or any(outcome.changes for outcome in outcomes)):
        return f"No case was measured on both sides, so nothing is known beside {label}."
    if not failed:
        return _headline_without_failures(outcomes, label)
    endings = Counter(outcome.ending for outcome in failed).items()
    why = ", ".join(f"{count:,} {ending}" for ending, count in endings)
    fail = "fails" if len(failed) == 1 else "fail"
    return f"{len(failed):,} of {cases} {fail} the gate against {label}: {why}."


def _headline_without_failures(outcomes: Sequence[CaseOutcome], label: str) -> str:
    """Write that no case fails, and for undecided cases the slow-down that would pass.

    The gate is not decided if most cases are undecided.
    """
    undecided = [outcome for outcome in outcomes if outcome.ending is Ending.UNDECIDED]
    start = f"{NOT_DECIDED}: none" if 2 * len(undecided) > len(outcomes) else "None"
    text = f"{start} of {counted(len(outcomes), 'case')} fails the gate against {label}"
    if not undecided:
        return f"{text}."
    are = "is" if len(undecided) == 1 else "are"
    return f"{text}, but {len(undecided):,} {are} undecided: {_would_pass(undecided)}."


def _would_pass(undecided: Iterable[CaseOutcome]) -> str:
    """Return the largest slow-down that the undecided cases would not have shown."""
    times = [outcome.time for outcome in undecided if outcome.changes]
    if any(time.left_untried for time in times):
        return "what looks changed was not tried again"
    sizes = [time.detectable for time in times]
    if sizes and all(size < _LARGEST_DETECTABLE for size in sizes):
        return f"up to {percent(math.expm1(max(sizes)))} slower would pass"
    return "even twice as slow would pass"


def _counts(gate: GateFindings) -> str:
    """Return the number of cases with each verdict on time, the other side, and the gate."""
    against = gate.against
    counts = Counter(outcome.time.verdict for outcome in gate.outcomes if outcome.changes)
    verdicts = ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict])
    commit = f" ({short_commit(against.commit)})" if against.commit else ""
    ignored = math.expm1(gate_rules(against)[Quantity.TIME].log_ignored)
    rule = f"gate {100 * against.gates[Quantity.TIME]:g} %, {100 * ignored:.3g} % ignored"
    timed = f"{counted(counts.total(), 'case')} timed beside {against.label}{commit}, {rule}"
    return f"{timed}: {verdicts}." if counts else ""


def _sentence(row: _Row, against: Against) -> str:
    """Return how cases ended that are told together, and why; '' if nothing at all differs."""
    lost = "no figures: " if row.worst.ending is Ending.LOST else ""
    parts = [*filter(None, [_time(row, against), _why(row, against)])]
    return f"{lost}{_name(row)}: {'; '.join(parts)}" if parts else ""


def _name(row: _Row) -> str:
    """Return the case of a row, or its strategy with the number of cases."""
    if len(row.outcomes) == 1:
        return row.worst.case.label
    return f"{row.worst.case.strategy}, {len(row.outcomes):,} of {row.of:,} cases"


def _time(row: _Row, against: Against) -> str:
    """Return how the time of judged cases changed; '' where that is neither shown nor open."""
    worst = row.worst
    if Quantity.TIME in worst.worse + worst.better:
        return _changes(Quantity.TIME, row, against)
    if worst.changes and worst.ending is Ending.UNDECIDED:
        largest = "the largest: " if len(row.outcomes) > 1 else ""
        return f"{largest}{undecided_in_words(worst.time, against)}"
    return ""


def _why(row: _Row, against: Against) -> str:
    """Return what is told of a row beside its time, as of its worst."""
    worst, label = row.worst, against.label
    if worst.unmeasured:
        return _why_without_figures(*worst.unmeasured, label)
    parts = [
        *(f"{one.new:,.0f} {one.name} where {label} has {one.old:,.0f}" for one in worst.broken),
        *(
            _changes(quantity, row, against)
            for quantity in worst.worse + worst.better
            if quantity is not Quantity.TIME
        ),
        _changed_program(row),
    ]
    if worst.untried:
        looked = f"its {' and its '.join(worst.untried)} looked worse"
        broken = "was not tried again: more traces fail it already"
        parts.append(f"{looked}, and {broken if worst.broken else _UNTRIED}")
    return "; ".join(filter(None, parts))


def _why_without_figures(old: Measurement, new: Measurement, label: str) -> str:
    """Return why a side of a case, the new one if both, was not measured."""
    if new.status is Status.MEASURED:
        return f"not compared, since {label} has no figures: {old.status}: {old.reason}"
    reason = f"{new.status}: {new.reason}"
    if old.status is Status.MEASURED:
        return reason
    return f"{reason}, and {label} has no figures either: {old.status}"


def _changes(quantity: Quantity, row: _Row, against: Against) -> str:
    """Return the change of a quantity, with its interval if it is of one case alone."""
    changes = [outcome.changes[quantity] for outcome in row.outcomes]
    if math.isnan(changes[0].value):
        return f"its {quantity} can be read on {against.label} alone"
    sizes = sorted(abs(math.expm1(change.value)) for change in changes)
    compared = _COMPARED[quantity][changes[0].value < 0]
    text = f"{_from_to(sizes[0], sizes[-1])} {compared} than {against.label}"
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
        seen = f"it looks changed, and {_UNTRIED}"
    elif time.detectable < _LARGEST_DETECTABLE:
        seen = f"a change of {percent(math.expm1(time.detectable))} would have been seen"
    else:
        seen = "too few launches to see even a case that takes twice as long"
    has_interval = math.isfinite(time.low)
    interval = percent_interval(time) if has_interval else "(no interval from so few launches)"
    return f"{beside}: {percent_more(time.value)} {interval}, and {seen}"


def _changed_program(row: _Row) -> str:
    """Return how a program differs, and in how many cases just so if not in all; or ''."""
    cases = len(row.outcomes)
    texts = Counter(filter(None, map(_program_of, row.outcomes)))
    text, alike = next(iter(texts.items()), ("", cases))
    others = ", other operations in others" if len(texts) > 1 else ""
    return text if alike == cases else f"{text} in {alike} of {cases}{others}"


def _program_of(outcome: CaseOutcome) -> str:
    """Return how the program of a case differs, by its operations or else by its nodes, or ''."""
    if not (more := outcome.more_operations):
        changes = (change for change in outcome.facts if change.name == "graph_nodes")
        nodes = (f"{change.old:,.0f} graph nodes became {change.new:,.0f}" for change in changes)
        return next(nodes, "")
    kinds = [f"{number:+,} {kind}" for kind, number in more]
    return f"its program has {first_few(kinds, _MOST_KINDS)}"


def _other_weights(outcomes: Iterable[CaseOutcome]) -> Iterator[str]:
    """Yield the workloads whose count of weights differs: the only sign of another layer."""
    facts = (fact for outcome in outcomes for fact in outcome.facts if fact.name == "weights")
    texts = (
        f"{fact.case.setting.workload} has {fact.new:,.0f} for {fact.old:,.0f}" for fact in facts
    )
    named = [f"{text} ({counted(count, 'case')})" for text, count in Counter(texts).items()]
    if named:
        yield f"other weights: {first_few(named, _MOST_NAMES)}; they pass or fail by what they cost"


def _changed_names(against: Against) -> Iterator[str]:
    """Yield the names of what differs between the sides as a whole, a line a kind."""
    kinds = {
        "new": against.new,
        "removed": against.removed,
        "unchanged, and not measured": against.unchanged,
        "versions, there and here": [
            f"{package} {there} and {here}" for package, (there, here) in against.versions.items()
        ],
    }
    for kind, names in kinds.items():
        if names:
            yield f"{kind}: {first_few(names, _MOST_NAMES)}"


# The tables --------------------------------------------------------------------------------------


def _table(rows: Sequence[_Row], gate: GateFindings) -> Table:
    label, why = plain(gate.against.label, NAME_LIMIT), partial(_why, against=gate.against)
    table = Table(
        "gate",
        f"Against {label}",
        (
            Column("case", value=_name, limit=_LONGEST_CELL),
            Column("gate", value=lambda row: "fails" if gate.fails(row.worst) else "passes"),
            Column("verdict", "time", lambda row: row.verdict),
            Column("change", f"beside {label}", _time_change),
            Column("why", value=why, limit=_LONGEST_CELL),
        ),
        rows,
    )
    return table.without_empty_columns()


def _time_change(row: _Row) -> str:
    """Return the change of the time with its interval, or the least and the most of several."""
    timed = [outcome.time for outcome in row.outcomes if outcome.changes]
    times = [time for time in timed if not math.isnan(time.value)]
    if len(times) == 1 and math.isfinite(times[0].low):
        return f"{percent_more(times[0].value)} {percent_interval(times[0])}"
    sizes = sorted(math.expm1(time.value) for time in times)
    return _from_to(sizes[0], sizes[-1], signed=True) if sizes else ""
