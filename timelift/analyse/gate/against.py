"""What a run was measured against, and which case is the other side of which."""

from timelift.analyse.runs.measurement import Run
from timelift.case import Case
from timelift.errors import UserError
from timelift.journal import Against


def of_run(run: Run) -> Against | None:
    """Return what a run was measured against, None for a usual run; raises UserError if damaged."""
    if why := run.header.damaged_against:
        raise UserError(
            f"expected the journal's header to say what it was measured against, but {why!r}; "
            "measure again with --against"
        )
    return run.header.against


def other_sides(run: Run) -> dict[Case, Case]:
    """Return each case that has another side, and that side's case."""
    strategies = run.header.strategies
    of = {name: of for name, one in strategies.items() if (of := one.other_side_of) is not None}
    cases = [one.case for one in run.measurements]
    return {Case(case.setting, of[case.strategy]): case for case in cases if case.strategy in of}
