"""The plugin's options and ini keys, added beside those of every other plugin.

pytest loads a plugin named with `-p` before those that are installed. The options are added when
all of these have theirs, so that a name that two of them claim is one sentence.
"""

import argparse
import copy
import os
import re
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from timelift.case import option_flag
from timelift.errors import UserError
from timelift.measure.options import OPTIONS, RESUME_HELP, SWITCHES

#: Before each option's name among the parsed values, where names of all plugins lie together.
_PREFIX = "timelift_"
_GROUP = "timelift"
#: Names of groups that tell no other plugin: timelift's own, and that of options without a group.
_UNTELLING = {_GROUP, "_anonymous"}
_FLAGS = (*(one.flag for one in OPTIONS), "--resume", *map(option_flag, SWITCHES))
_CLASH = (
    "{}: timelift.plugin and {} both add this {}; rename it there, or run without one of the two "
    "(-p no:NAME)"
)


def texts(config: pytest.Config) -> Mapping[str, str]:
    """Return each option that takes a value as it was written, empty where it was not."""
    return {
        option.name: config.getoption(_PREFIX + option.name) or _ini_text(config, option.name)
        for option in OPTIONS
    }


def _ini_text(config: pytest.Config, name: str) -> str:
    """Return an ini key as it was written; raises UserError where TOML holds no text."""
    try:
        value = config.getini(name)
    except (TypeError, pytest.UsageError) as error:  # from pytest 9 on, in a table of its own
        raise UserError(f"{error}; write it in quotes, several values with commas") from None
    if not isinstance(value, str):
        raise UserError(
            f"{name}: expected a text in the file of pytest's options, received {value!r}; write "
            "it in quotes, several values with commas"
        )
    return value


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
        with _clashes_are_sentences(parser):
            _add(parser)
            parser.parse_known_args([])  # pytest before 9.0 sees a clash here


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(
    early_config: Any, parser: pytest.Parser, args: list[str]
) -> Iterator[None]:
    """Add the options after those of all installed plugins, and before any conftest.py is read."""
    with _clashes_are_sentences(parser):
        _add(parser)
        _parse(early_config, parser, args)
        conftests = yield
        _parse(early_config, parser, args)
    _refuse_keys_of_others(parser)
    return conftests


@contextmanager
def _clashes_are_sentences(parser: pytest.Parser) -> Iterator[None]:
    try:
        yield
    except argparse.ArgumentError as error:
        if not (sentence := clash(error, getattr(parser, "_groups", ()))):
            raise
        raise pytest.UsageError(sentence) from None


def clash(error: BaseException, groups: Iterable[Any] = ()) -> str:
    """Return which option of timelift's another plugin adds; empty where it is another error.

    The other one is told by the file that was adding it, or by its group among pytest's.
    """
    words = re.findall(r"--[\w-]+", str(error))
    flag = next((word for word in words if word in _FLAGS), "")
    if not (flag and isinstance(error, argparse.ArgumentError) and "conflict" in str(error)):
        return ""
    frames = traceback.extract_tb(error.__traceback__)
    files = [Path(one.filename) for one in frames if one.name == "pytest_addoption"]
    names = [one.name for one in groups if any(flag in option.names() for option in one.options)]
    others = [
        *(os.path.relpath(path) for path in files if path != Path(__file__)),
        *(f"the plugin of pytest's options {name!r}" for name in names if name not in _UNTELLING),
        "another plugin or a conftest.py",
    ]
    return _CLASH.format(flag, others[0], "option")


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


def _refuse_keys_of_others(parser: pytest.Parser) -> None:
    """Refuse an ini key that another plugin has too: pytest keeps the last one, without a word."""
    known = getattr(parser, "_inidict", {})
    for option in OPTIONS:
        text = known.get(option.name, [option.full_help])[0]
        if text != option.full_help:
            other = f"another plugin ({text!r:.60})"
            raise pytest.UsageError(_CLASH.format(option.name, other, "ini key"))
