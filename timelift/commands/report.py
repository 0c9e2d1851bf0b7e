"""`timelift report`: the answer and page of a run, or the tables of its workloads."""

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from timelift.commands import RUN_NAMES, Options, add_baseline, argument_type, write_lines
from timelift.errors import UserError, nearest, read_folder
from timelift.journal.files import find_run, is_latest, runs_under
from timelift.project import Project

if TYPE_CHECKING:
    from timelift.analyse.findings import RunFindings
    from timelift.present.summary import Additions


def report(options: Options, project: Project) -> int:
    """Write a run's page, and print in a screenful what to write.

    Example: timelift report latest tokens

    The first word is a run if it names one; else the run is the latest, and all words are
    workloads, of which every setting is printed instead. Where a workload has the name of a run,
    write the run first: report latest NAME.
    """
    path, run, workloads = _run_and_workloads(project.results, options.words)
    if workloads:
        _print_tables(path, run, workloads, options, project)
        return 0
    output = options.output or project.results / "report"
    _write_report(path, run, output, options, project)
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
        metavar="[RUN] [WORKLOAD ...]",
        help=f"{RUN_NAMES} (default: latest); then the workloads whose tables are printed instead",
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


def _run_and_workloads(folder: Path, words: Sequence[str]) -> tuple[Path, str, Sequence[str]]:
    """Return the run, the word that names it or '' for the latest, and the words after it."""
    if not words:
        return find_run(folder, "latest"), "", ()
    try:
        return find_run(folder, words[0]), words[0], words[1:]
    except UserError:
        if "/" in words[0] or words[0].endswith(".jsonl"):
            raise
    return find_run(folder, "latest"), "", words


def _write_report(path: Path, run: str, output: Path, options: Options, project: Project) -> None:
    """Print the answer of a run, which the word `run` names, and write its page."""
    from timelift.present import terminal  # noqa: PLC0415
    from timelift.present.summary import Pointers, pages, summary  # noqa: PLC0415
    from timelift.present.usage import code_of_run  # noqa: PLC0415

    findings, additions = _read(path, options, project)
    name = "" if is_latest(path, project.results) else run
    pointers, console = Pointers(output / "index.html", name), terminal.console()
    if additions.section:
        terminal.show_section(additions.section, pages(pointers), console)
    else:
        terminal.show_summary(summary(findings, pointers, additions.trust), console)
    from timelift.present.page import write_report  # noqa: PLC0415 - figures take a second

    write_report(findings, output, additions, code_of_run(findings.run, project))


def _read(path: Path, options: Options, project: Project) -> "tuple[RunFindings, Additions]":
    """Return the findings of a stored run, and what features add; raises UserError if none."""
    from timelift.analyse import results  # noqa: PLC0415
    from timelift.commands.additions import findings_with_additions  # noqa: PLC0415

    run = results.load(path)
    return findings_with_additions(run, path, project.results, options.relative_to)


def _print_tables(
    path: Path, run: str, workloads: Sequence[str], options: Options, project: Project
) -> None:
    """Print every setting of the workloads of a run, which the word `run` names."""
    from timelift.present import terminal  # noqa: PLC0415
    from timelift.present.full_report import report as write  # noqa: PLC0415

    findings, additions = _read(path, options, project)
    measured = {case.setting.workload for case in findings.run.by_case}
    for name in workloads:
        if name not in measured:
            raise UserError(_unknown_workload(name, measured, run, project))
    if options.output or options.open:
        raise UserError(
            f"expected no workload beside --output or --open, received {workloads[0]!r}; "
            "write the page of the whole run without it"
        )
    in_words = write(findings, dataclasses.replace(additions, section=None))
    terminal.show_report(in_words.of_workloads(workloads), terminal.console())


def _unknown_workload(name: str, measured: set[str], run: str, project: Project) -> str:
    if run:
        return f"expected a workload of {run!r}, received {name!r}; {nearest(name, measured)}"
    runs = {*sorted(path.stem for path in runs_under(project.results))[-5:]}  # the latest
    hint = nearest(name, measured | runs | {"latest"})
    if name in project.strategies:
        hint = f"write timelift strategies show {name}, or the name of a workload"
    return f"expected a run or a workload of the latest one, received {name!r}; {hint}"
