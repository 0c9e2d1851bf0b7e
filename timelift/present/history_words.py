"""A history in words; names are as the files wrote them until they are shown."""

from collections.abc import Iterator

from timelift.analyse.changes.history import History
from timelift.analyse.changes.segments import LEAST_RUNS
from timelift.analyse.changes.states import WORSE, LevelChange, MachineMove
from timelift.present.changed import FACTS, fact_in_words, percent
from timelift.present.differences import between

#: So many places of slow-downs have a line in the head.
_PLACES = 5


def head(history: History) -> Iterator[tuple[str, str]]:
    """Yield the head of a history as pairs of a label and a text."""
    runs = history.runs
    yield "machine", history.machine.name
    cases = f"{len(history.found.cases)} of {len(history.cases)} cases"
    yield "runs", f"{len(runs)}, {runs[0].day} to {runs[-1].day}, {cases}"
    yield "change", _reference(history)
    for move in history.found.moves:
        yield "machine", moved(move, history)
    yield from (("slower", line) for line in _together(history))
    yield from (("facts", line) for line in _facts(history))
    yield "answer", answer(history)


def _together(history: History) -> Iterator[str]:
    """Write which slow-downs that are still there came at one place, the largest group first."""
    for (first, second), count in history.found.worse_by_place[:_PLACES]:
        yield f"{count} case{'s' if count > 1 else ''} {_where(history, first, second)}"


def _facts(history: History) -> Iterator[str]:
    """Write which exact facts changed, the latest first: a fact and a place are one line."""
    for (before, after, name), changes in history.facts_by_place[:_PLACES]:
        what = f"{FACTS[name][0]} of {len(changes)} cases changed"
        if len(changes) == 1:
            what = f"{changes[0].case.label}: {fact_in_words(changes[0])}"
        yield f"{what} {_where(history, before, after)}"


def _where(history: History, first: int, second: int) -> str:
    """Write from when on something is otherwise, and what else is."""
    before, after = history.runs[first], history.runs[second]
    place = f"from {after.day} on, between {before.commit} and {after.commit}"
    return place + _with(history, first, second)


def _reference(history: History) -> str:
    text = "beside what the median rival of the same setting and run did"
    if few := history.few_rivals:
        text += f"; in {few} settings of one or two rivals beside the canary or the steadier rival"
    return text


def answer(history: History) -> str:
    """Write in a sentence how the latest runs stand."""
    if history.too_short:
        return (
            f"too few runs: a change needs {LEAST_RUNS} runs before it and {LEAST_RUNS} after it, "
            f"and there are {len(history.runs)}"
        )
    counts, worse = history.found.counts, len(history.found.worse)
    first = f"{worse} slower than they have been" if worse else "nothing is slower than it was"
    others = ", ".join(f"{count} {state}" for state, count in counts.items() if state not in WORSE)
    why = f"; a change needs {2 * LEAST_RUNS} runs of a case" if history.found.too_few_runs else ""
    return f"{first} by {100 * history.gate:g} % or more; {others}".rstrip("; ") + why


def moved(move: MachineMove, history: History) -> str:
    """Write that the machine moved, when, and what was other than before."""
    before, after = history.runs[move.before], history.runs[move.after]
    how = "against each other" if move.apart else f"by {percent(move.shift)}"
    return (
        f"moved together between {before.day} and {after.day}, not the code: {move.share:.0%} of "
        f"{move.cases} cases {how} at once{_with(history, move.before, move.after)}"
    )


def _with(history: History, before: int, after: int) -> str:
    """Name what was otherwise after a change, as the end of a sentence."""
    other = between(history.differences(before, after))
    return f"; with it: {other}" if other else ""


def past(history: History) -> Iterator[str]:
    """Write which changes are over or were answered by others."""
    for one in history.found.cases:
        for change in one.past:
            yield f"{one.case.label}: {changed(change, history)}"


def changed(change: LevelChange, history: History) -> str:
    """Write what a change was and between which commits."""
    return f"{percent(change.shift)} {_where(history, change.before, change.after)}"
