"""Sheets of small panels: sizes in inches decided before drawing, so that nothing can overlap.

Figures are made without pyplot's state, so no window system is touched and nothing leaks.
"""

import math
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.textpath import text_to_path

from timelift.escape import plain
from timelift.present.figures.colour import Look, look, place
from timelift.present.figures.style import FONT, Theme, sns

#: Characters of a name in a figure.
NAME_LIMIT = 40
#: Inches from a panel to the names of its axes.
_LABEL_BELOW, _LABEL_LEFT = 0.28, 0.4
_TITLE, _LINE, _EDGE, _LEAST_WIDTH = 0.32, 0.17, 0.12, 4.6


@dataclass(frozen=True)
class Panel:
    """The size of one panel and the room that it needs on each side, in inches."""

    width: float
    height: float
    left: float = 0.6
    right: float = 0.15
    above: float = 0.3
    below: float = 0.5

    def under(self, titles: Iterable[str]) -> "Panel":
        """Give the panel, wide enough for the titles."""
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

    def draw(self, count: int) -> list[Axes]:
        """Make the figure with `count` empty panels, and return them row by row."""
        self.figure = Figure(figsize=self._size(count))
        self._write_head()
        if self.legend:
            self._write_legend()
        return [self._place(number) for number in range(count)]

    @property
    def width(self) -> float:
        """The width of the figure in inches."""
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
        widest = max((text_inches(name, 8) for name in map(shown, self.legend)), default=0.0)
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
            [handle(name) for name in self.legend],
            [shown(name) for name in self.legend],
            loc="lower left",
            bbox_to_anchor=(_EDGE / width, _EDGE / height),
            ncols=self._legend_columns,
            frameon=False,
            borderaxespad=0,
            borderpad=0,
            handlelength=3,
            labelspacing=0.45,
        )

    def _place(self, number: int) -> Axes:
        width, height = self.figure.get_size_inches()
        row, column = divmod(number, self.columns)
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
    """Measure the width of a text, in inches."""
    font = FontProperties(family=FONT, size=points)
    width, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return float(width) / 72


def dotted(name: str, theme: Theme) -> dict[str, Any]:
    """How a strategy's dots look in a scatter, and what the legend calls them."""
    drawn = look(name)
    return {
        "color": drawn.colour,
        "marker": drawn.marker,
        "edgecolor": theme.background,
        "linewidth": 0.5,
        "alpha": 0.9,
        "label": shown(name),
        "zorder": 3,
    }


def shown(name: str) -> str:
    """Show a strategy's name in a figure."""
    return plain(name, NAME_LIMIT)


def legend_order(names: Iterable[str]) -> list[str]:
    """Put strategies in the order that every legend has."""
    return sorted(set(names), key=place)


def stroke(drawn: Look) -> dict[str, Any]:
    """Give the line of a look, in every figure the same."""
    return {"linestyle": drawn.dash, "linewidth": 1.4, "markersize": 4.5}


def handle(name: str) -> Line2D:
    """Draw a strategy's line and marker for a legend."""
    drawn = look(name)
    return Line2D([], [], color=drawn.colour, marker=drawn.marker, **stroke(drawn))
