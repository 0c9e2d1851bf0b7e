"""The other side of a race: a project's strategies and workloads as `--against` names them.

A revision is taken out of git into a folder of its own, so that nothing in the work tree is
touched; the folder goes with the session. With another interpreter the project is the same.
"""

import json
import os
import platform
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import TypeVar

from timelift.errors import UserError, path_is
from timelift.measure import machine
from timelift.measure.catalogue import Catalogue, Strategy, Workload, read_variants, read_workload
from timelift.measure.header import without_folders
from timelift.measure.launch import run_folder
from timelift.project import Project, git_bytes, resolve_commit

Thing = TypeVar("Thing")
#: A word that begins so is a path, even where git knows a revision of that name.
_PATHS = (".", "/", "~")
#: Packages that do not run where calls are timed.
_NOT_MEASURED = frozenset({"pytest", "pytest-benchmark"})
#: Seconds that another interpreter may take to print its versions.
_VERSIONS_LIMIT = 60
#: Prints the versions of the packages that are its arguments.
_VERSIONS = """
import importlib.metadata as m, json, platform, sys
found = {name: next(iter(m.distributions(name=name)), None) for name in sys.argv[1:]}
versions = {name: one.version for name, one in found.items() if one}
print(json.dumps({"python": platform.python_version(), **versions}))
"""


@dataclass(frozen=True)
class OtherSide:
    """The other side: its name as typed, its commit if any, its strategies and workloads.

    `python` is its interpreter if that is another one, and `versions` has the versions that differ
    by package, there and here. `broken` has the reason, by its stem, why a file cannot be read. A
    temporary `folder` is removed with the last reference to it.
    """

    label: str
    commit: str
    project: Project
    strategies: Mapping[str, Strategy]
    workloads: Mapping[str, Workload]
    python: str = ""
    versions: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    broken: Mapping[str, str] = field(default_factory=dict)
    folder: "tempfile.TemporaryDirectory[str] | None" = None


def open_other_side(word: str, project: Project, catalogue: Catalogue) -> OtherSide:
    """Return the revision, else the folder, else the interpreter that a word names, or UserError.

    A word that begins like a path is no revision. The label names no folder outside of the project,
    since the journal's names of strategies contain it.
    """
    side = _named(word, project, catalogue)
    return replace(side, label=without_folders(side.label, project.root))


def _named(word: str, project: Project, catalogue: Catalogue) -> OtherSide:
    refused = f"expected a path that exists, received {word!r:.200}"
    if not word.startswith(_PATHS):
        try:
            commit = resolve_commit(project.root, word)
        except UserError as error:
            refused = str(error)
        else:
            return _of_revision(word, commit, project)
    try:
        path = Path(word).expanduser().absolute()  # "python" alone would be looked for on PATH
    except RuntimeError:  # no user has this name: the word stays as it is, as in a shell
        path = Path(word).absolute()
    if path_is(path.is_dir):
        return of_project(word, project.at(path.resolve()))
    if os.access(path, os.X_OK):
        return of_python(str(path), catalogue, project)
    raise UserError(
        f"--against: {refused}, or name a folder, or the bin/python of a virtual environment"
    )


def _of_revision(word: str, commit: str, project: Project) -> OtherSide:
    holder = tempfile.TemporaryDirectory(dir=run_folder())
    folder = Path(holder.name).resolve()
    with tarfile.open(fileobj=BytesIO(git_bytes(project.root, "archive", commit))) as files:
        members = [one for one in files if _inside(one, folder)]
        files.extraction_filter = getattr(tarfile, "data_filter", None)  # not in Debian 12
        files.extractall(folder, members)  # noqa: S202 - git's paths are inside, and so are the links
    return replace(of_project(word, project.at(folder), commit), folder=holder)


def of_python(python: str, catalogue: Catalogue, project: Project) -> OtherSide:
    """Return the project in another interpreter; raises UserError where that cannot measure."""
    wanted = machine.packages(catalogue.backends)
    theirs = _versions(python, wanted)
    ours = {"python": platform.python_version(), **machine.versions(wanted)}
    names = [name for name in dict.fromkeys((*ours, *theirs)) if name not in _NOT_MEASURED]
    pairs = {name: (theirs.get(name, "none"), ours.get(name, "none")) for name in names}
    differ = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    label = ", ".join(f"{name} {version}" for name, (version, _) in differ.items()) or python
    return OtherSide(
        label, "", project, dict(catalogue.strategies), catalogue.workloads, python, differ
    )


def _versions(python: str, names: Iterable[str]) -> dict[str, str]:
    """Return the versions in another interpreter: Python's, and those of installed packages."""
    try:
        done = subprocess.run(
            [python, "-c", _VERSIONS, *names],
            capture_output=True,
            text=True,
            check=False,
            timeout=_VERSIONS_LIMIT,
        )
        versions: dict[str, str] = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        why = getattr(error, "strerror", None) or "it does not answer like Python"
        raise UserError(
            f"--against: expected an interpreter, received {python!r} ({why}); name the "
            "bin/python of a virtual environment"
        ) from None
    machine.refuse_old_keras(versions.get("keras", "none"), python)
    return versions


def of_project(label: str, project: Project, commit: str = "") -> OtherSide:
    """Read the strategies and workloads of a project.

    A file that cannot be read costs the cases that need it, and no others.
    """
    wanted = project.brought / "strategies" if project.is_timelift else project.root
    if not path_is(wanted.is_dir):
        kind = "project with strategies/ in it" if project.is_timelift else "project's folder"
        raise UserError(f"--against: expected a {kind}, received {label!r:.200}")
    strategies, broken_strategies = _readable(project.strategies.values(), read_variants)
    workloads, broken_workloads = _readable(
        project.workloads.values(), lambda path: {path.stem: read_workload(path)}
    )
    reasons = (broken_strategies | broken_workloads).items()
    broken = {stem: reason.replace(f"{project.root}/", f"{label}: ") for stem, reason in reasons}
    return OtherSide(label, commit, project, strategies, workloads, broken=broken)


def _readable(
    paths: Iterable[Path], read: Callable[[Path], dict[str, Thing]]
) -> tuple[dict[str, Thing], dict[str, str]]:
    """Return what `read` makes of files, and the reason by stem why others cannot be read."""
    readable: dict[str, Thing] = {}
    broken: dict[str, str] = {}
    for path in paths:
        try:
            readable |= read(path)
        except UserError as error:
            broken[path.stem] = str(error)
    return readable, broken


def _inside(member: tarfile.TarInfo, folder: Path) -> bool:
    """True if a member of an archive is no link that leads out of the folder."""
    return (folder / member.name).parent.joinpath(member.linkname).resolve().is_relative_to(folder)
