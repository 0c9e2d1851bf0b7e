"""The options of `timelift bench` that take a value, with their defaults and help."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from timelift.case import (
    AXIS_FLAGS,
    Backend,
    Dtype,
    Gradients,
    Lengths,
    Mode,
    Phase,
    TimeAxis,
    option_flag,
    option_name,
)
from timelift.errors import UserError, read_share
from timelift.layer_inputs import read_inputs
from timelift.measure import option_texts as texts


@dataclass(frozen=True)
class Option:
    """One option: `seq_lens` is `--seq-lens` on the command line.

    Where the default is empty, `otherwise` says what decides instead. `axis` is the field of a case
    whose values it lists, empty for an option that is no axis. `read` raises ValueError for a text
    that is not what `help` says, or a UserError that says more.
    """

    name: str
    default: str
    help: str
    read: Callable[[str], Any] = str
    axis: str = ""
    metavar: str = "VALUE"
    otherwise: str = "none"

    @property
    def flag(self) -> str:
        return option_flag(self.name)

    @property
    def full_help(self) -> str:
        return f"{self.help} (default: {self.default or self.otherwise})"

    def value(self, text: str) -> Any:
        """Read the text, or the default where it is empty; raises UserError naming the option."""
        try:
            return self.read(text or self.default)
        except UserError as error:
            raise UserError(f"{self.flag}: {error}") from None
        except ValueError:
            raise UserError(f"{self.flag}: expected {self.help}, received {text!r}") from None


def _axis(axis: str, default: str, choices: str, read: Callable[[str], Any]) -> Option:
    name = option_name(AXIS_FLAGS[axis])
    otherwise = "what the question and the workload say"
    return Option(name, default, choices, read, axis, "LIST", otherwise)


def _choices(axis: str, default: str, kind: type[StrEnum]) -> Option:
    return _axis(axis, default, ", ".join(kind), texts.list_of(texts.choice(kind)))


#: Every axis in the order of the help text.
AXIS_OPTIONS: tuple[Option, ...] = (
    _axis("strategy", "", "names, families, name[k=8], or all", texts.list_of(str)),
    _axis("workload", "", "names of files in workloads/, or all", texts.list_of(str)),
    _axis("seq_len", "", "numbers of steps", texts.list_of(texts.size)),
    _axis("batch", "", "sequences a call", texts.list_of(texts.size)),
    _choices("phase", "", Phase),
    _choices("mode", "", Mode),
    _choices("lengths", "full", Lengths),
    _choices("gradients", "weights", Gradients),
    _choices("time_axis", "static", TimeAxis),
    _choices("dtype", "float32", Dtype),
    _axis("device", "", "cpu, gpu, gpu:1, or all", texts.device_names),
    _axis("threads", "default", "numbers of threads, or default", texts.list_of(texts.threads)),
    replace(
        _axis("backend", "", ", ".join(Backend), texts.backends),
        otherwise="KERAS_BACKEND, or the first of these that is installed",
    ),
)
_LAYER = (
    Option("layer", "", "a layer of your own, or what makes it, as module:name or path.py:name"),
    Option(
        "inputs",
        "",
        "what it takes at one step, like 96,96,3, float32[96,96,3] or int32[60]<1000",
        read=read_inputs,
        otherwise="the layer's own, if it is built",
    ),
)
_HOW_LONG = (
    Option(
        "launches",
        "3-12",
        "a number of fresh processes up to 1,000, or the fewest and the most, like 3-12",
        read=texts.launches,
    ),
    Option(
        "precision",
        "2%",
        "what choosing the fastest may cost over the best, like 2%, to need no further launch",
        read=read_share,
    ),
    Option(
        "budget",
        "",
        "the time for the whole run, like 90s, 5m or 1h",
        otherwise="the fewest launches, and more where the answer is open until 4 min have passed",
        read=texts.duration,
    ),
    Option("seed", "", "a whole number from 0", otherwise="drawn anew", read=texts.seed),
)
_OTHER_SIDE = (
    Option(
        "against",
        "",
        "a git revision, a folder or another venv's bin/python to race against; ./main is a path",
    ),
    Option(
        "gate", "3%", "the slow-down beside the other side that should be found", read=read_share
    ),
    Option(
        "undecided",
        "pass",
        "pass or fail: the result of a case of which neither a slow-down nor its absence is shown",
        read=texts.one_of("pass", "fail"),
    ),
)
_LIMITS = (
    Option("first_call_limit", "60", "seconds for tracing and the first call", read=texts.seconds),
    Option(
        "memory_limit",
        "",
        "how much memory a setting's worker may use, like 4G or 800M",
        read=texts.memory,
    ),
    Option("results", "results", "a folder for the journals"),
)
#: The options that take a value, by the heading of the help under which they stand.
GROUPS: Mapping[str, tuple[Option, ...]] = {
    "what to measure": AXIS_OPTIONS,
    "a layer of your own": _LAYER,
    "how long": _HOW_LONG,
    "against another version": _OTHER_SIDE,
    "limits and results": _LIMITS,
}
OPTIONS = tuple(option for options in GROUPS.values() for option in options)
OTHER_OPTIONS = OPTIONS[len(AXIS_OPTIONS) :]
FLAGS = (*(option.flag for option in OPTIONS), "--resume", "--report")


def option_named(name: str) -> Option:
    return next(option for option in OPTIONS if option.name == name)


def add_options(group_named: Callable[[str], Callable[..., Any]], prefix: str = "") -> None:
    """Add every option of `timelift bench` to a parser, argparse's or pytest's.

    `group_named` returns what adds an option below a heading. The `prefix` goes before each name
    among the parsed values.
    """
    for title, options in GROUPS.items():
        add = group_named(title)
        for option in options:
            add(
                option.flag,
                dest=prefix + option.name,
                metavar=option.metavar,
                help=option.full_help.replace("%", "%%"),
            )
    add(
        "--resume",
        dest=f"{prefix}resume",
        nargs="?",
        const="latest",
        metavar="RUN",
        help="continue an interrupted run with the options it was started with; RUN is a journal, "
        "a run's name, or latest (default: latest; write it after bench/)",
    )
    add(
        "--report",
        dest=f"{prefix}report",
        action="store_true",
        help="write the report's page at the end, as timelift report does",
    )
