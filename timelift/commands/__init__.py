"""What `python report.py` can be asked: one module a command, named as the word that calls it.

A command has a docstring whose first line is its help, `arguments(parser)` and `run(arguments,
root)`, which returns the exit code and raises `UserError` where the user has to do something first.
Its imports wait inside its functions where they take long, so that a typo is answered at once.
"""

import argparse
from pathlib import Path
from typing import Protocol

from timelift import percent
from timelift.errors import UserError

#: The command that needs no word: `python report.py [RUN…]`.
DEFAULT = "report"
#: The others, in the order of the help text.
NAMES: tuple[str, ...] = ("choose", "compare", "history", "baseline", "export", "bisect")


def share(text: str) -> float:
    """Read a percentage for argparse, whose message names the option."""
    try:
        return percent.share(text)
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


class Command(Protocol):
    """What a module of this package has."""

    __doc__: str | None

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments."""

    def run(self, arguments: argparse.Namespace, root: Path) -> int:
        """Do what was asked in the project at `root`; return the exit code."""
