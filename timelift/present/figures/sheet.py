"""Sheets of small panels, and their logarithmic axes with few, plainly written ticks.

matplotlib's constrained layout has the panels find room for their own words. Its figures are made
without pyplot, through which seaborn's grids make theirs, so no window system is touched, nothing
leaks, and a notebook shows none twice.
"""

import math
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.font_manager import FontProperties
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.textpath import text_to_path
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from timelift.present.figures.looks import FONT, Theme, legend_line, short_name

DPI = 120
#: Inches of a title, a line of text, an edge; the least width of a figure.
_TITLE, _LINE, _EDGE, _LEAST_WIDTH = 0.3, 0.17, 0.1, 4.6
#: A bold title is as wide as one of so many points that is not.
_BOLD = 12.5

#: Any axis this much longer than its beginning has two of 1, 2, 5 in it.
_LEAST_SPAN = 5.5
#: Round numbers within a decade, most first.
_DIGITS = ((1, 1.5, 2, 3, 4, 5, 7), (1, 2, 5), (1, 3), (1,))
_PLAIN_FROM, _PLAIN_TO = 1e-3, 1e5
_ROUNDING = 1 + 1e-9


@dataclass(frozen=True)
class Block:
    """Panels of one kind, row by row: the title of each, and what is drawn in it.

    `size` is that of a panel with the words around it, in inches, `beside` the part of its width to
    the left of the panel's title. Neighbours share the names of their axes.
    """

    panels: Sequence[tuple[str, Any]]
    draw: Callable[[Axes, Any], None]
    size: tuple[float, float]
    columns: int
    beside: float = 0.5

    @cached_property
    def titles(self) -> list[str]:
        room = max(self.size[0] - self.beside, 1.0)
        return [wrapped(title, room) for title, _ in self.panels]

    @property
    def rows(self) -> int:
        return math.ceil(len(self.panels) / self.columns)

    @property
    def width(self) -> float:
        """Inches across, in which every title has room."""
        widest = max(text_inches(line, 8) for one in self.titles for line in one.split("\n"))
        return self.columns * max(self.size[0], self.beside + widest + _EDGE)

    @property
    def height(self) -> float:
        further = max(title.count("\n") for title in self.titles)
        return self.rows * (self.size[1] + further * _LINE)

    def fill(self, part: SubFigure) -> None:
        bare = {"autoscale_on": False}
        places = part.subplots(self.rows, self.columns, squeeze=False, subplot_kw=bare).flat
        for place, axes in enumerate(places):
            if place >= len(self.panels):
                axes.remove()
                continue
            axes.set_title(self.titles[place], loc="left")
            self.draw(axes, self.panels[place][1])
            for artist in axes.collections:  # inside of the panel, where it needs no room
                artist.set_in_layout(False)
            if place % self.columns:
                axes.set_ylabel("")
            if place + self.columns < len(self.panels):
                axes.set_xlabel("")


def sheet(
    title: str, note: str, blocks: Sequence[Block], theme: Theme, legend: Sequence[str] = ()
) -> Figure:
    """Return a figure: title and note, the blocks one below the other, and a legend."""
    width = max(
        _LEAST_WIDTH, *(block.width for block in blocks), text_inches(title, _BOLD) + 2 * _EDGE
    )
    note = wrapped(note, width - 2 * _EDGE)
    columns = _legend_columns(legend, width)
    key = math.ceil(len(legend) / columns) * _LINE + 2 * _EDGE if legend else 0.0
    head = _EDGE + _TITLE + _LINE * (1 + note.count("\n"))
    heights = [head, *(block.height for block in blocks), *([key] if legend else [])]
    engine = ConstrainedLayoutEngine(w_pad=_EDGE / 2, h_pad=_EDGE / 2)
    figure = Figure(figsize=(width, sum(heights)), dpi=DPI, layout=engine)
    parts = figure.subfigures(len(heights), 1, height_ratios=heights, hspace=0, squeeze=False)
    first, *others = parts[:, 0]
    _write_head(first, title, note, theme)
    for part, block in zip(others, blocks, strict=False):
        block.fill(part)
    if legend:
        _write_legend(others[-1], legend, columns)
    engine.execute(figure)
    figure.set_layout_engine("none")  # laid out once, and not again for each file
    _round_places(parts.flat)
    return figure


def _round_places(parts: Iterable[SubFigure]) -> None:
    """Cut digits of the layout's solver that are not the same in every process."""
    for part in parts:
        part.bbox_relative.set_points(np.round(part.bbox_relative.get_points(), 6))
        for axes in part.axes:
            axes.set_position(np.round(axes.get_position().bounds, 6).tolist())


def _write_head(part: SubFigure, title: str, note: str, theme: Theme) -> None:
    box = part.bbox
    inch = part.figure.dpi
    left, top = _EDGE * inch / box.width, 1 - _EDGE * inch / box.height
    part.text(left, top, title, va="top", size=11, weight="bold")
    below = top - 0.24 * inch / box.height
    part.text(left, below, note, va="top", color=theme.muted, linespacing=1.4)


def _legend_columns(names: Sequence[str], width: float) -> int:
    widest = max((text_inches(short_name(name), 8) for name in names), default=0.0)
    return max(1, int((width - 2 * _EDGE) / (widest + 0.6)))


def _write_legend(part: SubFigure, names: Sequence[str], columns: int) -> None:
    inch = part.figure.dpi
    part.legend(
        [legend_line(name) for name in names],
        [short_name(name) for name in names],
        loc="upper left",
        bbox_to_anchor=(_EDGE * inch / part.bbox.width, 1 - _EDGE * inch / part.bbox.height),
        ncols=columns,
        frameon=False,
        borderaxespad=0,
        borderpad=0,
        handlelength=3,
        labelspacing=0.45,
    )


@cache
def text_inches(text: str, points: float) -> float:
    font = FontProperties(family=FONT, size=points)
    width, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return float(width) / 72


def wrapped(text: str, inches: float) -> str:
    """Break a text between words into lines that are about so wide, if the words allow it."""
    letter = text_inches(text, 8) / max(len(text), 1)
    return "\n".join(textwrap.wrap(text, max(1, int(inches / letter)), break_long_words=False))


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
    """Keep at most `most` of rising values, the last one always, apart on a logarithmic axis."""
    least = (values[-1] / values[0]) ** (1 / (most - 1))
    kept = [values[-1]]
    for value in reversed(values[:-1]):
        if value * least <= kept[0] * _ROUNDING:
            kept.insert(0, value)
    return kept


def written(value: float) -> str:
    """Write a tick's number, by a power of ten where it would be long."""
    if _PLAIN_FROM <= value < _PLAIN_TO:
        return f"{value:,g}"
    digits, power = f"{value:.2e}".split("e")
    return f"{float(digits):g}e{int(power)}"


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
