"""The plugin's options on pytest's command line, and what is said where they are mistaken."""

import argparse
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from timelift import removed
from timelift.errors import UserError
from timelift.measure.options import FLAGS, OPTIONS, add_options

#: Before each option's name among the parsed values, where names of all plugins lie together.
_PREFIX = "timelift_"


def texts(config: pytest.Config) -> Mapping[str, str]:
    """Return each option that takes a value as it was written, empty where it was not.

    Raises UserError for an option that was written without its value.
    """
    written = {option.name: config.getoption(_PREFIX + option.name) for option in OPTIONS}
    for option in OPTIONS:
        if written[option.name] == "":
            raise UserError(f"{option.flag}: expected {option.help}, received nothing")
    return {name: text or "" for name, text in written.items()}


def wants_report(config: pytest.Config) -> bool:
    return bool(config.getoption(f"{_PREFIX}report"))


def resume(config: pytest.Config) -> str:
    """Return the run to resume, empty for none; raises UserError for an empty one."""
    run = config.getoption(f"{_PREFIX}resume")
    if run == "":
        raise UserError("--resume: expected a run, received nothing; leave out the '='")
    return run or ""


def pytest_addoption(parser: pytest.Parser) -> None:
    before = sys.excepthook
    sys.excepthook = lambda kind, error, trace: _explain_clash(before, kind, error, trace)
    add_options(lambda title: parser.getgroup(f"timelift: {title}").addoption, _PREFIX)


def _explain_clash(before: Callable[..., None], kind: Any, error: Any, trace: Any) -> None:
    """Print in one sentence which other plugin has an option of timelift's.

    The order in which pytest reads plugins decides which of the two meets the other's option, and
    pytest lets the error of argparse end the process.
    """
    flag = next(filter(FLAGS.__contains__, re.findall(r"--[\w-]+", str(error))), "")
    if not (flag and kind is argparse.ArgumentError):
        before(kind, error, trace)
        return
    frames = [one for one in traceback.extract_tb(trace) if one.name == "pytest_addoption"]
    others = [os.path.relpath(one.filename) for one in frames if one.filename != __file__]
    other = others[0] if others else "another plugin"
    sys.stderr.write(
        f"ERROR: {flag}: timelift.plugin and {other} both add this option; rename it there, or run "
        "without one of the two (-p no:NAME)\n"
    )


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(
    early_config: Any, parser: pytest.Parser, args: list[str]
) -> Iterator[None]:
    """Refuse what went, and slips, once every plugin and conftest.py has added its options."""
    loaded = yield
    _, unknown = parser.parse_known_and_unknown_args(args)
    for word in unknown:
        if sentence := removed.option_sentence("bench", word.partition("=")[0], FLAGS):
            raise pytest.UsageError(sentence)
    keys = vars(early_config).get("_inicfg") or early_config.inicfg  # pytest 9, pytest 8
    for name in sorted(removed.INI_KEYS & {*keys}):
        try:
            early_config.getini(name)
        except (ValueError, KeyError):  # no other plugin has this key
            raise pytest.UsageError(removed.key_sentence(name)) from None
    return loaded
