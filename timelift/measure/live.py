"""The display of a campaign on a terminal: a bar, the setting, and what is left, in three lines.

It is drawn when something happens and never by a clock: a thread that redraws would take a
processor from what is being timed.
"""

from typing import TextIO

from rich import live
from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from timelift.measure.progress_state import ProgressState
from timelift.measure.progress_words import how_many, time_left

_BAR = 24
#: Narrower terminals have no bar.
_ROOM = 60


class Live:
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
        self._console.print(Text(_printable(text)), soft_wrap=True)

    def show(self, state: ProgressState) -> None:
        self._live.update(drawn(state, self._console.width), refresh=True)

    def done(self) -> None:
        self._live.stop()


def drawn(state: ProgressState, width: int) -> RenderableType:
    """Draw a state in lines that are cut to the width, never wrapped."""
    if state.stage is None:
        return Group()
    setting, doing = _printable(state.stage.setting), _printable(state.stage.doing)
    stage = Text.assemble((setting, "bold"), "  ", doing)
    left = time_left(state.stage)
    doubt = f"undecided: {how_many(state.undecided)}" if state.undecided else ""
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


def _printable(text: str) -> str:
    """Replace control codes: names are those of files."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
