"""What is running and how much is left: a changing display on a terminal, plain lines elsewhere."""

import os
import time
from typing import TYPE_CHECKING, TextIO

from timelift.measure.events import CampaignBegun, CampaignEvent, StageBegun, StillUndecided
from timelift.measure.progress_state import ProgressState
from timelift.measure.progress_words import begun, still_undecided, time_left

if TYPE_CHECKING:
    from timelift.measure.live import Live

#: Terminals that cannot move their cursor.
_DUMB = {"dumb", "unknown"}


class Progress:
    """Show a campaign's events on a stream; call `done` before anything else is printed."""

    #: Seconds between plain lines where the stream is no terminal.
    EVERY = 10.0

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._state = stream, ProgressState()
        self._moving = stream.isatty() and os.environ.get("TERM") not in _DUMB
        self._live: Live | None = None
        self._shown = float("-inf")

    def say(self, text: str) -> None:
        if self._moving:
            self._display().say(f"timelift: {text}")
        else:
            self._write(f"timelift: {text}\n")

    def show(self, event: CampaignEvent) -> None:
        """Show an event: a stage until the next one, anything else as a line that stays."""
        self._state.take(event)
        match event:
            case StageBegun():
                self._show_stage(event)
            case CampaignBegun():
                self.say(begun(event))
            case StillUndecided():
                self.say(still_undecided(event))

    def _show_stage(self, stage: StageBegun) -> None:
        if self._moving:
            self._display().show(self._state)
        elif time.monotonic() - self._shown >= self.EVERY:
            self._shown = time.monotonic()
            left = time_left(stage)
            text = f"launch {stage.launch}: {stage.setting}: {stage.doing}"
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
