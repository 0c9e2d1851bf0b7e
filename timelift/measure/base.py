"""The other side of a gate: the strategies and workloads of a revision, or of a folder.

A revision is taken out of git into a folder of its own, so that nothing in the work tree is
touched; the folder is gone when the `Base` is closed.
"""

import ast
import json
import platform
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path

from timelift.errors import UserError
from timelift.measure import machine, registry
from timelift.measure.grid import Catalogue
from timelift.measure.registry import Strategy, Workload, read_source


@dataclass(frozen=True)
class Base:
    """The other side: what the user calls it, its commit if any, and what it holds by name.

    `python` is its interpreter, where that is another; `versions` gives each package that differs
    its versions there and here.
    """

    label: str
    commit: str
    root: Path
    strategies: Mapping[str, Strategy]
    workloads: Mapping[str, Workload]
    python: str = ""
    versions: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def of_python(python: str, catalogue: Catalogue, root: Path) -> Base:
    """The same project in another interpreter; raises UserError where that cannot measure."""
    there, here = _versions(python), {"python": platform.python_version(), **machine.versions()}
    names = [name for name in dict.fromkeys((*here, *there)) if name not in NOT_MEASURED]
    found = {name: (there.get(name, "none"), here.get(name, "none")) for name in names}
    differ = {name: pair for name, pair in found.items() if pair[0] != pair[1]}
    label = ", ".join(f"{name} {there}" for name, (there, _) in differ.items()) or python
    strategies = {name: replace(one, there=True) for name, one in catalogue.strategies.items()}
    return Base(label, "", root, strategies, catalogue.workloads, python, differ)


def _versions(python: str) -> dict[str, str]:
    """What is installed in another interpreter, told by itself without importing a backend."""
    try:
        done = subprocess.run(
            [python, "-c", _ASK, *machine.PACKAGES], capture_output=True, text=True, check=False
        )
        told: dict[str, str] = json.loads(done.stdout)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it does not answer like Python"
        raise UserError(
            f"--against-python: expected an interpreter, received {python!r} ({why}); name the "
            "bin/python of a virtual environment"
        ) from None
    if "keras" not in told:
        raise UserError(
            f"--against-python: expected an interpreter with keras, {python!r} has none; install "
            f"it there with: {python} -m pip install tensorflow keras"
        )
    return told


_ASK = """
import importlib.metadata as m, json, platform, sys
found = {"python": platform.python_version()}
for name in sys.argv[1:]:
    try:
        found[name] = m.version(name)
    except m.PackageNotFoundError:
        pass
print(json.dumps(found))
"""
#: Packages that do not run where calls are timed.
NOT_MEASURED = frozenset({"pytest", "pytest-benchmark"})


def of_folder(label: str, folder: Path, files: tuple[Path, ...] = (), commit: str = "") -> Base:
    """Read the strategies and workloads of a project; `files` are strategies beside its own."""
    if not (folder / "strategies").is_dir():
        raise UserError(
            f"--against-path: expected a folder with strategies/ in it, received {str(folder)!r}"
        )
    strategies = {
        name: replace(one, home=str(folder))
        for name, one in registry.strategies(folder / "strategies", files).items()
    }
    return Base(label, commit, folder, strategies, registry.workloads(folder / "workloads"))


def take_out(root: Path, revision: str, into: Path) -> str:
    """Write the project at `root` as it was at a revision into a folder; return the commit.

    Raises UserError where `root` is no git checkout or knows no such revision.
    """
    commit = _git(root, revision, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    archive = _git(root, revision, "archive", "--format=tar", commit.decode().strip())
    with tarfile.open(fileobj=BytesIO(archive)) as files:
        files.extractall(into, filter="data")
    return commit.decode().strip()


def _git(root: Path, revision: str, *words: str) -> bytes:
    try:
        done = subprocess.run(["git", "-C", root, *words], capture_output=True, check=False)
    except OSError as error:
        raise UserError(
            f"--against: git cannot be run ({error.strerror}); install it, or name a folder with "
            "--against-path"
        ) from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise UserError(
            f"--against: expected a revision that git knows here, received {revision!r}"
            f"{f' ({said})' if said else ''}; fetch it, or name a folder with --against-path"
        )
    return done.stdout


def temporary() -> "tempfile.TemporaryDirectory[str]":
    """Make the folder that a revision is taken out into; it goes when it is closed or forgotten."""
    return tempfile.TemporaryDirectory(prefix="timelift-base-")


def same_file(one: Path, other: Path) -> bool:
    """Whether two files have the same text."""
    return one.read_bytes() == other.read_bytes()


def imports_of(path: Path) -> set[str]:
    """The top-level packages that a file imports, wherever in it."""
    read_source(path)
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names = {node.module for node in nodes if isinstance(node, ast.ImportFrom) if node.module}
    return {name.partition(".")[0] for name in plain | names}
