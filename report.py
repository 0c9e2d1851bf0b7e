"""The reader's door: which command, and its arguments; then a call into the reading wing."""

import argparse
import gc
import importlib
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn, cast

from timelift.commands import DEFAULT, NAMES, Command
from timelift.errors import UserError
from timelift.escape import plain

ROOT = Path(__file__).parent


def main(words: Sequence[str] | None = None) -> int:
    """Run the command that the first word names, or the report; return the exit code."""
    given = list(sys.argv[1:] if words is None else words)
    name = given.pop(0) if given and given[0] in NAMES else DEFAULT
    command = _command(name)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    try:
        return command.run(_parser(name, command).parse_args(given), ROOT)
    except UserError as error:
        sys.stderr.write(f"report.py: {plain(error)}\n")
        return 1


def _command(name: str) -> Command:
    return cast("Command", importlib.import_module(f"timelift.commands.{name}"))


def _parser(name: str, command: Command) -> argparse.ArgumentParser:
    called = "report.py" if name == DEFAULT else f"report.py {name}"
    parser = _Parser(
        prog=called,
        description=command.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_others() if name == DEFAULT else None,
    )
    parser.usage_exit = getattr(command, "USAGE_EXIT", parser.usage_exit)
    command.arguments(parser)
    return parser


class _Parser(argparse.ArgumentParser):
    """A parser whose exit code for bad usage is the command's own, where 2 already means more."""

    usage_exit = 2

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(self.usage_exit, f"{self.prog}: error: {message}\n")


def _others() -> str | None:
    """Name the other commands, each with the first line of its docstring."""
    if not NAMES:
        return None
    first = {name: (_command(name).__doc__ or "").partition("\n")[0] for name in NAMES}
    return "other commands:\n" + "\n".join(f"  {name:10} {text}" for name, text in first.items())


if __name__ == "__main__":
    gc.disable()  # A report ends before its garbage matters; collecting it is a tenth of the time.
    sys.exit(main())
