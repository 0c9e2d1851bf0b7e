"""The protocol's knobs as command-line options: names, defaults, and how a value is read."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from timelift.errors import UserError
from timelift.options import Option


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


KNOBS: tuple[Knob, ...] = (
    Knob("launches", "3", "a number of fresh processes, at least 1", read=_positive),
    Knob("round_seconds", "0.07", "seconds of rounds a rival in each launch", read=_seconds),
    Knob("seed", "", "a whole number", otherwise="drawn anew", read=lambda text: int(text or -1)),
    Knob("results", "results", "a folder for the journals"),
    Knob("first_call_limit", "60", "seconds for tracing and the first call", read=_seconds),
    Knob("case_timeout", "120", "seconds for any other stage of a case", read=_seconds),
)
