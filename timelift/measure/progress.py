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

    def show(self, seconds_left: float, text: str) -> None:
        """Show what is going on and how long the rest may take; infinite where not known."""
        now = time.monotonic()
        if not self._live and now - self._shown < self.EVERY:
            return
        self._shown = now
        line = f"timelift: {text}{_left(seconds_left)}"
        self._stream.write(f"\r\x1b[K{line[: _width()]}" if self._live else line + "\n")
        self._stream.flush()

    def done(self) -> None:
        """Leave a clean line behind."""
        if self._live:
            self._stream.write("\r\x1b[K")
            self._stream.flush()


def _left(seconds: float) -> str:
    if not math.isfinite(seconds):
        return ""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    return f", about {f'{minutes} min ' if minutes else ''}{rest} s left"


def _width() -> int:
    return shutil.get_terminal_size().columns - 1
