"""`timelift report`: the answer and page of a run, or the tables of its workloads."""

import argparse
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from timelift.commands import RUN_NAMES, Options, add_baseline, argument_type, write_lines
from timelift.errors import UserError, nearest, read_folder
from timelift.journal.files import NamedRuns, find_run, is_latest, own_results, runs_under
from timelift.project import Project

if TYPE_CHECKING:
    from timelift.analyse.findings import RunFindings
    from timelift.present.summary import Additions


def report(options: Options, project: Project) -> int:
    """Write a run's page, and print in a screenful what to write.

    Example: timelift report latest tokens

    The first words are runs if they name any; else the run is the latest, and all words are
    workloads, of which every setting is printed instead. Where a workload has the name of a run,
    write the run first: report latest NAME. Several runs, of shards, further launches or other
    machines, are put together.
    """
    runs, workloads = _runs_and_workloads(project, options.words)
    if workloads:
        _print_tables(runs, workloads, options, project)
        return 0
    output = options.output or project.results / "report"
    _write_report(runs, output, options, project)
    if options.open:
        import webbrowser  # noqa: PLC0415

        page = output / "index.html"
        if not webbrowser.open(page.resolve().as_uri()):
            write_lines([f"no browser was found here; open {page} in yours"])
    return 0


def report_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "words",
        nargs="*",
        metavar="[RUN ...] [WORKLOAD ...]",
        help=f"{RUN_NAMES} (default: latest), or several to put together; then the workloads whose "
        "tables are printed instead",
    )
    parser.add_argument(
        "--output",
        type=argument_type(read_folder),
        metavar="FOLDER",
        help="where index.html, report.md, measurements.csv, tables/ and figures/ go "
        "(default: results/report)",
    )
    add_baseline(parser)
    parser.add_argument("--open", action="store_true", help="open the page in a browser")


def _runs_and_workloads(project: Project, words: Sequence[str]) -> tuple[NamedRuns, Sequence[str]]:
    """Return the runs, each with the word that names it, '' of the latest; and the other words."""
    runs: list[tuple[str, Path]] = []
    for word in words:
        if runs and word in project.workloads:
            break
        try:
            runs.append((word, find_run(project.results, word)))
        except UserError:
            if "/" in word or word.endswith(".jsonl"):
                raise
            break
    return runs or [("", find_run(project.results, "latest"))], words[len(runs) :]


def _write_report(runs: NamedRuns, output: Path, options: Options, project: Project) -> None:
    """Print the answer of runs, and write their page."""
    from timelift.present import terminal  # noqa: PLC0415
    from timelift.present.summary import summary, what_next  # noqa: PLC0415
    from timelift.present.usage import code_of_run  # noqa: PLC0415

    findings, additions = _read(runs, options, project)
    top = options.output or own_results(project.root)
    with suppress(OSError):
        output.mkdir(parents=True, exist_ok=True)
    page = output / "index.html" if os.access(output, os.W_OK) else None
    is_one = len(runs) == 1 and is_latest(runs[0][1], project.results)
    names = [] if is_one else [word for word, _ in runs]
    answer = summary(findings, additions, names)
    terminal.show(answer.plus(what_next(findings, page, names)))
    from timelift.present.page import write_report  # noqa: PLC0415 - figures take a second

    write_report(findings, output, additions, code_of_run(findings.run, project), top)


def _read(runs: NamedRuns, options: Options, project: Project) -> "tuple[RunFindings, Additions]":
    """Return the findings of stored runs, and what features add; raises UserError if none."""
    from timelift.analyse import results  # noqa: PLC0415
    from timelift.commands.additions import findings_with_additions, usual_run  # noqa: PLC0415

    path = runs[0][1]
    run = results.load(path) if len(runs) == 1 else usual_run(runs)
    return findings_with_additions(run, path, project.results, options.relative_to)


def _print_tables(
    runs: NamedRuns, workloads: Sequence[str], options: Options, project: Project
) -> None:
    """Print every setting of the workloads of runs."""
    from timelift.present import terminal  # noqa: PLC0415
    from timelift.present.full_report import full_report  # noqa: PLC0415

    findings, additions = _read(runs, options, project)
    for name in workloads:
        if name not in findings.run.workloads:
            raise UserError(_unknown_workload(name, findings.run.workloads, runs[0][0], project))
    if options.output or options.open:
        raise UserError(
            f"expected no workload beside --output or --open, received {workloads[0]!r}; "
            "write the page of the whole run without it"
        )
    terminal.show(full_report(findings, additions, workloads), at_length=True)


def _unknown_workload(name: str, measured: frozenset[str], run: str, project: Project) -> str:
    if run:
        return f"expected a workload of {run!r}, received {name!r}; {nearest(name, measured)}"
    runs = {*sorted(path.stem for path in runs_under(project.results))[-5:]}  # the latest
    hint = nearest(name, measured | runs | {"latest"})
    if name in project.strategies:
        hint = f"write timelift strategies show {name}, or the name of a workload"
    return f"expected a run or a workload of the latest one, received {name!r}; {hint}"
