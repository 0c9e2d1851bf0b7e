"""The protocol's knobs as command-line options: names, defaults, and how a value is read."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from timelift.errors import UserError
from timelift.measure.options import Option


@dataclass(frozen=True)
class Knob(Option):
    """One option that is not an axis; `read` turns its text into a value or raises ValueError."""

    read: Callable[[str], Any] = str

    def value(self, text: str) -> Any:
        """Read the option's text, or its default when empty."""
        try:
            return self.read(text or self.default)
        except ValueError:
            raise UserError(f"{self.flag}: expected {self.help}, received {text!r}") from None


def _positive(word: str) -> int:
    if int(word) < 1:
        raise ValueError(word)
    return int(word)


def _seconds(word: str) -> float:
    seconds = float(word)
    if not 0 < seconds < float("inf"):
        raise ValueError(word)
    return seconds


def _features(word: str) -> tuple[int, ...]:
    return tuple(_positive(size) for size in word.split(",") if size.strip())


def _integer_dtype(word: str) -> str:
    if word not in {"", "int32", "int64"}:
        raise ValueError(word)
    return word


def _paths(word: str) -> tuple[Path, ...]:
    return tuple(Path(name.strip()) for name in word.split(",") if name.strip())


KNOBS: tuple[Knob, ...] = (
    Knob("launches", "3", "a number of fresh processes, at least 1", read=_positive),
    Knob("round_seconds", "0.1", "seconds of rounds a rival in each launch", read=_seconds),
    Knob("seed", "", "a whole number", otherwise="drawn anew", read=lambda text: int(text or -1)),
    Knob("results", "results", "a folder for the journals"),
    Knob("first_call_limit", "60", "seconds for tracing and the first call", read=_seconds),
    Knob("case_timeout", "120", "seconds for any other stage of a case", read=_seconds),
    Knob("strategy_file", "", "strategies of your own: paths with commas", read=_paths),
    Knob("layer", "", "a layer of your own, as module:function"),
    Knob("layer_file", "", "a layer of your own, as path.py:function"),
    Knob("features", "", "the shape of one step of your layer, like 96,96,3", read=_features),
    Knob("input_dtype", "", "int32 or int64 for inputs of whole numbers", read=_integer_dtype),
    Knob("input_high", "", "whole-number inputs lie below this", read=lambda text: int(text or 0)),
)
