"""What is made of a stored run: a `baseline` to commit."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from timelift.analyse.runs.results import load_usual
from timelift.commands import Options, write_lines
from timelift.errors import UserError, counted, writing
from timelift.escape import slug
from timelift.journal import BASELINE_FOLDER, find_run, write_whole
from timelift.present import conditions
from timelift.present.ending import relative_path
from timelift.project import Project

if TYPE_CHECKING:
    from timelift.analyse.runs.measurement import Run

#: How many characters of a name the path of a baseline has.
_LONGEST_NAME = 120


def baseline(options: Options, project: Project) -> int:
    """Keep a run as a baseline small enough to commit: results/baselines/<machine>/<name>.jsonl.

    It keeps every case, launch and fact that `compare` and the history need, and nothing that tells
    of a person or a path. It is a journal: every other command reads it, by its path or by its
    name.
    """
    from timelift.analyse.runs.baseline import baseline_lines  # noqa: PLC0415

    path = find_run(project.results, options.run)
    run = load_usual(path)
    machine = run.header.machine
    if not machine.name or not machine.identity:
        raise UserError(
            "expected a run with its machine recorded, received one without; "
            "measure it with: timelift bench"
        )
    folder = project.results / BASELINE_FOLDER / _file_name(machine.name)
    name = _file_name(path.stem if options.name is None else options.name)
    kept = folder / f"{name}.jsonl"
    if kept.exists() and not options.replace:
        raise UserError(
            f"expected a new name, received that of the baseline {str(kept)!r}; "
            "choose another with --name or replace it with --replace"
        )
    with writing(kept, "make the folder writable"):
        write_whole(kept, baseline_lines(run))
    write_lines(_kept(run, kept))
    return 0


def _file_name(text: str) -> str:
    return slug(text, keep="_", limit=_LONGEST_NAME)


def _kept(run: "Run", path: Path) -> Iterator[str]:
    launches = sum(len(one.launches) for one in run.measurements)
    shown = relative_path(path)
    size = f"{path.stat().st_size / 1024:,.0f} KiB"
    cases = counted(len(run.measurements), "case")
    yield f"{shown}: {cases}, {counted(launches, 'launch')}, {size}"
    if state := conditions.state(run):
        yield f"{state}; the baseline holds what had been measured"
    yield from ("commit it with:", f"  git add {shown}")
