"""`timelift init`: the files with which a project measures its own layer."""

import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Template

from timelift.commands import Options, write_lines
from timelift.commands.own_workload import Blanks, blanks_of
from timelift.commands.pytest_options import pytest_options, with_pythonpath
from timelift.errors import UserError
from timelift.measure.devices import usual_backend
from timelift.project import MARKERS, Project

TEMPLATES = Path(__file__).parent / "templates"
_WORKLOAD, _WORKFLOW = "workloads/mine.py", ".github/workflows/timelift.yml"
#: What each file of the project is made from.
_FILES = {
    "bench/test_lift.py": "question.txt",
    _WORKLOAD: "workload.txt",
    _WORKFLOW: "workflow.yml",
}
#: How the workflow installs the project beside timelift.
_INSTALLS = " --editable ."


def init(options: Options, project: Project) -> int:
    """Write a question about your layer, and a CI workflow, into the project around this folder.

    files:
      bench/test_lift.py              the question: which cases to measure
      workloads/mine.py               the layer, the shape of a step, and sizes
      .github/workflows/timelift.yml  fails a pull request that makes a case slower

    Nothing is overwritten: where one of them exists, none is written.
    """
    if project.is_timelift:
        raise UserError(
            "expected a project of yours, received timelift's own checkout, "
            f"{str(project.root.resolve())!r}; type it in your project's folder"
        )
    _refuse_existing(project)
    texts = {name: (TEMPLATES / source).read_text("utf-8") for name, source in _FILES.items()}
    texts[_WORKFLOW] = _workflow(texts[_WORKFLOW], project)
    blanks = blanks_of(options.layer, options.inputs, with_pythonpath(project))
    texts[_WORKLOAD] = Template(texts[_WORKLOAD]).substitute(blanks.written)
    _write({project.root / name: text for name, text in texts.items()})
    write_lines(_told(project, blanks))
    return 0


def _workflow(text: str, project: Project) -> str:
    """Return the workflow for a project and the backend that its environment has."""
    text = text.replace(_INSTALLS, _installs(project.root))
    return text.replace("[tensorflow]", f"[{usual_backend()}]")


def _installs(root: Path) -> str:
    """Return how pip installs a project, or else what it needs; nothing where it does not say."""
    try:
        tables = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    except (OSError, ValueError):
        tables = {}
    if tables.keys() & {"project", "build-system"} or (root / "setup.py").exists():
        return _INSTALLS
    needed = (root / "requirements.txt").exists()
    return " --requirement requirements.txt" if needed else ""


def _refuse_existing(project: Project) -> None:
    if there := [name for name in _FILES if os.path.lexists(project.root / name)]:
        raise UserError(
            f"expected none of these files in {str(project.root.resolve())!r}, found "
            f"{', '.join(there)}; nothing was written: move them away first"
        )


def _write(texts: Mapping[Path, str]) -> None:
    """Write all files, or none where one cannot be written, which is a UserError."""
    made: list[Path] = []
    try:
        for path, text in texts.items():
            for folder in reversed(path.parents):
                if not folder.exists():
                    folder.mkdir()
                    made.append(folder)
            with path.open("x", encoding="utf-8") as file:
                made.append(path)
                file.write(text)
    except OSError as error:
        for path in reversed(made):
            path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
        raise UserError(
            f"cannot write {str(path)!r}: {error.strerror or error}; nothing was written: make the "
            "folder writable, or move away a file that is in a folder's place"
        ) from error


def _told(project: Project, blanks: Blanks) -> Iterator[str]:
    """Yield what was written and where, what to add for pytest, and what to type next."""
    marked = any((project.root / name).exists() for name in MARKERS)
    yield f"in {project.root.resolve()}" + (
        "" if marked else f", since no folder above it has a {MARKERS[0]} or {MARKERS[-1]}"
    )
    yield from (f"  wrote {name}" for name in _FILES)
    options = pytest_options(project.root)
    yield ""
    if options.loads_plugin:
        yield f"{options.file} loads the plugin already, so pytest bench/ measures too"
    else:
        yield from options.to_add(project.root)
        yield "then pytest bench/ measures too; timelift bench needs no such line"
    if not options.testpaths:
        line = options.testpaths_to_add(project.root)
        yield f"without {line} there, a plain pytest would measure as well"
    yield from _told_of_git(project.root.resolve())
    yield ""
    if blanks.unknown_because:
        yield f"the shape of a step is not known yet: {blanks.unknown_because}"
    if blanks.unfilled:
        yield f"next, fill in {' and '.join(blanks.unfilled)} in {_WORKLOAD}, and type:"
    else:
        yield "next, type:"
    yield "  timelift bench"


def _told_of_git(root: Path) -> Iterator[str]:
    """Yield what git should leave out, and where GitHub looks for a workflow, if not here."""
    top = next((one for one in (root, *root.parents) if (one / ".git").exists()), None)
    if top is None:
        return
    ignored = root / ".gitignore"
    if not (ignored.is_file() and "results" in ignored.read_text("utf-8", errors="replace")):
        yield from ("", "add to .gitignore:", "  results/")
    if top != root:
        yield ""
        yield f"GitHub reads workflows of {top} alone: move {_WORKFLOW} there, and have its steps"
        yield f"run in {root.relative_to(top)} (defaults: run: working-directory)"
