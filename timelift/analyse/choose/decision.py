"""The decision: which strategy a run says to use, and when it does not say."""

from collections.abc import Iterable

from timelift.analyse.choose.answers import Choice, Open
from timelift.analyse.choose.by_fact import by_fact
from timelift.analyse.choose.by_time import by_time
from timelift.analyse.choose.place import alike, place
from timelift.analyse.choose.question import Goal, Question
from timelift.analyse.runs.measurement import Run
from timelift.analyse.stats import lifts
from timelift.case import Setting


def decide(question: Question, run: Run) -> Choice | Open:
    """Answer a question from what was measured; look-alikes, which are no lifts, are left out."""
    ranked = {one.setting: one for one in lifts.rank(run) if one.rows}
    where = place(question.setting, ranked)
    if where is None:
        return Open(_outside(question.setting, ranked))
    if any(len(ranked[corner].rows) == 1 for corner in where.corners):
        return Open("a strategy was measured alone, beside no other")
    if question.goal is Goal.TIME:
        return by_time(where, ranked, lifts.lifts(run), question.setting)
    return by_fact(question.goal, where, lifts.lifts(run))


def _outside(asked: Setting, known: Iterable[Setting]) -> str:
    """Say what was measured instead."""
    near = [one for one in known if alike(one, asked)]
    if not near:
        return "no size of it was measured"
    lengths, batches = ({getattr(one, axis) for one in near} for axis in ("seq_len", "batch"))
    sizes = f"{_range(lengths)} steps and batch {_range(batches)}"
    return f"{sizes} were measured, and nothing is extrapolated"


def _range(sizes: set[int]) -> str:
    return f"{min(sizes)} to {max(sizes)}" if len(sizes) > 1 else str(min(sizes))
