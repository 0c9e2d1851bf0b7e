"""What is shown of a run: its answer and page, its tables, its growth, its modes."""

import contextlib
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from timelift.commands import Options, write_lines
from timelift.errors import UserError, nearest
from timelift.escape import slug
from timelift.journal import find, find_run
from timelift.project import Project

if TYPE_CHECKING:
    from timelift.analyse.findings import RunFindings
    from timelift.present.summary import Pointers


def report(options: Options, project: Project) -> int:
    """Write the page of a run, and print what to write for each workload in a screenful."""
    paths = find(project.results, options.runs)
    outputs = _report_folders(paths, options.output or project.results / "report")
    from timelift.ended import is_latest  # noqa: PLC0415
    from timelift.present.summary import Pointers  # noqa: PLC0415

    for word, path, output in zip(options.runs or [""], paths, outputs, strict=True):
        pointers = Pointers(output / "index.html", "" if is_latest(path, project.results) else word)
        _report_one(pointers, path, project, options)
    if options.open:
        _open(outputs[0] / "index.html")
    return 0


def _report_folders(paths: Sequence[Path], output: Path) -> list[Path]:
    """Return the folder of each report: one of its own inside `output` where there are several."""
    if len(paths) == 1:
        return [output]
    return [output / f"{place}-{slug(path.stem)}" for place, path in enumerate(paths, start=1)]


def _report_one(pointers: "Pointers", path: Path, project: Project, options: Options) -> None:
    from timelift import ended  # noqa: PLC0415
    from timelift.present import terminal  # noqa: PLC0415
    from timelift.usage import code_of_run  # noqa: PLC0415

    assert pointers.page
    found, console = ended.find(path, project.results, options.relative_to), terminal.console()
    if len(options.runs) > 1:
        terminal.show_heading(console, str(path))
    ended.show(found, console, pointers, copies=ended.races_copies(found.run, path))
    ended.write_page(found, pointers.page.parent, code_of_run(found.run, project))


def _open(page: Path) -> None:
    """Open a page in the user's browser; where there is none, say which file to open."""
    import webbrowser  # noqa: PLC0415

    if not webbrowser.open(page.resolve().as_uri()):
        write_lines([f"no browser was found here; open {page} in yours"])


def tables(options: Options, project: Project) -> int:
    """Print every setting of a run: its strategies by time, their ties, first calls and memory.

    The first word is a run if it names one; else the run is the latest, and all words are
    workloads. Where a workload has the name of a run, write the run first: tables latest NAME.
    """
    from timelift.present import terminal  # noqa: PLC0415
    from timelift.present.report import report as in_words  # noqa: PLC0415

    found, workloads = _asked(options, project)
    words = in_words(found)
    shown = tuple(one for one in words.tables if one.setting.workload in workloads)
    terminal.show_report(dataclasses.replace(words, tables=shown), terminal.console())
    return 0


def modes(options: Options, project: Project) -> int:
    """Print what another mode, backend, device or number of threads costs each strategy.

    The words are as those of tables.
    """
    from timelift.present import across_table, terminal  # noqa: PLC0415

    found, workloads = _asked(options, project)
    pairs = [one for one in found.across if one.usual.setting.workload in workloads]
    console = terminal.console()
    terminal.show_state(found.run, console)
    across_table.show(pairs, console)
    return 0


def _asked(options: Options, project: Project) -> tuple["RunFindings", Sequence[str]]:
    """Return what is found in the run that the words name, and the workloads to show of it."""
    from timelift import ended  # noqa: PLC0415

    folder = project.results
    path, workloads = _run_and_workloads(folder, options.words)
    found = ended.find(path, folder, options.relative_to)
    known = list(dict.fromkeys(one.case.setting.workload for one in found.run.measurements))
    for name in workloads:
        if name not in known:
            raise UserError(
                f"expected a run or a workload of it, received {name!r}; {nearest(name, known)}"
            )
    return found, workloads or known


def _run_and_workloads(folder: Path, words: Sequence[str]) -> tuple[Path, Sequence[str]]:
    if words and ("/" in words[0] or words[0].endswith(".jsonl")):
        return find_run(folder, words[0]), words[1:]
    with contextlib.suppress(UserError):
        return find_run(folder, words[0] if words else "latest"), words[1:]
    return find_run(folder, "latest"), words
