"""The options of `timelift bench`: how their texts are read, their defaults and help.

Readers raise ValueError or UserError for a wrong text.
"""

import itertools
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from timelift import case
from timelift.axis_values import Backend, Mode, Phase, Runtime
from timelift.errors import UserError, nearest, read_folder, read_share
from timelift.inner_layer import LayerInputs, read_inputs
from timelift.measure.backends import usual_backend
from timelift.measurement import MOST_LAUNCHES

_MOST_DIGITS = 12
#: More than a month.
_MOST_SECONDS = 3e6
#: The system counts bytes in signed 64 bits.
_MOST_BYTES = 2**63 - 1
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_BYTES = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
#: Launches that build one at a time: so many undisturbed first calls have an interval.
_UNDISTURBED = 3
Undecided = StrEnum("Undecided", ("pass", "fail"))


def option_name(flag: str) -> str:
    return flag.removeprefix("--").replace("-", "_")


def option_flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


@dataclass(frozen=True)
class LaunchRange:
    fewest: int
    most: int

    def __str__(self) -> str:
        return f"{self.fewest}-{self.most}" if self.most > self.fewest else str(self.fewest)


def split(text: str) -> list[str]:
    """Split at commas outside brackets, so that `fold_chunks[k=8,remat=True]` stays whole."""
    words, depth = [""], 0
    for letter in text:
        depth += (letter == "[") - (letter == "]")
        if letter == "," and depth <= 0:
            words.append("")
        else:
            words[-1] += letter
    return [word.strip() for word in words if word.strip()]


def list_of(read: Callable[[str], Any]) -> Callable[[str], tuple[Any, ...]]:
    """Return a reader of words with commas between them; an empty text has none."""

    def read_list(text: str) -> tuple[Any, ...]:
        words = split(text)
        if text and not words:
            raise UserError(f"expected at least one value, received {text!r}")
        return tuple(dict.fromkeys(read(word) for word in words))

    return read_list


def read_size(word: str, most: int = case.LARGEST_SIZE) -> int:
    is_short_number = word.isascii() and word.isdecimal() and len(word) <= _MOST_DIGITS
    if not (is_short_number and 0 < int(word) <= most):
        raise UserError(f"expected a whole number from 1 to {most:,}, received {word!r:.80}")
    return int(word)


def read_threads(word: str) -> int:
    return 0 if word == "default" else read_size(word)


def choice(kind: type[StrEnum]) -> Callable[[str], StrEnum]:
    def read(word: str) -> StrEnum:
        try:
            return kind(word)
        except ValueError:
            raise UserError(f"unknown value {word!r}; {nearest(word, kind)}") from None

    return read


def read_seconds(word: str) -> float:
    seconds = float(word)
    if not 0 < seconds < _MOST_SECONDS:
        raise ValueError(word)
    return seconds


def read_launches(word: str) -> LaunchRange:
    fewest, dash, most = word.partition("-")
    launches = LaunchRange(int(fewest), int(most if dash else fewest))
    if not 0 < launches.fewest <= launches.most <= MOST_LAUNCHES:
        raise ValueError(word)
    return launches


def read_duration(word: str) -> float | None:
    """Read `90`, `90s`, `5m` or `1h` as seconds, an empty text as None."""
    unit = word[-1:] if word[-1:] in _SECONDS else ""
    return read_seconds(word.removesuffix(unit)) * _SECONDS.get(unit, 1) if word else None


def read_memory(word: str) -> int:
    """Read `4G`, `800M` or a number of bytes, an empty text as 0."""
    unit = word[-1:].upper()
    number = word[:-1] if unit in _BYTES else word
    size = int(number or 0) * _BYTES.get(unit, 1)
    if word and not 0 < size <= _MOST_BYTES:
        raise ValueError(word)
    return size


def read_seed(word: str) -> int | None:
    """Read a whole number from 0, an empty text as None."""
    if word and not (word.isascii() and word.isdecimal()):
        raise ValueError(word)
    return int(word) if word else None


# Backends and devices, without importing a backend ------------------------------------------------


def device_names(
    folder: Path = Path("/dev"), variables: Mapping[str, str] = os.environ
) -> list[str]:
    """Return every device by the name that each backend understands: `cpu`, `gpu`, `gpu:1`, ….

    They are in the driver's order, as many as CUDA_VISIBLE_DEVICES shows.
    """
    count = len([file for file in folder.glob("nvidia*") if re.fullmatch(r"nvidia\d+", file.name)])
    visible = variables.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        valid = itertools.takewhile(
            lambda number: number.strip() not in {"", "-1"}, visible.split(",")
        )
        count = min(count, len(list(valid)))
    return [case.CPU, *(_device_name(case.GPU, number) for number in range(count))]


def _device_name(kind: str, number: int) -> str:
    return f"{kind}:{number}" if number else kind


def read_device(word: str) -> str:
    """Read a device's name; raises UserError for another text."""
    kind, colon, number = word.partition(":")
    if kind not in {case.CPU, case.GPU} or (colon and not number.isdecimal()):
        raise UserError(f"unknown device {word!r}; expected cpu, gpu, gpu:1, … or all")
    return _device_name(kind, int(number or 0))


def read_backends(text: str) -> tuple[Backend, ...]:
    """Read a list of backends, an empty text as the usual one."""
    return list_of(choice(Backend))(text) if text else usual_backend()[:1]


def read_devices(text: str) -> tuple[str, ...]:
    """Read a list of devices, an empty text as the CPU and the first GPU, if any."""
    if text.strip() == "all":
        return tuple(device_names())
    return list_of(read_device)(text) if text else tuple(device_names()[:2])


# The options -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Option:
    """One option: `seq_lens` is `--seq-lens` on the command line.

    The help shows `otherwise` for an empty default. `axis` is the field of a case whose values it
    lists, '' if it is no axis. `read` raises ValueError for a text unlike `help`, or a UserError
    with a sentence of its own.
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

    def add_to(self, add: Callable[..., Any], prefix: str = "") -> None:
        """Add it to a parser; the name of its value has the `prefix`."""
        text = f"{self.help} (default: {self.default or self.otherwise})".replace("%", "%%")
        add(self.flag, dest=prefix + self.name, metavar=self.metavar, help=text)

    def value(self, text: str) -> Any:
        """Read the text, or the default where it is empty; raises UserError naming the option."""
        try:
            return self.read(text or self.default)
        except UserError as error:  # of an empty text it is the environment that is wrong
            raise UserError(f"{self.flag}: {error}" if text else str(error)) from None
        except ValueError:
            raise UserError(f"{self.flag}: expected {self.help}, received {text!r}") from None


#: Readers of the axes whose words are more than a choice, a size or a name.
_READERS = {"device": read_devices, "threads": list_of(read_threads), "backend": read_backends}
_BY_WORKLOAD = "what the question and the workload say"
_BY_KERAS = "that of KERAS_BACKEND, else of keras.json, else the first installed"


def _axis_option(axis: case.Axis) -> Option:
    read = _READERS.get(axis.name) or list_of(_word_reader(axis.kind))
    otherwise = _BY_KERAS if axis.kind is Backend else _BY_WORKLOAD
    default = str(axis.usual or "") if axis.default is None else axis.default
    name = option_name(axis.flag)
    return Option(name, default, axis.values, read, axis.name, "LIST", otherwise)


def _word_reader(kind: type) -> Callable[[str], Any]:
    if issubclass(kind, StrEnum):
        return choice(kind)
    return read_size if kind is int else str


_STRATEGIES = Option(
    "strategies",
    "",
    "names, families, name[k=8], or all",
    read=list_of(str),
    axis="strategy",
    metavar="LIST",
    otherwise=_BY_WORKLOAD,
)
#: Every axis, in the order of the help.
AXIS_OPTIONS: tuple[Option, ...] = (
    _STRATEGIES,
    *(_axis_option(axis) for name, axis in case.AXES.items() if name != "machine"),
)
_LAYER = (
    Option(
        "layer",
        "",
        "a layer of your own, or what makes it, as module:name or path.py:name",
        metavar="MODULE:NAME",
    ),
    Option(
        "inputs",
        "",
        "one step, like 96,96,3, int32[60]<1000, float32[9,8]+mask or x=float32[3],y=int32[]<6",
        read=read_inputs,
        metavar="SHAPE",
        otherwise="the layer's own, if it is built",
    ),
)
_HOW_LONG = (
    Option(
        "launches",
        "3-12",
        "a number of fresh processes up to 1,000, or the fewest and the most, like 3-12",
        read=read_launches,
    ),
    Option(
        "precision",
        "2%",
        "what choosing the fastest may cost over the best, like 2%, to need no further launch",
        read=read_share,
        metavar="SHARE",
    ),
    Option(
        "budget",
        "",
        "the time for the whole run, like 90s, 5m or 1h",
        otherwise="the fewest launches, and more where the answer is open, until 160 s have passed",
        read=read_duration,
    ),
    Option("seed", "", "a whole number from 0", otherwise="drawn anew", read=read_seed),
)
_OTHER_SIDE = (
    Option(
        "against",
        "",
        "a git revision, a folder or another venv's bin/python to race against; ./main is a path",
    ),
    Option(
        "gate",
        "3%",
        "the slow-down beside the other side that should be found",
        read=read_share,
        metavar="SHARE",
    ),
    Option(
        "undecided",
        "pass",
        "pass or fail: the result of a case of which neither a slow-down nor its absence is shown",
        read=choice(Undecided),
    ),
)
_ELSEWHERE = (
    Option(
        "cluster",
        "",
        "a scheduler of Dask like tcp://HOST:8786, its file, or local:2 for two nodes here",
        otherwise="this machine alone",
        metavar="ADDRESS",
    ),
)
_LIMITS = (
    Option("first_call_limit", "60", "seconds for tracing and the first call", read=read_seconds),
    Option("memory_limit", "", "memory a setting's worker may use, like 4G or 800M", read_memory),
    Option("results", "results", "the folder of the journals", read_folder, metavar="FOLDER"),
)
#: The options that take a value, by their heading in the help.
GROUPS: Mapping[str, tuple[Option, ...]] = {
    "what to measure": AXIS_OPTIONS,
    "a layer of your own": _LAYER,
    "how long": _HOW_LONG,
    "against another version": _OTHER_SIDE,
    "on many machines": _ELSEWHERE,
    "limits and results": _LIMITS,
}
OPTIONS = tuple(option for options in GROUPS.values() for option in options)
OTHER_OPTIONS = OPTIONS[len(AXIS_OPTIONS) :]
FLAGS = (*(option.flag for option in OPTIONS), "--resume", "--report")


def option_named(name: str) -> Option:
    return next(option for option in OPTIONS if option.name == name)


def refuse_unserved(
    runtimes: Sequence[Runtime], phases: Sequence[Phase], modes: Sequence[Mode]
) -> None:
    """Raise UserError where the phases or modes that were typed have no call of a runtime."""
    exported = [runtime for runtime in runtimes if runtime is not Runtime.KERAS]
    typed = {"phases": phases, "modes": modes}
    for name, needed, why in (
        ("phases", Phase.SERVE, "in which alone {} has calls"),
        ("modes", Mode.GRAPH, "which alone is exported for {}"),
    ):
        if exported and typed[name] and needed not in typed[name]:
            raise UserError(
                f"--runtimes: expected the {name[:-1]} {needed}, {why.format(exported[0])}, "
                f"received --{name} {','.join(typed[name])}; leave --{name} out"
            )


def add_options(group_named: Callable[[str], Callable[..., Any]], prefix: str = "") -> None:
    """Add every option of `timelift bench` below its heading; names of values have the `prefix`."""
    for title, options in GROUPS.items():
        add = group_named(title)
        for option in options:
            option.add_to(add, prefix)
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


# What a run is asked for -------------------------------------------------------------------------


@dataclass(frozen=True)
class RunOptions:
    """The user's options by their names, and below them those of doors and kinds of runs.

    Every case has the fewest of the `launches`, and up to the most while the referee wants them and
    time is left: `budget` in seconds for the whole run, or else `spare_seconds` for launches beyond
    the fewest. A worker may use `memory_limit` bytes, 0 being no limit.

    With `once`, each case is built, held to the law and called, and no rounds are played.
    `stop_after` failures (pytest's `--maxfail`) end the run early; 0 never does. With
    `reads_peak_memory`, each case's peak of the host's memory is read in one of the first launches
    of a setting, if a budget has time for it, and again if the referee doubts it. In a `two_sided`
    run every case is raced against its other side, in `other_python` if that is named, the
    allocator is made steady, and the launches beyond the fewest are for suspects. Workers find the
    modules of the project in `import_folders`.
    """

    layer: str
    inputs: LayerInputs | None
    launches: LaunchRange
    precision: float
    budget: float | None
    seed: int | None
    against: str
    gate: float
    undecided: str
    cluster: str
    first_call_limit: float
    memory_limit: int
    results: Path
    once: bool = False
    stop_after: int = 0
    spare_seconds: float = 160.0
    reads_peak_memory: bool = True
    two_sided: bool = False
    other_python: str = ""
    import_folders: tuple[Path, ...] = ()

    @classmethod
    def read(cls, texts: Mapping[str, str]) -> Self:
        values = {option.name: option.value(texts.get(option.name, "")) for option in OTHER_OPTIONS}
        return cls(**values)

    @property
    def header_texts(self) -> dict[str, str]:
        """The values as texts, as a header holds them."""
        values = {option.name: getattr(self, option.name) for option in OTHER_OPTIONS}
        return {name: "" if value is None else str(value) for name, value in values.items()}

    @property
    def launch_with_reader(self) -> int:
        """The launch beside which peak memory is read: 2, or 1 for two-sided runs, or 0 for none.

        The reader disturbs first calls, so two other launches have to build by themselves. The
        second has it, so that rivals which fail in the first are not read. Two sides are disturbed
        alike, so the first has it: later launches come in pairs. There is none with two
        interpreters, which build in turn, nor with a budget, which needs a launch's time first.
        """
        if not self.reads_peak_memory or self.budget is not None or self.other_python:
            return 0
        if self.two_sided:
            return 1
        return 2 if self.launches.fewest >= _UNDISTURBED else 0

    def groups(self, decision_points: Sequence[int]) -> Iterator[tuple[int, ...]]:
        """Group launches: the first few alone, for undisturbed first calls, then pairs.

        No pair spans a decision point or the end of the fewest. In a two-sided run both sides are
        disturbed alike, and all launches but the first come in pairs.
        """
        fewest, most = self.launches.fewest, self.launches.most
        first, undisturbed = 1, 1 if self.two_sided else min(fewest, _UNDISTURBED)
        while first <= most:
            alone = first <= undisturbed or first in {*decision_points, fewest, most}
            last = first if alone else first + 1
            yield tuple(range(first, last + 1))
            first = last + 1
