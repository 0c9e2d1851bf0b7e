"""Sheets of small panels, and their logarithmic axes with few, plainly written ticks.

Sizes in inches are decided before drawing, so that nothing can overlap. Figures are made without
pyplot's state, so no window system is touched and nothing leaks.
"""

import math
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from timelift.escape import plain
from timelift.present.figures.looks import FONT, Theme, legend_line, short_name, sns

#: Inches from a panel to the names of its axes.
_LABEL_BELOW, _LABEL_LEFT = 0.28, 0.4
_TITLE, _LINE, _EDGE, _LEAST_WIDTH = 0.32, 0.17, 0.12, 4.6

#: Any axis this much longer than its beginning has two of 1, 2, 5 in it.
_LEAST_SPAN = 5.5
#: Round numbers within a decade, most first.
_DIGITS = ((1, 1.5, 2, 3, 4, 5, 7), (1, 2, 5), (1, 3), (1,))
_PLAIN_FROM, _PLAIN_TO = 1e-3, 1e5


@dataclass(frozen=True)
class Panel:
    """The size of one panel and the room that it needs on each side, in inches."""

    width: float
    height: float
    left: float = 0.6
    right: float = 0.15
    above: float = 0.3
    below: float = 0.5

    def wide_enough(self, titles: Iterable[str]) -> "Panel":
        widest = max(text_inches(title, 8) for title in titles)
        return replace(self, width=max(self.width, widest - self.right))


@dataclass
class Sheet:
    """A figure: title, subtitle, panels in rows, and a legend below them."""

    title: str
    subtitle: str
    theme: Theme
    panel: Panel
    columns: int
    legend: Sequence[str] = ()
    figure: Figure = field(init=False)

    def draw(self, titles: Sequence[str], pad: float | None = None) -> Iterator[Axes]:
        """Make the figure, and yield an empty panel for each title, row by row."""
        self.figure = Figure(figsize=self._size(len(titles)))
        self._write_head()
        if self.legend:
            self._write_legend()
        for place, title in enumerate(titles):
            axes = self._place(place)
            axes.set_title(title, loc="left", pad=pad)
            yield axes

    @property
    def width(self) -> float:
        panels = self.columns * (self.panel.left + self.panel.width + self.panel.right)
        return max(_LEAST_WIDTH, panels + 2 * _EDGE)

    def _size(self, count: int) -> tuple[float, float]:
        rows = math.ceil(count / self.columns)
        cells = rows * (self.panel.above + self.panel.height + self.panel.below)
        legend = math.ceil(len(self.legend) / self._legend_columns) * _LINE
        return self.width, self._head + cells + legend + 2 * _EDGE

    @property
    def _head(self) -> float:
        return _TITLE + _LINE * len(self._subtitle_lines)

    @property
    def _subtitle_lines(self) -> list[str]:
        letters = int((self.width - 2 * _EDGE) / text_inches("n", 8))
        return textwrap.wrap(plain(self.subtitle), letters)

    @property
    def _legend_columns(self) -> int:
        widest = max((text_inches(name, 8) for name in map(short_name, self.legend)), default=0.0)
        return max(1, int((self.width - 2 * _EDGE) / (widest + 0.6)))

    def _write_head(self) -> None:
        width, height = self.figure.get_size_inches()
        left = _EDGE / width
        top = 1 - _EDGE / height
        self.figure.text(left, top, self.title, va="top", size=11, weight="bold")
        below = "\n".join(self._subtitle_lines)
        y = top - 0.24 / height
        self.figure.text(left, y, below, va="top", color=self.theme.muted, linespacing=1.4)

    def _write_legend(self) -> None:
        width, height = self.figure.get_size_inches()
        self.figure.legend(
            [legend_line(name) for name in self.legend],
            [short_name(name) for name in self.legend],
            loc="lower left",
            bbox_to_anchor=(_EDGE / width, _EDGE / height),
            ncols=self._legend_columns,
            frameon=False,
            borderaxespad=0,
            borderpad=0,
            handlelength=3,
            labelspacing=0.45,
        )

    def _place(self, place: int) -> Axes:
        width, height = self.figure.get_size_inches()
        row, column = divmod(place, self.columns)
        panel = self.panel
        x = _EDGE + column * (panel.left + panel.width + panel.right) + panel.left
        below_top = self._head + row * (panel.above + panel.height + panel.below) + panel.above
        y = height - _EDGE - below_top - panel.height
        box = (x / width, y / height, panel.width / width, panel.height / height)
        axes = self.figure.add_axes(box, autoscale_on=False)
        sns.despine(ax=axes)
        return axes


def name_axes(axes: Axes, across: str, up: str = "") -> None:
    """Name the axes at a fixed distance, which spares matplotlib the measuring of every tick."""
    axes.set(xlabel=across, ylabel=up)
    box = axes.get_window_extent()
    inch = axes.figure.dpi
    axes.xaxis.set_label_coords(0.5, -_LABEL_BELOW * inch / box.height)
    axes.yaxis.set_label_coords(-_LABEL_LEFT * inch / box.width, 0.5)


@cache
def text_inches(text: str, points: float) -> float:
    font = FontProperties(family=FONT, size=points)
    width, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return float(width) / 72


def limits(values: Iterable[float], room: float = 1.3) -> tuple[float, float]:
    """Return the ends of an axis that has `room`, a factor, on both sides of the values."""
    finite = [value for value in values if math.isfinite(value) and value > 0]
    low, high = min(finite), max(finite)
    wider = max(room, math.sqrt(_LEAST_SPAN * low / high))
    return low / wider, high * wider


def ticks(low: float, high: float, most: int) -> list[float]:
    """Choose at most `most` round numbers from `low` to `high`, as dense as they can be."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    decades = range(first, last + 1)
    for digits in _DIGITS:
        found = [digit * 10.0**power for power in decades for digit in digits]
        inside = [value for value in found if low <= value <= high]
        if len(inside) <= most:
            return inside
    return thin(inside, most)


def thin(values: Sequence[float], most: int) -> list[float]:
    """Keep at most `most` of the values, evenly by their place, the last one always."""
    step = math.ceil(len(values) / most)
    return list(values[::-1][::step][::-1])


def written(value: float) -> str:
    """Write a tick's number, by a power of ten where it would be long."""
    if _PLAIN_FROM <= value < _PLAIN_TO:
        return f"{value:,g}"
    return f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e")


def scale(
    axes: Axes, which: Literal["x", "y"], ends: tuple[float, float], places: Sequence[float]
) -> None:
    """Make an axis logarithmic between its ends, with ticks at `places`."""
    axes.set(**{f"{which}scale": "log", f"{which}lim": ends})
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set(
        major_locator=FixedLocator(places),
        major_formatter=FixedFormatter([written(place) for place in places]),
        minor_locator=NullLocator(),
    )


def scale_to(axes: Axes, which: Literal["x", "y"], values: Iterable[float], most: int) -> None:
    """Make an axis logarithmic around values, with at most `most` ticks."""
    ends = limits(values)
    scale(axes, which, ends, ticks(*ends, most))
