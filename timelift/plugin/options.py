"""The plugin's options and ini keys, added beside those of every other plugin.

pytest loads a plugin named with `-p` before those that are installed. The options are added when
all of these have theirs, so that a name that two of them claim is one sentence.
"""

import argparse
import copy
import os
import re
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from timelift.case import option_flag
from timelift.errors import UserError
from timelift.measure.options import OPTIONS, RESUME_HELP, SWITCHES

#: Before each option's name among the parsed values, where names of all plugins lie together.
_PREFIX = "timelift_"
_GROUP = "timelift"
_FLAGS = (*(one.flag for one in OPTIONS), "--resume", *map(option_flag, SWITCHES))
_CLASH = (
    "{}: timelift.plugin and {} both add this {}; rename it there, or leave one of the two out of "
    "this run (-p no:NAME, or no -p timelift.plugin)"
)


def texts(config: pytest.Config) -> Mapping[str, str]:
    """Return each option that takes a value as it was written, empty where it was not."""
    return {
        option.name: config.getoption(_PREFIX + option.name) or config.getini(option.name)
        for option in OPTIONS
    }


def switch(config: pytest.Config, name: str) -> bool:
    return bool(config.getoption(_PREFIX + name))


def resume(config: pytest.Config) -> str:
    """Return the run to resume, empty for none; raises UserError for an empty one."""
    run = config.getoption(f"{_PREFIX}resume")
    if run == "":
        raise UserError("--resume: expected a run, received nothing; leave out the '='")
    return run or ""


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the options at once where the other plugins have theirs already.

    So it is where only a conftest.py names this plugin, and in a worker of pytest-xdist, which
    loads its plugins after the command line was read.
    """
    config: Any = pluginmanager.getplugin("pytestconfig")
    names = [Path(name).name for name, _ in pluginmanager.list_name_plugin()]
    if config.args or "conftest.py" in names:
        _add(parser)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(
    early_config: Any, parser: pytest.Parser, args: list[str]
) -> Iterator[None]:
    """Add the options after those of all installed plugins, and before any conftest.py is read."""
    try:
        _add(parser)
        _parse(early_config, parser, args)
        conftests = yield
        _parse(early_config, parser, args)
    except (ValueError, argparse.ArgumentError) as error:
        if flag := _flag_of_two(error):
            other = _other(error, flag, parser)
            raise pytest.UsageError(_CLASH.format(flag, other, "option")) from None
        raise
    _refuse_keys_of_others(parser)
    return conftests


def _add(parser: pytest.Parser) -> None:
    _refuse_keys_of_others(parser)
    group = parser.getgroup(_GROUP, "timelift: which way of applying a layer to every step")
    for option in OPTIONS:
        text = option.full_help.replace("%", "%%")
        group.addoption(option.flag, dest=_PREFIX + option.name, metavar=option.metavar, help=text)
        parser.addini(option.name, option.full_help, default="")
    resumed = f"{_PREFIX}resume"
    group.addoption(
        "--resume", dest=resumed, nargs="?", const="latest", metavar="RUN", help=RESUME_HELP
    )
    for name, text in SWITCHES.items():
        group.addoption(option_flag(name), dest=_PREFIX + name, action="store_true", help=text)


def _parse(early_config: Any, parser: pytest.Parser, args: list[str]) -> None:
    """Read the command line again, with the options that were added meanwhile."""
    early_config.known_args_namespace = parser.parse_known_args(
        args, namespace=copy.copy(early_config.option)
    )


def _flag_of_two(error: Exception) -> str:
    """Return the option of timelift that argparse found twice; empty where it is another error."""
    return next((word for word in re.findall(r"--[\w-]+", str(error)) if word in _FLAGS), "")


def _other(error: Exception, flag: str, parser: pytest.Parser) -> str:
    """Return what else adds an option: the file that was adding it, or its group of options."""
    frames = traceback.extract_tb(error.__traceback__)
    files = [Path(one.filename) for one in frames if one.name == "pytest_addoption"]
    if files:
        return os.path.relpath(files[-1])
    for group in getattr(parser, "_groups", ()):
        mine = group.name in {_GROUP, "_anonymous"}
        if not mine and any(flag in option.names() for option in group.options):
            return f"the plugin that pytest --help lists as {group.name!r}"
    return "another plugin or a conftest.py"


def _refuse_keys_of_others(parser: pytest.Parser) -> None:
    """Refuse an ini key that another plugin has too: pytest keeps the last one, without a word."""
    known = getattr(parser, "_inidict", {})
    for option in OPTIONS:
        text = known.get(option.name, [option.full_help])[0]
        if text != option.full_help:
            other = f"another plugin ({text!r:.60})"
            raise pytest.UsageError(_CLASH.format(option.name, other, "ini key"))
