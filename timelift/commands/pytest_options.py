"""What a project has written for pytest: which file, whether it loads the plugin, what to add."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from _pytest.config.findpaths import load_config_dict_from_file

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
    """The file at the top of a project that has options of pytest's, if any, and two of them."""

    file: Path | None
    addopts: str = ""
    testpaths: str = ""

    @property
    def loads_plugin(self) -> bool:
        return "timelift.plugin" in self.addopts

    def to_add(self, root: Path) -> Sequence[str]:
        """Return the lines that load the plugin, the first says where they go."""
        file = self.file or root / "pyproject.toml"
        if self.file is None and not file.exists():
            file = root / "pytest.ini"
        section = _SECTIONS.get(file.name, "[pytest]")
        if self.addopts:
            return [f"add to addopts, below {section} of {file.name}:", "  -p timelift.plugin"]
        value = "-p timelift.plugin"
        line = f'addopts = "{value}"' if file.suffix == ".toml" else f"addopts = {value}"
        return [f"add to {file.name}:", f"  {section}", f"  {line}"]


def pytest_options(root: Path) -> PytestOptions:
    """Read the options; a file that pytest cannot read has none, and pytest says what is wrong."""
    for file in (root / name for name in _FILES):
        try:
            found = load_config_dict_from_file(file) if file.is_file() else None
        except pytest.UsageError:
            return PytestOptions(file)
        if found is not None:
            return PytestOptions(file, _text(found, "addopts"), _text(found, "testpaths"))
    return PytestOptions(None)


def _text(options: Any, name: str) -> str:
    """Return an option as one text; pytest 9 wraps its value."""
    value = getattr(options.get(name, ""), "value", options.get(name, ""))
    return value if isinstance(value, str) else " ".join(map(str, value))
