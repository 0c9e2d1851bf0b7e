"""Runs that hold what commands work on: measurements, and for some of strategies, not of twins."""

from pathlib import Path

from timelift.analyse.runs.measurement import Run
from timelift.analyse.runs.results import load
from timelift.errors import UserError


def load_measured(path: Path) -> Run:
    """Read a run; raises UserError where nothing was measured in it."""
    run = load(path)
    if not any(one.launches for one in run.measurements):
        raise UserError(
            f"expected measurements in {str(path)!r}, found none; let the run go on or name another"
        )
    return run


def load_usual(path: Path) -> Run:
    """Read a run of strategies; raises UserError where it raced them against twins."""
    run = load_measured(path)
    refuse_twins(run, path)
    return run


def refuse_twins(run: Run, path: Path) -> None:
    """Raise UserError where a run raced strategies against twins, of which none is an answer."""
    if run.header.races_twins:
        raise UserError(
            f"expected a usual run, received one against twins, {str(path)!r}, whose answer is its "
            "own; name a run of pytest bench/ without --against or --selftest"
        )
