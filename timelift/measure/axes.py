"""The axes as command-line options: their names, defaults, and how a value is read."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from timelift.case import Backend, Dtype, Gradients, Lengths, Mode, Phase, TimeAxis
from timelift.errors import UserError, nearest
from timelift.measure import devices
from timelift.measure.options import Option

#: Sizes are 32-bit in every backend.
_LARGEST, _MOST_DIGITS = 2**31 - 1, 12


def _whole(word: str) -> str:
    return word


@dataclass(frozen=True)
class AxisOption(Option):
    """One axis on the command line (`--seq-lens`) and in the ini file (`seq_lens`).

    `field` is the axis's name in a case; `read` turns one word of the list into a value.
    """

    field: str = ""
    read: Callable[[str], Any] = _whole
    metavar: str = "LIST"
    otherwise: str = "what the question and the workload say"

    def values(self, text: str) -> tuple[Any, ...]:
        """Read a comma-separated list; each wrong value is a UserError naming this option."""
        words = split(text)
        if not words:
            raise UserError(f"{self.flag}: expected at least one value, received {text!r}")
        try:
            return tuple(dict.fromkeys(self.read(word) for word in words))
        except UserError as error:
            raise UserError(f"{self.flag}: {error}") from None


def values(name: str, text: str) -> tuple[Any, ...]:
    """Read the option of this name from its text, or from its default where there is none."""
    option = next(option for option in OPTIONS if option.name == name)
    text = devices.spelled_out(text) if name == "devices" else text or option.default
    return option.values(text) if text else ()


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


def _counts(word: str) -> bool:
    """Whether a word is a whole number from 1 that any backend has a size for."""
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
            raise UserError(f"unknown value {word!r}; nearest: {nearest(word, kind)}") from None

    return read


def _axis(
    name: str, field: str, default: str, choices: str, read: Callable[[str], Any] = _whole
) -> AxisOption:
    return AxisOption(name, default, choices, field=field, read=read)


def _choices(name: str, field: str, default: str, kind: type[StrEnum]) -> AxisOption:
    return _axis(name, field, default, ", ".join(kind), _choice(kind))


#: Every axis in the order of the help text.
OPTIONS: tuple[AxisOption, ...] = (
    _axis("strategies", "strategy", "", "names, families, name[k=8], or all"),
    _axis("workloads", "workload", "", "names of files in workloads/, or all"),
    _axis("seq_lens", "seq_len", "", "numbers of steps", _size),
    _axis("batch_sizes", "batch", "", "sequences a call", _size),
    _choices("phases", "phase", "", Phase),
    _choices("modes", "mode", "", Mode),
    _choices("lengths", "lengths", "full", Lengths),
    _choices("gradients", "gradients", "weights", Gradients),
    _choices("time_axes", "time_axis", "static", TimeAxis),
    _choices("dtypes", "dtype", "float32", Dtype),
    _axis("devices", "device", "", "cpu, gpu, gpu:1, or all", devices.read),
    _axis("threads", "threads", "default", "numbers of threads, or default", _threads),
    _choices("backends", "backend", "tensorflow", Backend),
)
