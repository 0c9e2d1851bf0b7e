"""The decision: which strategy a run says to use, and when it does not say."""

from collections.abc import Iterable

from timelift.analyse.choose.answers import Choice, Doubt, Undecided
from timelift.analyse.choose.by_fact import by_fact
from timelift.analyse.choose.by_time import by_time
from timelift.analyse.choose.place import alike, place
from timelift.analyse.choose.question import Goal, Question
from timelift.analyse.runs.measurement import Run
from timelift.analyse.stats import lifts
from timelift.case import Setting


def decide(question: Question, run: Run) -> Choice | Undecided:
    """Answer a question from what was measured; look-alikes, which are no lifts, are left out."""
    ranked = {one.setting: one for one in lifts.rank(run) if one.rows}
    where = place(question.setting, ranked)
    if where is None:
        return _outside(question.setting, ranked)
    if any(len(ranked[corner].rows) == 1 for corner in where.corners):
        return Undecided(Doubt.ALONE)
    if question.goal is Goal.TIME:
        return by_time(where, ranked, lifts.lifts(run), question.setting)
    return by_fact(question.goal, where, lifts.lifts(run))


def _outside(asked: Setting, known: Iterable[Setting]) -> Undecided:
    """Return what was measured instead."""
    near = [one for one in known if alike(one, asked)]
    if not near:
        return Undecided(Doubt.NOT_MEASURED)
    lengths, batches = ([getattr(one, axis) for one in near] for axis in ("seq_len", "batch"))
    return Undecided(
        Doubt.OUTSIDE,
        lengths=(min(lengths), max(lengths)),
        batches=(min(batches), max(batches)),
    )
