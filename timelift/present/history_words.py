"""A history in words and table cells; names are as the files wrote them until they are shown."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from timelift.analyse.changes.changes import CaseHistory
from timelift.analyse.changes.levels import ENOUGH_RIVALS
from timelift.analyse.changes.machine_moves import Move
from timelift.analyse.changes.reading import History
from timelift.analyse.changes.runs import RunHead, differences
from timelift.analyse.changes.segments import LEAST_RUNS
from timelift.analyse.changes.standing import WORSE, Change, Now

#: How rows are sorted: what is worse first.
_ORDER = {now: place for place, now in enumerate((Now.SLOWER, Now.CREPT, Now.FASTER))}
#: So many places of slow-downs have a line in the head.
_PLACES = 5
TITLES = ("case", "now", "ratio", "95 % interval", "since", "between commits", "runs", "with it")


@dataclass(frozen=True)
class Row:
    """A case that changed, as cells under `TITLES`."""

    now: Now
    cells: tuple[str, ...]


def head(history: History) -> Iterator[tuple[str, str]]:
    """Give the head of a history as pairs of a label and a text."""
    runs = history.runs
    yield "machine", history.machine.name
    cases = f"{len(history.found.cases)} of {len(history.cases)} cases"
    yield "runs", f"{len(runs)}, {runs[0].day} to {runs[-1].day}, {cases}"
    yield "ratio", _reference(history)
    for move in history.found.moves:
        yield "machine", moved(move, runs)
    yield from (("slower", line) for line in _together(history))
    yield "answer", answer(history)


def _together(history: History) -> Iterator[str]:
    """Say which slow-downs that are still there came at one place, the largest group first."""
    places = Counter(
        (one.since.before, one.since.after) for one in history.found.worse if one.since
    )
    for place, count in places.most_common(_PLACES):
        before, after = (history.runs[one] for one in place)
        many = f"{count} case{'s' if count > 1 else ''} from {after.day} on"
        yield f"{many}, between {before.commit} and {after.commit}{_with(before, after)}"


def _reference(history: History) -> str:
    counts = Counter(case.setting for case in history.cases)
    few = sum(count < ENOUGH_RIVALS for count in counts.values())
    text = "to what the median rival of the same setting and run did"
    if few:
        text += f"; in {few} settings of one or two rivals to the canary or the steadier rival"
    return text


def answer(history: History) -> str:
    """Say in a sentence how the latest runs stand."""
    if len(history.runs) < 2 * LEAST_RUNS:
        return (
            f"too few runs: a change needs {LEAST_RUNS} runs before it and {LEAST_RUNS} after it, "
            f"and there are {len(history.runs)}"
        )
    counts = Counter(one.now for one in history.found.cases)
    worse = sum(counts[now] for now in WORSE)
    first = f"{worse} slower than they have been" if worse else "nothing is slower than it was"
    others = (f"{counts[now]} {now}" for now in Now if now not in WORSE and counts[now])
    return f"{first} by {100 * history.gate:g} % or more; {', '.join(others)}".rstrip("; ")


def moved(move: Move, runs: Sequence[RunHead]) -> str:
    """Say that the machine moved, when, and what was other than before."""
    before, after = runs[move.before], runs[move.after]
    how = "against each other" if move.apart else f"by {percent(move.shift)}"
    return (
        f"moved between {before.day} and {after.day}, not the code: {move.share:.0%} of "
        f"{move.cases} cases {how} at once{_with(before, after)}"
    )


def _with(before: RunHead, after: RunHead) -> str:
    """Name what was otherwise after a change, as the end of a sentence."""
    other = differences(before, after)
    return f"; with it: {other}" if other else ""


def rows(history: History) -> list[Row]:
    """Give a row for each case that stands otherwise than it stood, the worst first."""
    changed = [one for one in history.found.cases if one.now in _ORDER]
    changed.sort(key=lambda one: (_ORDER[one.now], -abs(shown(one).shift), one.case))
    return [Row(one.now, cells(one, history.runs)) for one in changed]


def shown(one: CaseHistory) -> Change:
    """Give the change whose size is told: beside the best earlier level where it is slower."""
    found = one.worst or one.since
    if found is None:
        raise ValueError(f"{one.case.label}: nothing changed")
    return found


def cells(one: CaseHistory, runs: Sequence[RunHead]) -> tuple[str, ...]:
    """Write a case that changed, under `TITLES`."""
    size, since = shown(one), one.since or shown(one)
    before, after = runs[since.before], runs[since.after]
    return (
        one.case.label,
        str(one.now),
        f"{math.exp(size.shift):.3f}",
        f"[{math.exp(size.low):.3f}, {math.exp(size.high):.3f}]",
        after.day,
        f"{before.commit}..{after.commit}",
        str(one.eras[-1][-1].runs),
        differences(before, after),
    )


def past(history: History) -> Iterator[str]:
    """Say which changes are over or were answered by others."""
    for one in history.found.cases:
        for change in one.changes:
            if change != one.since:
                yield f"{one.case.label}: {changed(change, history.runs)}"


def changed(change: Change, runs: Sequence[RunHead]) -> str:
    """Say what a change was and between which commits."""
    before, after = runs[change.before], runs[change.after]
    where = f"from {after.day} on, between {before.commit} and {after.commit}"
    return f"{percent(change.shift)} {where}{_with(before, after)}"


def percent(shift: float) -> str:
    """Write a log ratio as a change in per cent."""
    return f"{math.expm1(shift):+.1%}"
