"""pytest's options and ini keys, added before any conftest.py is read.

pytest takes the value of an option that it does not know yet for a path, and loads the conftest.py
that it finds there: with `--against-path ../other-checkout` that would be another timelift's. So
pyproject.toml names this plugin with `-p` instead of leaving the options to conftest.py.
"""

import pytest

from timelift.measure.axes import OPTIONS
from timelift.measure.knobs import KNOBS
from timelift.measure.options import Option

ALL_OPTIONS: tuple[Option, ...] = (*OPTIONS, *KNOBS)
RESUME_HELP = (
    "go on with a run that was cut off, with its own options: a journal, a run's name, or latest "
    "(default: latest; write it after bench/)"
)
WAIT_HELP = "where another run measures on this machine, wait until it has ended"
SELFTEST_HELP = (
    "measure strategies against identical code and planted slow-downs instead of each other, and "
    "say how far to trust the figures of this machine"
)
GITHUB_HELP = "append the answer to the file that GITHUB_STEP_SUMMARY names; needs no token"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer every axis and every knob of the protocol, on the command line and in the ini file."""
    group = parser.getgroup("timelift", "timelift: which way of applying a layer to every step")
    for option in ALL_OPTIONS:
        text = option.full_help.replace("%", "%%")
        group.addoption(option.flag, metavar=option.metavar, help=text, default="")
        parser.addini(option.name, option.full_help, default="")
    group.addoption("--resume", nargs="?", const="latest", metavar="RUN", help=RESUME_HELP)
    group.addoption("--wait", action="store_true", help=WAIT_HELP)
    group.addoption("--selftest", action="store_true", help=SELFTEST_HELP)
    group.addoption("--github-summary", action="store_true", help=GITHUB_HELP)
