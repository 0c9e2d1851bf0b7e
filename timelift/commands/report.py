"""`timelift report`: the answer and page of a run, or the tables of its workloads."""

import argparse
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from timelift.commands import RUN_NAMES, Options, add_baseline, argument_type, write_lines
from timelift.errors import UserError, nearest, read_folder
from timelift.journal.files import find_run, header_or_empty, is_latest, runs_under
from timelift.project import Project

if TYPE_CHECKING:
    from timelift.analyse.findings import RunFindings
    from timelift.present.summary import Additions

#: The files of runs by the words that name them.
Runs = Mapping[str, Path]


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


def _runs_and_workloads(project: Project, words: Sequence[str]) -> tuple[Runs, Sequence[str]]:
    """Return the files of the runs by the words that name them, '' the latest, and other words."""
    runs: dict[str, Path] = {}
    for word in words:
        if runs and _is_workload(word, project, next(iter(runs.values()))):
            break
        try:
            path = find_run(project.results, word)
        except UserError:
            if "/" in word or word.endswith(".jsonl"):
                raise
            break
        if word in runs:
            raise UserError(f"expected each run once, received {word!r} twice; name it once")
        runs[word] = path
    return runs or {"": find_run(project.results, "latest")}, words[len(runs) :]


def _is_workload(word: str, project: Project, run: Path) -> bool:
    asked = header_or_empty(run).planned or ()
    return word in project.workloads or any(label.startswith(f"{word}-T") for label in asked)


def _write_report(runs: Runs, output: Path, options: Options, project: Project) -> None:
    """Print the answer of runs, and write their page."""
    from timelift.present import terminal  # noqa: PLC0415
    from timelift.present.summary import Pointers, pages, summary  # noqa: PLC0415
    from timelift.present.usage import code_of_run  # noqa: PLC0415

    findings, additions = _read(runs, options, project)
    path, *others = runs.values()
    names = [*runs] if others or not is_latest(path, project.results) else []
    pointers, console = Pointers(output / "index.html", names), terminal.console()
    if additions.section:
        terminal.show_section(additions.section, pages(pointers), console)
    else:
        terminal.show_summary(summary(findings, pointers, additions.trust), console)
    from timelift.present.page import write_report  # noqa: PLC0415 - figures take a second

    write_report(findings, output, additions, code_of_run(findings.run, project))


def _read(runs: Runs, options: Options, project: Project) -> "tuple[RunFindings, Additions]":
    """Return the findings of stored runs, and what features add; raises UserError if none."""
    from timelift.analyse import results  # noqa: PLC0415
    from timelift.commands.additions import findings_with_additions, usual_run  # noqa: PLC0415

    path = next(iter(runs.values()))
    run = results.load(path) if len(runs) == 1 else usual_run(runs)
    return findings_with_additions(run, path, project.results, options.relative_to)


def _print_tables(runs: Runs, workloads: Sequence[str], options: Options, project: Project) -> None:
    """Print every setting of the workloads of runs."""
    from timelift.present import terminal  # noqa: PLC0415
    from timelift.present.full_report import report as write  # noqa: PLC0415

    findings, additions = _read(runs, options, project)
    measured = {case.setting.workload for case in findings.run.by_case}
    for name in workloads:
        if name not in measured:
            raise UserError(_unknown_workload(name, measured, " ".join(runs), project))
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
