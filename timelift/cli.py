"""The command line: `timelift COMMAND …`. What a command does is in `timelift.commands`."""

import difflib
import errno
import gc
import io
import os
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from timelift import removed
from timelift.commands import EXIT_INTERRUPTED, Options
from timelift.commands.table import COMMANDS, function, parser
from timelift.errors import UserError, nearest
from timelift.escape import plain
from timelift.project import Project


def main(
    argv: Sequence[str] | None = None, root: Path | None = None, default: str | None = None
) -> int:
    """Run a command in the project at `root`, by default the one around the working directory.

    `default` is the command that needs no word.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if argv is None:
        gc.disable()  # a report ends before its garbage matters; it is a tenth of the time
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    try:
        code = _run(words, Project(_root() if root is None else root), default)
        sys.stdout.flush()
    except UserError as error:
        sys.stderr.write(f"timelift: {plain(error)}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("timelift: interrupted\n")
        return EXIT_INTERRUPTED
    except OSError as error:
        if error.errno not in {errno.EPIPE, errno.ENOSPC}:
            raise
        if error.errno == errno.ENOSPC:
            sys.stderr.write(f"timelift: cannot write the answer: {error.strerror}; make room\n")
        # `| head` has read enough; what is still buffered must not fail again at the exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _root() -> Path:
    """Return the top of the project around the working directory, as a path from there."""
    try:
        return Path(os.path.relpath(Project.around(Path.cwd()).root))
    except FileNotFoundError:
        raise UserError(
            "expected a working directory, but it has been removed; change into another"
        ) from None


def _run(words: list[str], project: Project, default: str | None) -> int:
    if words and words[0] in COMMANDS:
        name = words.pop(0)
    elif words and words[0] in removed.COMMANDS:
        raise UserError(f"{words[0]} is no command any more: {removed.COMMANDS[words[0]]}")
    elif default:
        name = default
        _refuse_mistyped(words, project)
    elif words and words[0] not in {"-h", "--help", "--version"}:
        raise UserError(f"expected a command, received {words[0]!r}; {nearest(words[0], COMMANDS)}")
    else:
        sys.stdout.write(_version() if "--version" in words else _overview())
        return 0
    run = function(name)
    if COMMANDS[name].measures and not {"-h", "--help"} & {*words}:
        return run(Options(words=words), project)
    return run(parser(name).read(words), project)


def _refuse_mistyped(words: Sequence[str], project: Project) -> None:
    """Raise UserError where the first word is no run and nearly a command."""
    close = difflib.get_close_matches(words[0], COMMANDS, n=1) if words else []
    if not close or words[0].startswith("-"):
        return
    from timelift.journal import find_run  # noqa: PLC0415 - which a command may not need

    try:
        find_run(project.results, words[0])
    except UserError as error:
        raise UserError(f"{error}; or type the command {close[0]}") from None


def _overview() -> str:
    purposes = "".join(f"  {name:10}  {one.purpose}\n" for name, one in COMMANDS.items())
    return (
        "usage: timelift COMMAND …\n\n"
        "Which way of applying one Keras layer to every step of a sequence is fastest?\n\n"
        f"commands:\n{purposes}\n"
        "Options of one are in: timelift COMMAND --help\n"
    )


def _version() -> str:
    return f"timelift {metadata.version('timelift')}\n"
