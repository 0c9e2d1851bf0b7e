"""From advice to changed source, once the changed model has been tried."""

from collections.abc import Iterator, Mapping

from timelift.advise.advice import ModelAdvice, Outcome
from timelift.advise.outcome_words import Pages, arrow, written_instead
from timelift.advise.races import Ask, race_edited
from timelift.advise.rewrite import WRITTEN, Edit, NotRewrittenError, edits
from timelift.axis_values import Status
from timelift.errors import counted
from timelift.present.answer import speed_up_in_words
from timelift.project import Project

#: Keras names the weights in a file by the classes of their layers.
_WEIGHTS = """\
stored .weights.h5 files do not load into the changed model; carry weights over with
  numpy.savez("weights.npz", *model.get_weights())  # of the model as it is, its weights loaded
  model.set_weights([*numpy.load("weights.npz").values()])  # of the changed model
"""


def tried_edits(
    project: Project, advice: ModelAdvice, pages: Pages, ask: Ask, texts: Mapping[str, str]
) -> tuple[list[Edit], Outcome]:
    """Return the edits of a user's source, and what the model that they make has shown.

    Raises NotRewrittenError where there are none, or that model is not shown faster.
    """
    found = edits(advice, project, pages)
    outcome = race_edited(ask, advice, found, texts)
    if outcome.status is not Status.MEASURED:
        raise NotRewrittenError(f"the changed model: {outcome.end}")
    if not outcome.is_better:
        shown = speed_up_in_words(outcome.speed_up) if outcome.is_compared else "nothing"
        raise NotRewrittenError(f"the changed model is not shown faster ({shown})")
    return found, outcome


def in_words(
    advice: ModelAdvice, found: list[Edit], outcome: Outcome, pages: Pages, *, written: bool
) -> Iterator[str]:
    """Yield what was tried and is shown or written, and what it means for stored weights."""
    yield from _WEIGHTS.splitlines()
    for one in advice.lifts:
        if one.is_change and one.strategy != WRITTEN:
            instead = written_instead(one.lift, one.strategy, pages)
            yield f"{one.lift.label} could be {instead} too, which drops a name"
    gain = f"{speed_up_in_words(outcome.speed_up)} times as fast"
    if not outcome.is_faster:
        gain = f"not shown slower ({gain}), its first call {arrow(outcome.first_call)}"
    files = f"{counted(len(found), 'file')} {'written' if written else 'to change'}"
    yield f"the changed model is {gain}, by the same law: {files}"
