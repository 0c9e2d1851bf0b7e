"""Compare two stored runs: which cases became suspect, and what would decide about each.

Runs are of two moments, so times are not compared. Each case is held against the other rivals of
its setting in its own run, and the change of that ratio is judged by the launches of both runs and
by what ratios move between sessions (learnt from the machine's other runs from three on, else
assumed to be 1 %). The canary tells a machine that became slower. The result is suspects, never
convictions: only `pytest bench/ --against REV` measures two revisions side by side.

exit codes: 0 compared (with --strict: and nothing is suspect); 1 could not compare;
2 something is suspect, with --strict alone (and as everywhere where the usage is wrong).
With --across-machines always 0 or 1.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from timelift.analyse.runs import results
from timelift.analyse.runs.measured import load_usual
from timelift.analyse.runs.measurement import Run
from timelift.commands import share
from timelift.errors import UserError
from timelift.journal import of_same_machine

#: What history may cost: so many of the newest runs are read.
_HISTORY = 6
SUSPECT = 2


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the two runs, and how to judge them."""
    what = "a file, a folder, a machine, a run's or a baseline's name, a commit, or latest"
    parser.add_argument("old", metavar="OLD", help=what)
    parser.add_argument("new", metavar="NEW", help="the same")
    parser.add_argument(
        "--gate",
        type=share,
        default="3%",
        metavar="SHARE",
        help="the smallest slow-down that counts, such as 3%% or 0.03 (default: 3%%)",
    )
    parser.add_argument(
        "--strict", action="store_true", help="exit with 2 where anything is suspect"
    )
    parser.add_argument(
        "--across-machines",
        action="store_true",
        help="compare ratios between rivals although the machines differ; advisory",
    )
    parser.add_argument("--all", action="store_true", help="print every case")


def run(arguments: argparse.Namespace, root: Path) -> int:
    """Compare the two runs and print what changed."""
    paths = results.find(root / "results", [arguments.old, arguments.new])
    old, new = map(_load, paths)
    advisory = _refuse_other_machine(old, new, allowed=arguments.across_machines)
    from timelift.analyse.changes.judge import judge  # noqa: PLC0415
    from timelift.present import comparison, terminal  # noqa: PLC0415
    from timelift.present.comparison_notes import ROWS, Compared  # noqa: PLC0415

    history = [] if advisory else list(_history(root / "results", paths, new))
    findings = judge(old, new, history, arguments.gate)
    compared = Compared(old, new, findings, advisory)
    rows = sys.maxsize if arguments.all else ROWS
    comparison.show(compared, terminal.console(), rows)
    strict = arguments.strict and not arguments.across_machines
    return SUSPECT if strict and findings.any_suspect else 0


def _load(path: Path) -> Run:
    from timelift.analyse.changes.condense import condense  # noqa: PLC0415

    return condense(load_usual(path))


def _refuse_other_machine(old: Run, new: Run, *, allowed: bool) -> bool:
    """Say whether the machines differ; raises UserError where that is not allowed."""
    from timelift.analyse.changes.machines import (  # noqa: PLC0415
        identity_differences,
        in_words,
    )

    differences = identity_differences(old, new)
    if differences and not allowed:
        raise UserError(
            f"expected two runs of one machine, received others: {in_words(differences)}; "
            "compare ratios alone with --across-machines"
        )
    return bool(differences)


def _history(folder: Path, paths: list[Path], new: Run) -> Iterator[Run]:
    """Read the machine's other runs, the oldest first; those that cannot be read tell nothing."""
    from timelift.analyse.changes.condense import condense  # noqa: PLC0415

    for path in of_same_machine(folder, new.header.machine.name, paths)[-_HISTORY:]:
        try:
            yield condense(load_usual(path))
        except UserError:
            continue
