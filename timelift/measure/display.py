"""The display of a campaign: three changing lines on a terminal, plain lines elsewhere.

It is drawn when something happens and never by a clock: a thread that redraws would take a
processor from what is being timed.
"""

import os
import time
from typing import TextIO

from rich import live
from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from timelift.escape import plain
from timelift.measure.progress import CampaignEvent, ProgressState, StageBegun

#: Columns of the bar; narrower terminals have none.
_BAR, _ROOM = 24, 60
#: Terminals that cannot move their cursor.
_DUMB = {"dumb", "unknown"}


class CampaignDisplay:
    """Show a campaign's events on a stream; call `done` before anything else is printed."""

    #: Seconds between plain lines where the stream is no terminal.
    EVERY = 10.0

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._state = stream, ProgressState()
        self._moving = stream.isatty() and os.environ.get("TERM") not in _DUMB
        self._live: _LiveLines | None = None
        self._shown = float("-inf")

    def say(self, text: str) -> None:
        if self._moving:
            self._display().say(f"timelift: {text}")
        else:
            self._write(f"timelift: {text}\n")

    def show(self, event: CampaignEvent) -> None:
        self._state.take(event)
        if isinstance(event, StageBegun):
            self._show_stage(event)
        else:
            self.say(event.words)

    def _show_stage(self, stage: StageBegun) -> None:
        if self._moving:
            self._display().show(self._state)
        elif time.monotonic() - self._shown >= self.EVERY:
            self._shown = time.monotonic()
            left = stage.time_left
            text = f"launch {stage.launch}: {stage.setting}: {stage.doing}"
            self._write(f"timelift: {text}{', ' if left else ''}{left}\n")

    def done(self) -> None:
        if self._live:
            self._live.done()
            self._live = None

    def _display(self) -> "_LiveLines":
        self._live = self._live or _LiveLines(self._stream)
        return self._live

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


class _LiveLines:
    """Lines at the bottom of a terminal, below those that stay. NO_COLOR is honoured."""

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(file=stream, force_terminal=True, highlight=False)
        self._live = live.Live(
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()
        # A run that is killed must not leave a terminal without a cursor.
        self._console.show_cursor(show=True)

    def say(self, text: str) -> None:
        self._console.print(Text(plain(text)), soft_wrap=True)

    def show(self, state: ProgressState) -> None:
        self._live.update(_drawn(state, self._console.width), refresh=True)

    def done(self) -> None:
        self._live.stop()


def _drawn(state: ProgressState, width: int) -> RenderableType:
    """Draw a state in lines that are cut to the width, never wrapped."""
    if state.stage is None:
        return Group()
    setting, doing = plain(state.stage.setting), plain(state.stage.doing)
    stage = Text.assemble((setting, "bold"), "  ", doing)
    left = state.stage.time_left
    doubt = f"undecided: {state.undecided.how_many}" if state.undecided else ""
    rest = Text.assemble((left, "cyan"), "  " if left and doubt else "", (doubt, "yellow"))
    lines: list[RenderableType] = [_first(state, width), _cut(stage)]
    return Group(*lines, *([_cut(rest)] if rest.plain else []))


def _first(state: ProgressState, width: int) -> RenderableType:
    where = _cut(Text(state.where, "dim"))
    if state.share is None or width < _ROOM:
        return where
    line = Table.grid(padding=(0, 2))
    line.add_column(width=_BAR)
    line.add_column(no_wrap=True, overflow="ellipsis")
    line.add_row(ProgressBar(total=1.0, completed=state.share, width=_BAR), where)
    return line


def _cut(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ellipsis"
    return text
