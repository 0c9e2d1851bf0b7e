"""The file of pytest's options at the top of a project, and the folders of modules that it adds."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from _pytest.config.findpaths import load_config_dict_from_file

from timelift.project import Project

#: Where pytest looks for its options at the top of a project, in its order.
_FILES = (
    *("pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini"),
    *("pyproject.toml", "tox.ini", "setup.cfg"),
)


class PytestOptions(NamedTuple):
    file: Path | None
    pythonpath: tuple[Path, ...] = ()


def pytest_options(root: Path) -> PytestOptions:
    """Read the options; a file that pytest cannot read has none, and pytest says what is wrong."""
    for file in (root / name for name in _FILES):
        try:
            options = load_config_dict_from_file(file) if file.is_file() else None
            if options is not None:
                found = options.get("pythonpath", "")
                value: Any = getattr(found, "value", found)  # since pytest 9
                folders = shlex.split(value) if isinstance(value, str) else value
                return PytestOptions(file, tuple(root / one for one in folders))
        except (pytest.UsageError, ValueError, TypeError, AttributeError):
            return PytestOptions(file)
    return PytestOptions(None)


def with_pythonpath(project: Project) -> Project:
    """Return the project with the folders of modules that it has named for pytest."""
    return replace(project, pythonpath=pytest_options(project.root).pythonpath)
