"""What each word of `timelift` does: one function a command, whose docstring is its help.

A command takes its options and the project that it was typed in. It returns the exit code, 0 where
all is done, and raises `UserError` where the user has to do something first, which is 1. What takes
long to import is imported inside, so that a typo is answered at once.
"""

import argparse
import sys
from collections.abc import Iterable

Options = argparse.Namespace

#: The exit code of an answer that is no yes: not decided, something is suspect, something slower.
EXIT_NOT_YES = 2
#: What a shell expects of a program that Ctrl-C ended: 128 and the number of SIGINT.
EXIT_INTERRUPTED = 130


def write_lines(lines: Iterable[str]) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
