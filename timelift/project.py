"""A project: its results, modules and commits, and the files of its strategies and workloads.

Files of the project come before timelift's own of the same name. Nothing is imported.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from timelift.errors import UserError

#: Files and folders at the top of a project, as pytest and git look for it.
MARKERS = ("pyproject.toml", "pytest.ini", "tox.ini", "setup.cfg", ".git")
_PACKAGE = Path(__file__).parent
#: The names of folders with installed packages.
INSTALLED = frozenset({"site-packages", "dist-packages"})


def _brought() -> Path:
    """Return the folder of timelift's own strategies: the installed package, or its checkout."""
    return _PACKAGE if (_PACKAGE / "strategies").is_dir() else _PACKAGE.parent


def is_brought(path: Path) -> bool:
    """True of a file of timelift's own strategies, which no file of a project has replaced."""
    return path.resolve().parent == (_brought() / "strategies").resolve()


@dataclass(frozen=True)
class Project:
    """A project at `root`.

    `pythonpath` are the folders of pytest's option of this name. `brought` has timelift's own
    folders `strategies`, `workloads` and `bench`; in a checkout of timelift it is `root`.
    """

    root: Path
    pythonpath: tuple[Path, ...] = ()
    brought: Path = field(default_factory=_brought)

    @classmethod
    def around(cls, folder: Path) -> "Project":
        """Return the project that a folder belongs to: the nearest above it that has a marker."""
        above = (folder, *folder.parents)
        marked = (top for top in above if any((top / name).exists() for name in MARKERS))
        return cls(next(marked, folder))

    @property
    def results(self) -> Path:
        return self.root / "results"

    @property
    def is_timelift(self) -> bool:
        return self.root.resolve() == self.brought.resolve()

    @cached_property
    def strategies(self) -> Mapping[str, Path]:
        return self._files("strategies")

    @cached_property
    def workloads(self) -> Mapping[str, Path]:
        return self._files("workloads")

    def _files(self, kind: str) -> dict[str, Path]:
        folders = (self.brought / kind, self.root / kind)
        paths = (path for folder in folders for path in sorted(folder.glob("*.py")))
        return {path.stem: path for path in paths if not path.name.startswith("_")}

    @property
    def import_folders(self) -> list[Path]:
        """Return the folders in which its modules are looked for, in order."""
        folders = dict.fromkeys((self.root, self.root / "src", *self.pythonpath))
        return [folder for folder in folders if folder.is_dir()]

    @property
    def modules(self) -> frozenset[str]:
        return modules_in(self.import_folders)

    def at(self, root: Path) -> "Project":
        """Return the same project in another folder; paths outside of the project stay."""
        return replace(
            self,
            root=root,
            pythonpath=tuple(self._moved(path, root) for path in self.pythonpath),
            brought=root if self.is_timelift else self.brought,
        )

    def _moved(self, path: Path, root: Path) -> Path:
        here, whole = self.root.resolve(), path.resolve()
        return root / whole.relative_to(here) if whole.is_relative_to(here) else path

    def shown(self, path: Path) -> str:
        """Return a path as users see it: relative to the project, or `timelift/…`."""
        whole, here, brought = path.resolve(), self.root.resolve(), self.brought.resolve()
        if whole.is_relative_to(brought) and brought != here:  # timelift may lie in the project
            return f"timelift/{whole.relative_to(brought)}"
        return str(whole.relative_to(here) if whole.is_relative_to(here) else whole)


def modules_in(folders: Iterable[Path]) -> frozenset[str]:
    """Return top-level modules and packages in folders, if there; a package has Python files."""
    files = (path for folder in folders if folder.is_dir() for path in folder.iterdir())
    return frozenset(path.stem for path in files if _is_importable(path))


def _is_importable(path: Path) -> bool:
    if path.is_dir():
        return path.name.isidentifier() and any(
            any(path.glob(pattern)) for pattern in ("*.py", "*/*.py")
        )
    return path.suffix == ".py"


#: Options under which git runs no monitor or hook of a folder, and trusts no bare one in it.
_RUNS_NOTHING = (
    *("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"),
    *("-c", "safe.bareRepository=explicit"),
)


class GitError(UserError):
    """An error of git, and the text that it `printed`."""

    def __init__(self, command: str, printed: str) -> None:
        super().__init__(f"git {command} failed: {printed or 'it printed nothing'}")
        self.printed = printed


def git_bytes(root: Path, *words: str, variables: Mapping[str, str] = {}) -> bytes:
    """Return what git prints in a folder; raises GitError, or UserError if git is missing.

    It has the environment `variables` beside those of this process.
    """
    import subprocess  # noqa: PLC0415 - most commands ask git nothing

    try:
        command = ["git", *_RUNS_NOTHING, "-C", str(root), *words]
        env = {**os.environ, **variables}
        process = subprocess.run(command, capture_output=True, check=False, env=env)
    except OSError as error:
        raise UserError(f"git cannot be run ({error.strerror}); install it") from None
    if process.returncode:
        raise GitError(words[0], _as_text(process.stderr) or _as_text(process.stdout))
    return process.stdout


def git(root: Path, *words: str) -> str:
    return _as_text(git_bytes(root, *words))


def has_changes(root: Path) -> bool:
    """True if tracked files differ from the commit; no filter that the folder configures runs.

    Files of a submodule do not count. Raises GitError.
    """
    asked = ("config", "--null", "--show-scope", "--name-only", "--get-regexp", r"^filter\.")
    try:
        words = os.fsdecode(git_bytes(root, *asked)).split("\0")
    except GitError as error:
        if error.printed:
            raise
        words = []  # there is none
    scopes = zip(words[::2], words[1::2], strict=False)
    own = [name for scope, name in scopes if scope not in {"system", "global"}]
    before = os.environ.get("GIT_CONFIG_COUNT", "")  # those of the caller stay
    first = int(before) if before.isdecimal() else 0
    off = {f"GIT_CONFIG_KEY_{number}": name for number, name in enumerate(own, first)}
    off |= {f"GIT_CONFIG_VALUE_{number}": "" for number in range(first, first + len(own))}
    off |= {"GIT_CONFIG_COUNT": str(first + len(own))} if own else {}
    status = ("status", "--porcelain", "-uno", "--ignore-submodules=dirty")
    return bool(git_bytes(root, *status, variables=off))


def resolve_commit(root: Path, revision: str) -> str:
    """Return the commit of a revision; raises UserError if git knows none."""
    try:
        return git(root, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    except GitError as error:
        why = f" ({error.printed})" if error.printed else ""
        raise UserError(
            f"expected a revision that git knows here, received {revision!r}{why}; fetch it"
        ) from None


def _as_text(output: bytes) -> str:
    return output.decode(errors="replace").strip()
