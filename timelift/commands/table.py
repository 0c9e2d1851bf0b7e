"""Every command: what it is for, where its function is, and how its options are read."""

import argparse
import importlib
import inspect
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple, NoReturn

from timelift.commands import Options
from timelift.errors import UserError
from timelift.project import Project
from timelift.removed import option_sentence


class Command(NamedTuple):
    """The module of `timelift.commands` that holds a command, and what it is for.

    The options of one that measures are pytest's, which reads them.
    """

    module: str
    purpose: str
    measures: bool = False


#: Every command by its word, in the order of the help text.
COMMANDS = {
    "init": Command("init", "write a question about your layer, and a CI workflow, here"),
    "bench": Command("bench", "measure: pytest with timelift's questions", measures=True),
    "selftest": Command("bench", "measure how far to trust this machine", measures=True),
    "advise": Command("advise", "every lift in your model, and what to change"),
    "report": Command("report", "what to write for each workload, a run's page, its tables"),
    "choose": Command("choose", "which strategy to use for one workload at one size"),
    "compare": Command("changes", "two stored runs: which cases became suspect"),
    "history": Command("changes", "what became slower over a machine's runs, and since when"),
    "bisect": Command("bisect", "the commit that made a case slower"),
    "strategies": Command("available", "the strategies there are; `strategies show NAME`"),
    "workloads": Command("available", "the workloads there are; `workloads show NAME`"),
}


def function(name: str) -> Callable[[Options, Project], int]:
    """Return the function of a command; its docstring is the help."""
    module = importlib.import_module(f"timelift.commands.{COMMANDS[name].module}")
    found: Callable[[Options, Project], int] = getattr(module, name)
    return found


class _Parser(argparse.ArgumentParser):
    """A parser whose exit code for bad usage is 1, since 2 is an answer of some commands."""

    def read(self, words: Sequence[str]) -> Options:
        """Parse the words; raises UserError for an option that is none, or went."""
        options, unknown = self.parse_known_args(words)
        command = self.prog.rpartition(" ")[2]
        for word in unknown:
            flag, flags = word.partition("=")[0], self._option_string_actions
            if word.startswith("--") and (sentence := option_sentence(command, flag, flags)):
                raise UserError(sentence)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return options

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(1, f"{self.prog}: error: {message}\n")


def parser(name: str) -> _Parser:
    from timelift.commands import arguments  # noqa: PLC0415 - it takes a moment

    of_command = _Parser(
        prog=f"timelift {name}",
        description=inspect.cleandoc(function(name).__doc__ or ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    getattr(arguments, name)(of_command)
    if COMMANDS[name].measures:
        of_command.usage = f"timelift {name} [QUESTION ...] [OPTION ...]"
    return of_command
