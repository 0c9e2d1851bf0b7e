"""The display of a campaign: one changing line on a terminal, a plain line now and then elsewhere.

It is drawn when something happens and never by a clock: a thread that redraws would take a
processor from what is being timed.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TextIO

from rich import live
from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from timelift.escape import plain
from timelift.measure.progress import CampaignBegun, CampaignEvent, StageBegun, StillUndecided

#: Columns of the bar and of the gap after it; terminals narrower than `_ROOM` have no bar.
_BAR, _GAP, _ROOM = 12, 2, 60
#: Terminals that cannot move their cursor.
_DUMB = {"dumb", "unknown"}


@dataclass
class ProgressState:
    """The latest event of each kind; `parts_begun` are pairs of a launch and a setting."""

    begun: CampaignBegun | None = None
    undecided: StillUndecided | None = None
    stage: StageBegun | None = None
    parts_begun: set[tuple[int, str]] = field(default_factory=set)

    def take(self, event: CampaignEvent) -> None:
        if isinstance(event, CampaignBegun):
            self.begun = event
        elif isinstance(event, StillUndecided):
            self.undecided = event
        else:
            self.stage = event
            self.parts_begun.add((event.launch, event.setting))

    @property
    def _in_the_fewest(self) -> bool:
        return bool(self.begun and self.stage and self.stage.launch <= self.begun.fewest)

    @property
    def share(self) -> float | None:
        """The share of the fewest launches that is over; None if unknown, or beyond them."""
        if not (self.begun and self._in_the_fewest):
            return None
        return min(1.0, (len(self.parts_begun) - 1) / (self.begun.settings * self.begun.fewest))

    @property
    def words(self) -> str:
        """How far the campaign has come, and its present stage, in one line."""
        stage = self.stage
        if stage is None:
            return ""
        doubt = self.undecided.words if self.undecided else ""
        doing = f"{stage.setting}: {stage.doing}"
        return " · ".join(filter(None, (stage.time_left, *self._where(stage), doubt, doing)))

    def _where(self, stage: StageBegun) -> Iterator[str]:
        begun = self.begun if self._in_the_fewest else None
        place = sum(number == stage.launch for number, _ in self.parts_begun)
        yield f"launch {stage.launch}" + (f" of {begun.fewest}" if begun else "")
        yield f"setting {place}" + (f" of {begun.settings}" if begun else "")


class CampaignDisplay:
    """Show a campaign's events on a stream; call `done` before anything else is printed."""

    #: Seconds between plain lines on a stream that is no terminal: at first, and at most; between
    #: them a share of the time that has passed, so that a long run has few lines.
    EVERY, MOST, SHARE = 10.0, 300.0, 1 / 6

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._state = stream, ProgressState()
        self._begun = time.monotonic()
        self._moving = stream.isatty() and os.environ.get("TERM") not in _DUMB
        self._live: live.Live | None = None
        self._shown = float("-inf")

    def say(self, text: str) -> None:
        if self._moving:
            line = Text(plain(f"timelift: {text}"))
            self._line_below().console.print(line, soft_wrap=True)
        else:
            self._write(f"timelift: {text}\n")

    def show(self, event: CampaignEvent) -> None:
        self._state.take(event)
        if isinstance(event, CampaignBegun):
            self.say(event.words)
        elif isinstance(event, StageBegun) and self._moving:
            line = self._line_below()
            line.update(_drawn(self._state, line.console.width), refresh=True)
        elif isinstance(event, StageBegun):
            self._show_now_and_then()

    def _show_now_and_then(self) -> None:
        now = time.monotonic()
        pause = min(self.MOST, self.SHARE * (now - self._begun))
        if now - self._shown >= max(self.EVERY, pause):
            self._shown = now
            self._write(f"timelift: {self._state.words}\n")

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


def _drawn(state: ProgressState, width: int) -> RenderableType:
    """Draw a state in one line that is cut to the width, never wrapped."""
    if state.stage is None:
        return Group()
    words = Text(plain(state.words), no_wrap=True, overflow="ellipsis")
    if state.share is None or width < _ROOM:
        return words
    line = Table.grid(padding=(0, _GAP, 0, 0))
    line.add_column(width=_BAR)
    line.add_column(no_wrap=True)
    words.truncate(width - _BAR - _GAP, overflow="ellipsis")
    line.add_row(ProgressBar(total=1.0, completed=state.share, width=_BAR), words)
    return line
