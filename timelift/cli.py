"""The command line: `timelift COMMAND …`; `timelift.commands` has a function for each command."""

import argparse
import errno
import gc
import importlib
import inspect
import io
import os
import platform
import sys
import textwrap
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import NamedTuple, NoReturn

import timelift
from timelift.axis_values import Backend, Runtime
from timelift.commands import EXIT_INTERRUPTED, Options, option_for, unknown_option
from timelift.errors import UserError, nearest
from timelift.escape import plain
from timelift.project import Project


class Command(NamedTuple):
    """The module and the purpose of a command; if it `measures`, pytest reads its options."""

    module: str
    purpose: str
    measures: bool = False


#: Every command by its name, in the order of the help text.
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


def module_of(name: str) -> ModuleType:
    """Return the module that has a command's function and the function of its options."""
    return importlib.import_module(f"timelift.commands.{COMMANDS[name].module}")


class _Help(argparse.RawDescriptionHelpFormatter):
    def _fill_text(self, text: str, width: int, indent: str) -> str:  # noqa: ARG002 - argparse's
        """Wrap the paragraphs; one with indented lines stays as it is."""
        paragraphs = text.split("\n\n")
        return "\n\n".join(
            paragraph if "\n " in paragraph else textwrap.fill(paragraph, width)
            for paragraph in paragraphs
        )


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are UserError: a sentence, and exit code 1, since 2 is an answer."""

    def read(self, words: Sequence[str], project: Project) -> Options:
        """Parse the words; raises UserError for an unknown or empty option, or another word."""
        known = self._option_string_actions
        for word, following in zip(words, [*words[1:], None], strict=False):
            flag, equals, value = word.partition("=")
            action = known.get(flag)
            if action is None and flag.startswith("--") and flag != "--":
                raise unknown_option(self.prog, flag, known)
            if action and action.nargs != 0 and (value if equals else following) == "":
                raise UserError(f"{flag}: expected a value, received nothing; or leave {flag} out")
        options, unknown = self.parse_known_args(words)
        if unknown:
            hint = option_for(unknown[0], project, known) or f"{self.prog} --help has an example"
            raise UserError(f"expected no further word, received {unknown[0]!r}; {hint}")
        return options

    def error(self, message: str) -> NoReturn:
        words, found, lacking = message.partition("arguments are required: ")
        if found:
            raise UserError(f"expected {lacking}, received none; {self.prog} --help has an example")
        words = words.removeprefix("argument ").replace("argument --", "--")
        raise UserError(words.replace("one argument", "a value, received none"))

    def set_usage(self) -> None:
        """Make the usage one line, so that the purpose and an example are seen at once."""
        words = (action.metavar for action in self._get_positional_actions())
        self.usage = " ".join(map(str, (self.prog, *words, "[OPTION ...]")))


def parser(name: str) -> _Parser:
    """Return the parser of a command; the docstring of the command's function is its help."""
    module = module_of(name)
    command_parser = _Parser(
        prog=f"timelift {name}",
        # there are no docstrings with python -OO
        description=inspect.cleandoc(getattr(module, name).__doc__ or ""),
        formatter_class=_Help,
        allow_abbrev=False,
    )
    getattr(module, f"{name}_options")(command_parser)
    command_parser.set_usage()
    return command_parser


def main(argv: Sequence[str] | None = None, root: Path | None = None, default: str = "") -> int:
    """Run a command, or else `default`, in the project at `root` or around the working folder."""
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
    except MemoryError:
        sys.stderr.write("timelift: it needs more memory than there is; ask for less at once\n")
        return 1
    except KeyboardInterrupt:  # by another door than `timelift.__main__`
        sys.stderr.write("timelift: interrupted\n")
        return EXIT_INTERRUPTED
    except OSError as error:
        if error.errno not in {errno.EPIPE, errno.ENOSPC}:
            raise
        if error.errno == errno.ENOSPC:
            sys.stderr.write(f"timelift: cannot write the answer: {error.strerror}; make room\n")
        # `| head` has read enough; the rest of the buffer must not fail again at the exit
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


def _run(words: list[str], project: Project, default: str) -> int:
    if words and words[0] in COMMANDS:
        name = words.pop(0)
    elif default:
        name = default
    elif words and words[0] not in {"-h", "--help", "--version"}:
        hint = nearest(words[0], [*COMMANDS, "--help", "--version"])
        raise UserError(f"expected a command, received {words[0]!r}; {hint}")
    else:
        sys.stdout.write(_versions() if "--version" in words else _overview())
        return 0
    run: Callable[[Options, Project], int] = getattr(module_of(name), name)
    if COMMANDS[name].measures and not {"-h", "--help"} & {*words}:
        return run(Options(words=words), project)
    return run(parser(name).read(words, project), project)


def _versions() -> str:
    """Return our version, and those of what a fault may come from; no framework is imported."""
    found = metadata.packages_distributions()  # `tensorflow` may be tensorflow-cpu
    runtimes = (module for runtime in Runtime for module in runtime.modules)
    packages = ("keras", *Backend, *(module for module in runtimes if module != "scipy"))  # ours
    names = [name for package in packages for name in found.get(package, ())]
    versions = [f"{name} {metadata.version(name)}" for name in dict.fromkeys(names)]
    told = ", ".join([f"Python {platform.python_version()}", *versions])
    return f"timelift {timelift.__version__}\n{told}\n"


def _overview() -> str:
    purposes = "".join(f"  {name:10}  {command.purpose}\n" for name, command in COMMANDS.items())
    return (
        "usage: timelift COMMAND …\n\n"
        "Which way of applying one Keras layer to every step of a sequence is fastest?\n\n"
        f"commands:\n{purposes}\n"
        "Options of one are in: timelift COMMAND --help\n"
    )
