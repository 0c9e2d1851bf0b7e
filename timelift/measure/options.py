"""The options of `timelift bench` that take a value: defaults, help, and how a text is read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
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
from timelift.errors import UserError, nearest, read_share
from timelift.measure import devices

#: Sizes are 32-bit in every backend.
_LARGEST, _MOST_DIGITS = 2**31 - 1, 12
_MOST_LAUNCHES = 1_000
#: A range of processors is cut here: no machine has more.
_MOST_CORES = 1 << 16
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_BYTES = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


@dataclass(frozen=True)
class Option:
    """One option, on the command line (`--seq-lens`) and in the ini file (`seq_lens`).

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


def _list(read: Callable[[str], Any]) -> Callable[[str], tuple[Any, ...]]:
    """Return a reader of words with commas between them; of an empty text there are none."""

    def read_list(text: str) -> tuple[Any, ...]:
        words = split(text)
        if text and not words:
            raise UserError(f"expected at least one value, received {text!r}")
        return tuple(dict.fromkeys(read(word) for word in words))

    return read_list


def _counts(word: str) -> bool:
    """True if a word is a whole number from 1 that any backend has a size for."""
    short = word.isascii() and word.isdecimal() and len(word) <= _MOST_DIGITS
    return short and 0 < int(word) <= _LARGEST


def _size(word: str) -> int:
    if not _counts(word):
        raise UserError(f"expected a whole number from 1 to {_LARGEST:,}, received {word!r:.80}")
    return int(word)


def _threads(word: str) -> int:
    if word == "default":
        return 0
    if not _counts(word):
        raise UserError(f"expected a number of threads or 'default', received {word!r:.80}")
    return int(word)


def _choice(kind: type[StrEnum]) -> Callable[[str], StrEnum]:
    def read(word: str) -> StrEnum:
        try:
            return kind(word)
        except ValueError:
            raise UserError(f"unknown value {word!r}; {nearest(word, kind)}") from None

    return read


def _backends(text: str) -> tuple[Backend, ...]:
    """Read a list of backends; an empty one is the usual one."""
    return _list(_choice(Backend))(text) if text else (devices.usual_backend(),)


def _devices(text: str) -> tuple[str, ...]:
    """Read a list of devices; an empty one is the CPU and the first GPU, if any."""
    if text.strip() == "all":
        return tuple(devices.device_names())
    return _list(devices.read_device)(text) if text else tuple(devices.device_names()[:2])


def _positive(word: str) -> int:
    if int(word) < 1:
        raise ValueError(word)
    return int(word)


def _seconds(word: str) -> float:
    seconds = float(word)
    if not 0 < seconds < float("inf"):
        raise ValueError(word)
    return seconds


def _launches(word: str) -> LaunchRange:
    fewest, dash, most = word.partition("-")
    found = LaunchRange(_positive(fewest), _positive(most if dash else fewest))
    if not found.fewest <= found.most <= _MOST_LAUNCHES:
        raise ValueError(word)
    return found


def _duration(word: str) -> float | None:
    """Read `90`, `90s`, `5m` or `1h` as seconds; an empty text is no limit of the user's."""
    if not word:
        return None
    unit = word[-1] if word[-1] in _SECONDS else ""
    return _seconds(word.removesuffix(unit)) * _SECONDS.get(unit, 1)


def _one_of(*words: str) -> Callable[[str], str]:
    def read(word: str) -> str:
        if word not in words:
            raise ValueError(word)
        return word

    return read


def _bytes(word: str) -> int:
    """Read `4G`, `800M` or a number of bytes; an empty text is no limit."""
    if not word:
        return 0
    unit = word[-1].upper()
    number = word[:-1] if unit in _BYTES else word
    return _positive(number) * _BYTES.get(unit, 1)


def _growth(word: str) -> float:
    return read_share(word, below=10.0)


def _seed(word: str) -> int | None:
    """Read a whole number from 0; an empty text asks for a seed drawn anew."""
    if not word:
        return None
    if not (word.isascii() and word.isdecimal()):
        raise ValueError(word)
    return int(word)


def _cores(word: str) -> tuple[int, ...]:
    found: set[int] = set()
    for part in filter(None, word.split(",")):
        first, _, last = part.partition("-")
        found |= set(range(int(first), min(int(last or first), _MOST_CORES) + 1))
    if word and not devices.can_pin():
        raise UserError("this system cannot pin processes to processors; leave it out")
    if word and not (found and found <= devices.usable_cores()):
        raise ValueError(word)
    return tuple(sorted(found))


def _features(word: str) -> tuple[int, ...]:
    return tuple(_positive(size) for size in word.split(",") if size.strip())


def _paths(word: str) -> tuple[Path, ...]:
    return tuple(Path(name.strip()) for name in word.split(",") if name.strip())


def _axis(axis: str, default: str, choices: str, read: Callable[[str], Any]) -> Option:
    name = option_name(AXIS_FLAGS[axis])
    otherwise = "what the question and the workload say"
    return Option(name, default, choices, read, axis, "LIST", otherwise)


def _choices(axis: str, default: str, kind: type[StrEnum]) -> Option:
    return _axis(axis, default, ", ".join(kind), _list(_choice(kind)))


#: Every axis in the order of the help text.
AXIS_OPTIONS: tuple[Option, ...] = (
    _axis("strategy", "", "names, families, name[k=8], or all", _list(str)),
    _axis("workload", "", "names of files in workloads/, or all", _list(str)),
    _axis("seq_len", "", "numbers of steps", _list(_size)),
    _axis("batch", "", "sequences a call", _list(_size)),
    _choices("phase", "", Phase),
    _choices("mode", "", Mode),
    _choices("lengths", "full", Lengths),
    _choices("gradients", "weights", Gradients),
    _choices("time_axis", "static", TimeAxis),
    _choices("dtype", "float32", Dtype),
    _axis("device", "", "cpu, gpu, gpu:1, or all", _devices),
    _axis("threads", "default", "numbers of threads, or default", _list(_threads)),
    replace(
        _axis("backend", "", ", ".join(Backend), _backends),
        otherwise="KERAS_BACKEND, or the first of these that is installed",
    ),
)
#: The options that are no axes.
OTHER_OPTIONS: tuple[Option, ...] = (
    Option(
        "launches",
        "3-12",
        "a number of fresh processes up to 1,000, or the fewest and the most, like 3-12",
        read=_launches,
    ),
    Option(
        "precision",
        "2%",
        "what choosing the fastest may cost over the best, like 2%, to need no further launch",
        read=read_share,
    ),
    Option(
        "until",
        "",
        "for one setting of 2 to 4 strategies: launches until each ratio is known to ±0.3%",
        otherwise="launches as --precision wants them",
        read=lambda text: read_share(text) if text else None,
    ),
    Option(
        "budget",
        "",
        "the time for the whole run, like 90s, 5m or 1h",
        otherwise="the fewest launches, and more where the answer is open until 4 min have passed",
        read=_duration,
    ),
    Option("against", "", "a git revision to race the strategies and workloads against"),
    Option("against_path", "", "a folder with strategies/ and workloads/ to race against"),
    Option("against_python", "", "another venv's bin/python to race against"),
    Option(
        "gate", "3%", "the slow-down beside the other side that is found and fails", read=read_share
    ),
    Option(
        "gate_ignore",
        "",
        "the slow-down that never fails a case, like 1.5%",
        otherwise="half of --gate",
        read=lambda text: read_share(text) if text else None,
    ),
    Option(
        "gate_first_call",
        "25%",
        "what --gate is, for the first call; half of it never fails",
        read=_growth,
    ),
    Option(
        "gate_memory",
        "25%",
        "what --gate is, for the peak memory of a call; half of it never fails",
        read=_growth,
    ),
    Option(
        "undecided",
        "pass",
        "pass or fail: the result of a case of which neither a slow-down nor its absence is shown",
        read=_one_of("pass", "fail"),
    ),
    Option(
        "unchanged",
        "skip",
        "skip or measure: what is done with a case whose files, or whose programs, are the same on "
        "both sides",
        read=_one_of("skip", "measure"),
    ),
    Option(
        "allocator",
        "",
        "steady or default: whether the C library keeps memory that is freed, in one arena",
        otherwise="steady against another side, else the library's default",
        read=_one_of("", "steady", "default"),
    ),
    Option("pin", "", "the processors to stay on, like 0 or 0,2-3", otherwise="all", read=_cores),
    Option("round_seconds", "0.1", "seconds of rounds a rival in each launch", read=_seconds),
    Option("seed", "", "a whole number from 0", otherwise="drawn anew", read=_seed),
    Option(
        "relative_to",
        "",
        "the strategy that reports tell speed-ups against",
        otherwise="time_distributed, or where it was not measured another that is named",
    ),
    Option("results", "results", "a folder for the journals"),
    Option("first_call_limit", "60", "seconds for tracing and the first call", read=_seconds),
    Option("case_timeout", "120", "seconds for any other stage of a case", read=_seconds),
    Option(
        "memory_limit",
        "",
        "how much memory a setting's worker may use, like 4G or 800M",
        read=_bytes,
    ),
    Option(
        "include",
        "",
        "files and folders of strategies and workloads beside the project's own, with commas",
        read=_paths,
    ),
    Option("layer", "", "a layer of your own, or what makes it, as module:name"),
    Option("layer_file", "", "a layer of your own, or what makes it, as path.py:name"),
    Option(
        "features",
        "",
        "the shape of one step of your layer, like 96,96,3",
        otherwise="the layer's own, if it is built",
        read=_features,
    ),
    Option(
        "input_dtype",
        "",
        "int32 or int64 for inputs of whole numbers",
        otherwise="the layer's own, if it is built",
        read=_one_of("", "int32", "int64"),
    ),
    Option(
        "input_high",
        "",
        "a whole number from 1, below which whole-number inputs lie",
        otherwise="that of the layer's Embedding, if that is its first layer",
        read=lambda text: _positive(text) if text else 0,
    ),
)
OPTIONS = (*AXIS_OPTIONS, *OTHER_OPTIONS)


def option_named(name: str) -> Option:
    return next(option for option in OPTIONS if option.name == name)


#: The options without a value, each with its help.
SWITCHES: Mapping[str, str] = {
    "wait": "where another run measures on this machine, wait until it has ended",
    "report": "write the report's page at the end, as timelift report does",
    "selftest": (
        "measure strategies against identical code and planted slow-downs instead of each other, "
        "and report how far to trust the figures of this machine"
    ),
}
#: The help of `--resume`, whose value may be left out.
RESUME_HELP = (
    "continue an interrupted run with the options it was started with; RUN is a journal, a run's "
    "name, or latest (default: latest; write it after bench/)"
)
