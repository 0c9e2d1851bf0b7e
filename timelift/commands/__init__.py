"""What each word of `timelift` does: one function a command, whose docstring is its help.

A command takes its options and the project that it was typed in. It returns the exit code, 0 where
all is done, and raises `UserError` where the user has to do something first, which is 1. What takes
long to import is imported inside, so that a typo is answered at once. Beside it stand its options,
in a function of its name with `_options`; what several commands share is here.
"""

import argparse
import sys
from collections.abc import Callable, Iterable
from typing import Any

from timelift.errors import UserError, read_share

Options = argparse.Namespace

#: The exit code of an answer that is no yes: not decided, something is suspect, something slower.
EXIT_NOT_YES = 2
#: What a shell expects of a program that Ctrl-C ended: 128 and the number of SIGINT.
EXIT_INTERRUPTED = 130


def write_lines(lines: Iterable[str]) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


# Options of several commands -------------------------------------------------------------------

#: How a run is named.
RUN_NAMES = "a journal, a folder, a run's or a machine's name, the beginning of a commit, or latest"


def add_baseline(parser: argparse.ArgumentParser) -> None:
    from timelift.analyse.ranking import BASELINES  # noqa: PLC0415 - numpy

    parser.add_argument(
        "--relative-to",
        default="",
        metavar="STRATEGY",
        help="what speed-ups are told against (default: what the run was asked for, else "
        f"the first that a setting has of {', '.join(BASELINES)})",
    )


def add_gate(parser: argparse.ArgumentParser, what: str) -> None:
    """Add the one threshold that changes are judged by."""
    parser.add_argument(
        "--gate",
        type=argument_type(read_share),
        default="3%",
        metavar="SHARE",
        help=f"{what}, such as 3%% or 0.03 (default: 3%%)",
    )


def add_forms(parser: argparse.ArgumentParser) -> None:
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--code", action="store_true", help="print Python to paste, the answer in its comments"
    )
    form.add_argument("--json", action="store_true", help="print one JSON object, for programs")


def argument_type(read: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return a reader for argparse, whose message names the option."""

    def read_argument(text: str) -> Any:
        try:
            return read(text)
        except UserError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return read_argument
