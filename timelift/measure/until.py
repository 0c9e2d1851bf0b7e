"""`--until 0.3%`: one question, measured until its ratios are known as closely as was asked."""

from collections.abc import Collection, Mapping
from typing import Any

from timelift.case import AXIS_FLAGS, Case, option_flag, several_valued
from timelift.errors import UserError, counted
from timelift.measure.other_side import OTHER_SIDES

#: The options that are not given. Each launch has its price, so rounds go on in it until they are
#: no longer what limits the ratio.
USUAL: Mapping[str, str] = {"launches": "3-999", "round_seconds": "0.5"}
#: Launches beyond the fewest begin until so many seconds have passed, where no budget is given.
SPARE_SECONDS = 300.0
_FEWEST_STRATEGIES, _MOST_STRATEGIES = 2, 4


def refuse_other_questions(options: Mapping[str, Any], *, selftest: bool) -> None:
    """Raise UserError where what is asked for has a rule of its own for when to stop."""
    others = [option_flag(name) for name in OTHER_SIDES if options[name]]
    others += ["--selftest"] if selftest else []
    if others:
        raise UserError(
            "--until: expected strategies to compare with each other until a ratio is known, "
            f"received {others[0]}, which has a rule of its own for when to stop; leave out one"
        )


def refuse_many_questions(cases: Collection[Case]) -> None:
    """Raise UserError unless the cases are one setting of few strategies."""
    settings = {case.setting for case in cases}
    names = {case.strategy for case in cases}
    if len(settings) == 1 and _FEWEST_STRATEGIES <= len(names) <= _MOST_STRATEGIES:
        return
    flags = [AXIS_FLAGS[axis] for axis in several_valued(settings)]
    remedies = [f"name one value for {' and '.join(flags)}"] if flags else []
    if not _FEWEST_STRATEGIES <= len(names) <= _MOST_STRATEGIES:
        remedies.append(
            f"name {_FEWEST_STRATEGIES} to {_MOST_STRATEGIES} strategies with --strategies"
        )
    raise UserError(
        f"--until answers one question: expected one setting and {_FEWEST_STRATEGIES} to "
        f"{_MOST_STRATEGIES} strategies, received {counted(len(settings), 'setting')} of "
        f"{counted(len(names), 'strategy')}; {' and '.join(remedies)}"
    )
