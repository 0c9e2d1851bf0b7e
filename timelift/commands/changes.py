"""What became slower: between two runs, and over many."""

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from timelift.analyse.measurement import condense
from timelift.analyse.results import load_usual
from timelift.commands import EXIT_NOT_YES, Options, write_lines
from timelift.errors import UserError
from timelift.journal.files import find, runs_of_machine
from timelift.journal.lines import parse_time
from timelift.measure.options import split
from timelift.project import Project

if TYPE_CHECKING:
    from datetime import datetime

    from timelift.analyse.measurement import Run

#: What `compare` reads at the most to learn what moves between sessions.
_SESSIONS = 6


def compare(options: Options, project: Project) -> int:
    """Compare two stored runs: which cases became suspect, and what would decide about each.

    The runs were made at different times, so times are not compared. Each case is held against the
    other rivals of its setting in its own run, and the change of that ratio is judged by the
    launches of both runs and by what ratios move between sessions (learnt from the machine's other
    runs from three on, else assumed to be 1 %). A slower canary shows that the machine slowed down.
    The result is suspects, not proofs: only `timelift bench --against REV` measures two revisions
    side by side.

    exit codes: 0 compared (with --strict: and nothing is suspect); 1 could not compare;
    2 something is suspect, with --strict alone.
    With --across-machines always 0 or 1.
    """
    from timelift.history import comparison  # noqa: PLC0415
    from timelift.history.two_runs import compare_runs  # noqa: PLC0415
    from timelift.present import terminal  # noqa: PLC0415

    paths = find(project.results, [options.old, options.new])
    old, new = (condense(load_usual(path)) for path in paths)
    advisory = _on_other_machines(old, new, allowed=options.across_machines)
    sessions = [] if advisory else _sessions(project.results, paths, new)
    found = compare_runs(old, new, sessions, options.gate, advisory=advisory)
    rows = sys.maxsize if options.all else comparison.ROWS
    comparison.show(found, terminal.console(), rows)
    strict = options.strict and not options.across_machines
    return EXIT_NOT_YES if strict and found.any_suspect else 0


def _on_other_machines(old: "Run", new: "Run", *, allowed: bool) -> bool:
    """True if the machines differ; raises UserError where that is not allowed."""
    from timelift.history.comparison import differences_in_words  # noqa: PLC0415
    from timelift.history.two_runs import identity_differences  # noqa: PLC0415

    differences = identity_differences(old, new)
    if differences and not allowed:
        raise UserError(
            f"expected two runs of one machine, received others: "
            f"{differences_in_words(differences)}; "
            "compare ratios alone with --across-machines"
        )
    return bool(differences)


def _sessions(folder: Path, paths: list[Path], new: "Run") -> list["Run"]:
    """Return the latest of the machine's other runs that can be read, the oldest first."""
    found: list[Run] = []
    for path in reversed(runs_of_machine(folder, new.header.machine, paths)):
        if len(found) < _SESSIONS:
            with contextlib.suppress(UserError):
                found.append(condense(load_usual(path)))
    return found[::-1]


def history(options: Options, project: Project) -> int:
    """Report what became slower over a machine's runs, since when, and whether the machine changed.

    Every case is compared with its rivals of the same run, over all runs under results/ (self-tests
    and results/*/against/ left out). A change needs three runs before it and three after it.

    exit code:
      0  nothing is slower than it has been
      2  a slow-down that runs have confirmed is still there
      1  the runs cannot be read, or what was asked for is not among them
    """
    since = _since(options.since)
    from timelift.history import history_words as history_report  # noqa: PLC0415
    from timelift.history.run_series import HistoryOptions, read  # noqa: PLC0415
    from timelift.present import terminal  # noqa: PLC0415

    folder = project.results
    workloads = split(options.workloads)
    wanted = HistoryOptions(options.machine, tuple(workloads), options.case, since, options.gate)
    found = read(folder, wanted)
    history_report.show(found, terminal.console())
    output = options.output or folder / "report"
    from timelift.history.history_figure import write_history  # noqa: PLC0415 - takes a second

    written = write_history(found, output)
    write_lines(["", f"{output}: {', '.join(one.name for one in written)}"])
    return EXIT_NOT_YES if found.findings.worse else 0


def _since(text: str | None) -> "datetime | None":
    try:
        return None if text is None else parse_time(text)
    except ValueError:
        raise UserError(
            f"--since: expected a date, received {text!r}; write it as 2026-01-31"
        ) from None
