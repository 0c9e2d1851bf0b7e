"""`timelift compare` and `timelift history`: what became slower, between two runs or over many."""

import argparse
import sys
from datetime import datetime
from pathlib import Path

from timelift.commands import EXIT_NOT_YES, RUN_NAMES, Options, add_gate, write_lines
from timelift.errors import UserError
from timelift.journal.files import find_run, own_results
from timelift.journal.lines import parse_time
from timelift.measure.options import option_named, split
from timelift.project import Project


def compare(options: Options, project: Project) -> int:
    """Compare two stored runs: which cases became suspect.

    Example: timelift compare 4f2c9d1 latest

    The runs were made at different times, so times are not compared. Each case is held against the
    other rivals of its setting in its own run, and the change of that ratio is judged by the
    launches of both runs and by what ratios move between sessions (learnt from the machine's other
    runs from three on, else assumed to be 1 %). A canary that slowed by half as much shows that the
    machine did; else a setting that rose as a whole is suspect. The result is suspects, not proofs:
    only `timelift bench --against REV` measures two revisions side by side.

    exit codes:
      0  compared (with --strict: and nothing is suspect)
      1  could not compare
      2  something is suspect, with --strict alone
    """
    from timelift.analyse.results import load_usual  # noqa: PLC0415
    from timelift.history import case_changes, compare_words, two_runs  # noqa: PLC0415
    from timelift.present import terminal  # noqa: PLC0415

    old, new = (load_usual(find_run(project.results, word)) for word in (options.old, options.new))
    if machines := two_runs.machine_differences(old, new):
        raise compare_words.refusal(machines, (options.old, options.new))
    sessions = case_changes.learn_sessions(project.results, old, new)
    compared = two_runs.compare_runs(old, new, sessions, options.gate)
    rows = sys.maxsize if options.all else compare_words.ROWS
    terminal.show(compare_words.document(compared, rows))
    return EXIT_NOT_YES if options.strict and compared.any_suspect else 0


def compare_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("old", metavar="OLD", help=f"the earlier run: {RUN_NAMES}")
    parser.add_argument("new", metavar="NEW", help="the later one, named alike")
    add_gate(parser, "the least change that counts")
    parser.add_argument(
        "--strict", action="store_true", help="exit with 2 where anything is suspect"
    )
    parser.add_argument("--all", action="store_true", help="print every case")


def history(options: Options, project: Project) -> int:
    """Report what became slower over a machine's runs, and since when.

    Example: timelift history --workloads tokens --since 2026-01-31

    Every case is compared with its rivals of the same run, over all runs under results/ (self-tests
    and results/*/against/ left out). A change needs three runs before it and three after it. Where
    most cases moved at once it was the machine if the canary moved by half as much, else they are
    slower together. Runs beside another program are left out where six others are there.

    exit codes:
      0  nothing is slower than it has been
      1  the runs cannot be read, or what was asked for is not among them
      2  a confirmed slow-down is still there, of cases or of most at once
    """
    since = _since(options.since)
    from timelift.history import history_words  # noqa: PLC0415
    from timelift.history.many_runs import read_history  # noqa: PLC0415
    from timelift.present import terminal  # noqa: PLC0415

    results = project.root / options.results if options.results else project.results
    whole = read_history(results, options.machine, since, options.gate)
    shown = whole.part(split(options.workloads), options.case)
    document = history_words.document(shown)
    terminal.show(document)
    from timelift.history.history_report import write_history  # noqa: PLC0415 - takes a second

    output = options.output or results / "report"
    written = write_history(
        shown,
        document,
        output,
        options.output or (results if options.results else own_results(project.root)),
    )
    write_lines(["", f"{output}: {', '.join(path.name for path in written)}"])
    return EXIT_NOT_YES if shown.findings.fails else 0


def history_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--machine", metavar="NAME", help="the machine (default: that of the newest run)"
    )
    parser.add_argument(
        "--workloads", default="", metavar="LIST", help="show the cases of these workloads"
    )
    option_named("results").add_to(parser.add_argument)
    parser.add_argument("--case", metavar="LABEL", help="show one case, or those of one setting")
    parser.add_argument(
        "--since",
        metavar="DATE",
        help="leave out runs before this date, such as 2026-01-31; use it to accept a change",
    )
    add_gate(parser, "the least change that counts")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="where history.md, history.csv, changes.csv and the figures go "
        "(default: results/report)",
    )


def _since(text: str | None) -> datetime | None:
    try:
        return None if text is None else parse_time(text)
    except ValueError:
        raise UserError(
            f"--since: expected a date, received {text!r}; write it as 2026-01-31"
        ) from None
