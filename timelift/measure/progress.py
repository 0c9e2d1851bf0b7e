"""What is running and how much is left: a changing line on a terminal, plain lines elsewhere."""

import math
import shutil
import time
from typing import TextIO


class Progress:
    """Show a campaign's stages on a stream; call `done` before anything else is printed."""

    #: Seconds between plain lines where the stream is no terminal.
    EVERY = 10.0

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._live = stream, stream.isatty()
        self._shown = float("-inf")

    def say(self, text: str) -> None:
        """Print a line that stays."""
        self.done()
        self._stream.write(f"timelift: {text}\n")
        self._stream.flush()

    def show(self, text: str, seconds_left: float, *, at_most: bool) -> None:
        """Show what is going on and how long the rest takes, or may take; infinite: not known."""
        now = time.monotonic()
        if not self._live and now - self._shown < self.EVERY:
            return
        self._shown = now
        line = f"timelift: {text}{_left(seconds_left, at_most=at_most)}"
        self._stream.write(f"\r\x1b[K{line[: _width()]}" if self._live else line + "\n")
        self._stream.flush()

    def done(self) -> None:
        """Leave a clean line behind."""
        if self._live:
            self._stream.write("\r\x1b[K")
            self._stream.flush()


def _left(seconds: float, *, at_most: bool) -> str:
    if not math.isfinite(seconds):
        return ""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    how = "at most" if at_most else "about"
    return f", {how} {f'{minutes} min ' if minutes else ''}{rest} s left"


def _width() -> int:
    return shutil.get_terminal_size().columns - 1
