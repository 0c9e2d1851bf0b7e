"""What is running and how much is left: a changing display on a terminal, plain lines elsewhere."""

import math
import os
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from timelift.measure.live import Live

#: Terminals that cannot move their cursor.
_DUMB = {"dumb", "unknown"}


@dataclass
class State:
    """What the campaign has said so far, in parts; a part that is not known is empty.

    `seen` are the launches of settings that have begun, of at least `settings` times `fewest`.
    """

    settings: int = 0
    fewest: int = 0
    most: int = 0
    launch: int = 0
    setting: str = ""
    doing: str = ""
    left: str = ""
    undecided: str = ""
    seen: set[tuple[int, str]] = field(default_factory=set)

    def hear(self, text: str) -> None:
        """Take from a line that stays how much there is to do, or what is undecided."""
        if plan := _PLAN.search(text):
            self.settings, self.fewest = int(plan[1]), int(plan[2])
            self.most = int(plan[3] or plan[2])
        if doubt := _DOUBT.match(text):
            self.undecided = doubt[1]

    def see(self, text: str, left: str) -> None:
        """Take from a stage which launch of which setting does what."""
        self.left = left
        if stage := _STAGE.match(text):
            self.launch, self.setting, self.doing = int(stage[1]), stage[2], stage[3]
            self.seen.add((self.launch, self.setting))
        else:
            self.setting, self.doing = "", text

    @property
    def share(self) -> float | None:
        """How much of the fewest launches has begun; None where that is not known or all has."""
        whole = self.settings * self.fewest
        known = whole and self.launch and self.launch <= self.fewest
        return min(1.0, (len(self.seen) - 1) / whole) if known else None

    @property
    def where(self) -> str:
        """The launch, and the place of the setting in it."""
        of = f" of {self.fewest}" if 0 < self.launch <= self.fewest else ""
        more = f", up to {self.most} where open" if self.most > self.fewest else ""
        place = sum(number == self.launch for number, _ in self.seen)
        here = f" · setting {place}" if place else ""
        all_of_them = f" of {self.settings}" if here and of else ""
        return f"launch {self.launch}{of}{more}{here}{all_of_them}" if self.launch else ""


#: How `Plan.in_words`, the campaign's stages and its doubts are worded.
_PLAN = re.compile(r"in (\d+) settings, (\d+) launch(?:es)? each(?:, up to (\d+))?")
_STAGE = re.compile(r"launch (\d+): (.*?): (.*)", re.DOTALL)
_DOUBT = re.compile(r"undecided after \d+ launches: (\d+ of \d+ settings)")


class Progress:
    """Show a campaign's stages on a stream; call `done` before anything else is printed."""

    #: Seconds between plain lines where the stream is no terminal.
    EVERY = 10.0

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._state = stream, State()
        self._moving = stream.isatty() and os.environ.get("TERM") not in _DUMB
        self._live: Live | None = None
        self._shown = float("-inf")

    def say(self, text: str) -> None:
        """Print a line that stays."""
        self._state.hear(text)
        if self._moving:
            self._display().say(f"timelift: {text}")
        else:
            self._write(f"timelift: {text}\n")

    def show(self, text: str, seconds_left: float, *, at_most: bool) -> None:
        """Show what is going on and how long the rest takes, or may take; infinite: not known."""
        left = _left(seconds_left, at_most=at_most)
        if self._moving:
            self._state.see(text, left)
            self._display().show(self._state)
        elif time.monotonic() - self._shown >= self.EVERY:
            self._shown = time.monotonic()
            self._write(f"timelift: {text}{', ' if left else ''}{left}\n")

    def done(self) -> None:
        """Leave a clean line behind."""
        if self._live:
            self._live.done()
            self._live = None

    def _display(self) -> "Live":
        from timelift.measure.live import Live  # noqa: PLC0415 - rich, not while collecting

        self._live = self._live or Live(self._stream)
        return self._live

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def _left(seconds: float, *, at_most: bool) -> str:
    if not math.isfinite(seconds):
        return ""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    how = "at most" if at_most else "about"
    return f"{how} {f'{minutes} min ' if minutes else ''}{rest} s left"
