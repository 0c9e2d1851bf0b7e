"""The display of a campaign: one changing line on a terminal, a plain line now and then elsewhere.

It is drawn when something happens and never by a clock: a thread that redraws would take a
processor from what is being timed.
"""

import os
import time
from typing import TextIO

from rich import live
from rich.console import Console
from rich.text import Text

from timelift.escape import plain
from timelift.measure.locks import Note
from timelift.measure.progress import StageBegun

#: Columns of the bar; terminals narrower than `_ROOM` have none.
_BAR, _ROOM = 12, 60
#: Seconds between plain lines on a stream that is no terminal: a sixth of the time that has passed,
#: so that a long run has few lines, within these.
_PAUSE, _LONGEST_PAUSE = 10.0, 300.0
#: Terminals that cannot move their cursor.
_DUMB = {"dumb", "unknown"}


class CampaignDisplay:
    """Show a campaign's stages on a stream; call `done` before anything else is printed."""

    note: Note = staticmethod(lambda _: None)

    def __init__(self, stream: TextIO) -> None:
        # a terminal that can move its cursor and draw a bar, of which no log is kept
        has_signs = (stream.encoding or "utf-8").lower().startswith("utf")
        is_log = os.environ.get("CI") or os.environ.get("TERM") in _DUMB
        self._stream, self._moving = stream, stream.isatty() and has_signs and not is_log
        self._live: live.Live | None = None
        self._shown = float("-inf")

    def say(self, text: str) -> None:
        if self._moving:
            line = Text(plain(f"timelift: {text}"))
            self._line_below().console.print(line, soft_wrap=True)
        else:
            self._write(f"timelift: {text}\n")

    def show(self, stage: StageBegun) -> None:
        now = time.monotonic()
        self.note(stage.left)
        if self._moving:
            line = self._line_below()
            line.update(_drawn(stage, line.console.width), refresh=True)
        elif now - self._shown >= max(_PAUSE, min(stage.gone / 6, _LONGEST_PAUSE)):
            self._shown = now
            self._write(f"timelift: {stage.words}\n")

    def done(self) -> None:
        if self._live:
            self._live.stop()
            self._live = None

    def _line_below(self) -> live.Live:
        """Return the line at the bottom of a terminal. NO_COLOR is honoured."""
        if self._live is None:
            console = Console(file=self._stream, force_terminal=True, highlight=False)
            self._live = live.Live(
                console=console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()
            console.show_cursor(show=True)  # a run that is killed must not leave one hidden
        return self._live

    def _write(self, text: str) -> None:
        """Write a text; characters that the stream's encoding lacks are replaced."""
        encoding = self._stream.encoding or "utf-8"
        self._stream.write(text.encode(encoding, "replace").decode(encoding))
        self._stream.flush()


def _drawn(stage: StageBegun, width: int) -> Text:
    """Draw a bar and words in one line that is cut to the width, never wrapped."""
    done = round(stage.share * _BAR)
    bar = ("━" * done, "green"), ("─" * (_BAR - done), "dim"), "  "
    parts = (*(bar if width >= _ROOM else ()), plain(stage.words))
    return Text.assemble(*parts, no_wrap=True, overflow="ellipsis")
