"""A history in words; names are as the files wrote them until they are shown."""

import math
from collections.abc import Iterator

from timelift.analyse.changes.machine_moves import Move
from timelift.analyse.changes.reading import History
from timelift.analyse.changes.segments import LEAST_RUNS
from timelift.analyse.changes.standing import WORSE, Change
from timelift.present.differences import between

#: So many places of slow-downs have a line in the head.
_PLACES = 5


def head(history: History) -> Iterator[tuple[str, str]]:
    """Return the head of a history as pairs of a label and a text."""
    runs = history.runs
    yield "machine", history.machine.name
    cases = f"{len(history.found.cases)} of {len(history.cases)} cases"
    yield "runs", f"{len(runs)}, {runs[0].day} to {runs[-1].day}, {cases}"
    yield "ratio", _reference(history)
    for move in history.found.moves:
        yield "machine", moved(move, history)
    yield from (("slower", line) for line in _together(history))
    yield "answer", answer(history)


def _together(history: History) -> Iterator[str]:
    """Write which slow-downs that are still there came at one place, the largest group first."""
    for (first, second), count in history.found.worse_by_place[:_PLACES]:
        before, after = history.runs[first], history.runs[second]
        many = f"{count} case{'s' if count > 1 else ''} from {after.day} on"
        with_it = _with(history, first, second)
        yield f"{many}, between {before.commit} and {after.commit}{with_it}"


def _reference(history: History) -> str:
    text = "to what the median rival of the same setting and run did"
    if few := history.few_rivals:
        text += f"; in {few} settings of one or two rivals to the canary or the steadier rival"
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
    others = (f"{count} {now}" for now, count in counts.items() if now not in WORSE)
    return f"{first} by {100 * history.gate:g} % or more; {', '.join(others)}".rstrip("; ")


def moved(move: Move, history: History) -> str:
    """Write that the machine moved, when, and what was other than before."""
    before, after = history.runs[move.before], history.runs[move.after]
    how = "against each other" if move.apart else f"by {percent(move.shift)}"
    return (
        f"moved between {before.day} and {after.day}, not the code: {move.share:.0%} of "
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


def changed(change: Change, history: History) -> str:
    """Write what a change was and between which commits."""
    before, after = history.runs[change.before], history.runs[change.after]
    where = f"from {after.day} on, between {before.commit} and {after.commit}"
    return f"{percent(change.shift)} {where}{_with(history, change.before, change.after)}"


def percent(shift: float) -> str:
    """Write a log ratio as a change in per cent."""
    return f"{math.expm1(shift):+.1%}"
