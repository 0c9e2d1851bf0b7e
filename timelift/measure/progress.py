"""What is running and how much is left: a changing line on a terminal, plain lines elsewhere."""

import time
from typing import TextIO


class Progress:
    """Show a campaign's stages on a stream; call `done` before anything else is printed."""

    #: Seconds between plain lines where the stream is no terminal.
    EVERY = 10.0

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._live = stream, stream.isatty()
        self._started, self._shown = time.monotonic(), float("-inf")

    def show(self, share_done: float, text: str) -> None:
        """Show a stage; `share_done` of the campaign's settings lie behind it."""
        now = time.monotonic()
        if not self._live and now - self._shown < self.EVERY:
            return
        self._shown = now
        line = f"timelift: {text}{self._left(share_done, now - self._started)}"
        self._stream.write(f"\r\x1b[K{line[: self._width()]}" if self._live else line + "\n")
        self._stream.flush()

    def done(self) -> None:
        """Leave a clean line behind."""
        if self._live:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def _left(self, share_done: float, spent: float) -> str:
        if share_done <= 0:
            return ""
        return f", about {spent / share_done - spent:.0f} s left"

    def _width(self) -> int:
        import shutil  # noqa: PLC0415 - only a terminal has a width

        return shutil.get_terminal_size().columns - 1
