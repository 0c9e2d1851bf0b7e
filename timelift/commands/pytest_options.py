"""What a project has written for pytest: which file, whether it loads the plugin, what to add."""

import shlex
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from _pytest.config.findpaths import load_config_dict_from_file

from timelift.project import Project

#: Where pytest looks for its options at the top of a project, in its order.
_FILES = (
    "pytest.toml",
    ".pytest.toml",
    "pytest.ini",
    ".pytest.ini",
    "pyproject.toml",
    "tox.ini",
    "setup.cfg",
)
_SECTIONS = {"pyproject.toml": "[tool.pytest.ini_options]", "setup.cfg": "[tool:pytest]"}


@dataclass(frozen=True)
class PytestOptions:
    """The file at the top of a project that has options of pytest's, if any, and three of them.

    `pythonpath` are the folders that it adds to those of modules. `in_toml` is true of pytest 9's
    own tables, in which several words are a list.
    """

    file: Path | None
    addopts: str = ""
    testpaths: str = ""
    pythonpath: tuple[Path, ...] = ()
    in_toml: bool = False

    @property
    def loads_plugin(self) -> bool:
        return "timelift.plugin" in self.addopts

    def to_add(self, root: Path) -> Sequence[str]:
        """Return the lines that load the plugin, the first says where they go."""
        file = self._place(root)
        section = _SECTIONS.get(file.name, "[pytest]")
        if self.in_toml and file.name == "pyproject.toml":
            section = "[tool.pytest]"
        words = '"-p", "timelift.plugin"' if self.in_toml else "-p timelift.plugin"
        if self.addopts:
            return [f"add to addopts, below {section} of {file.name}:", f"  {words}"]
        if file.suffix == ".toml":
            words = f"[{words}]" if self.in_toml else f'"{words}"'
        return [f"add to {file.name}:", f"  {section}", f"  addopts = {words}"]

    def testpaths_to_add(self, root: Path) -> str:
        """Return the line that keeps a plain pytest to the tests, as its file writes it."""
        in_toml = self._place(root).suffix == ".toml"
        return 'testpaths = ["tests"]' if in_toml else "testpaths = tests"

    def _place(self, root: Path) -> Path:
        """Return the file for options: the one that has some, or else one that may have."""
        file = self.file or root / "pyproject.toml"
        return file if self.file or file.exists() else root / "pytest.ini"


def pytest_options(root: Path) -> PytestOptions:
    """Read the options; a file that pytest cannot read has none, and pytest says what is wrong."""
    for file in (root / name for name in _FILES):
        try:
            found = load_config_dict_from_file(file) if file.is_file() else None
            if found is None:
                continue
            addopts, testpaths = (" ".join(_words(found, one)) for one in ("addopts", "testpaths"))
            folders = tuple(root / one for one in _words(found, "pythonpath"))
            return PytestOptions(file, addopts, testpaths, folders, _is_in_toml(file))
        except (pytest.UsageError, ValueError, TypeError, AttributeError):
            return PytestOptions(file)
    return PytestOptions(None)


def with_pythonpath(project: Project) -> Project:
    """Return the project with the folders of modules that it has named for pytest."""
    return replace(project, pythonpath=pytest_options(project.root).pythonpath)


def _is_in_toml(file: Path) -> bool:
    """True if the options of a file, which pytest could read, are in a table of pytest 9's own."""
    if file.name != "pyproject.toml":
        return file.suffix == ".toml"
    return "ini_options" not in tomllib.loads(file.read_text("utf-8"))["tool"]["pytest"]


def _words(options: Any, name: str) -> list[str]:
    """Return the words of an option, as a list or in a text; pytest 9 wraps its value."""
    value = getattr(options.get(name, ""), "value", options.get(name, ""))
    return [*map(str, value)] if isinstance(value, list | tuple) else shlex.split(str(value))
