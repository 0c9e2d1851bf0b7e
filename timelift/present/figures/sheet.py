"""Sheets of small panels: seaborn lays them out, matplotlib's constrained layout makes the room."""

import io
import math
import textwrap
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.textpath import text_to_path
from matplotlib.ticker import FixedLocator, Locator, LogLocator, NullLocator, StrMethodFormatter

from timelift.journal.files import replace_file
from timelift.present.figures.looks import LineStyle, legend_order, short_name

FORMATS = ("svg", "png")
MUTED, GRID = "#57606a", "#dfe3e8"
_DPI = 120
#: The font comes with matplotlib, so figures look the same everywhere.
_FONT, _POINTS = "DejaVu Sans", 8
#: Inches of the least width of a sheet, and of the height of its title.
_LEAST_WIDTH, _TITLE = 4.6, 0.3
#: The width of the title, which is large and bold, over that of the usual text.
_BOLD = 1.6
#: Any axis whose end is this many times its beginning has two of the digits 1, 2, 5 in it.
_LEAST_SPAN = 5.5
#: The most lengths with a label.
_MOST_LENGTHS = 5
_STYLE: dict[Any, Any] = {
    **sns.axes_style("whitegrid"),
    **dict.fromkeys(("axes.edgecolor", "grid.color"), GRID),
    **dict.fromkeys(("xtick.color", "ytick.color"), MUTED),
    **dict.fromkeys(("font.size", "axes.titlesize", "axes.labelsize"), _POINTS),
    **dict.fromkeys(("xtick.labelsize", "ytick.labelsize"), 7),
    "axes.titlelocation": "left",
    "axes.titley": 1.0,  # a given height spares matplotlib the measuring of every label
    "grid.linewidth": 0.6,
    "font.family": _FONT,
    "text.parse_math": False,  # names from a file are no formulas
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "timelift",  # the same figure gives the same bytes
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw the figures of the block in our style, for files alone.

    A name may be in any script: characters that the font lacks become boxes, without a warning.
    """
    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        mpl.use("agg")  # no window system is asked for
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)
        yield


def panels(frame: pd.DataFrame, columns: int, width: float, height: float) -> sns.FacetGrid:
    """Return empty panels, each so many inches, for every value of the frame's `panel`."""
    grid = sns.FacetGrid(
        frame,
        col="panel",
        col_wrap=min(columns, frame.panel.nunique()),
        height=height,
        aspect=width / height,
        sharex=False,
        sharey=False,
        despine=False,
        subplot_kws={"xticks": [], "yticks": []},  # seaborn's own would be laid out in vain
    )
    plt.close(grid.figure)  # pyplot would keep it for ever
    return grid


def finish(
    grid: sns.FacetGrid, columns: int, title: str, note: str, looks: Mapping[str, LineStyle]
) -> Figure:
    """Add a title above the panels, and a note and a key of strategies' looks below."""
    figure = grid.figure
    _share_labels(list(grid.axes_dict.values()), columns)
    figure.set_layout_engine("none")  # laid out once, below, and not again for each file
    width, height = figure.get_size_inches()
    width = max(width, _LEAST_WIDTH, _BOLD * text_inches(title) + 0.2)
    figure.suptitle(title, x=0.1 / width, ha="left", size=11, weight="bold")
    in_order = legend_order(looks)
    names = [short_name(name) for name in in_order]
    longest = max((text_inches(name) for name in names), default=0) + 0.65
    key = figure.legend(
        [Line2D([], [], **looks[name].line) for name in in_order],
        names,
        title=wrapped(note, width - 0.2),
        loc="outside lower left",
        ncols=max(1, int(width / longest)),
        alignment="left",
        frameon=False,
        handlelength=3,
    )
    key.get_title().set(color=MUTED, linespacing=1.4)
    below = key.get_window_extent().height / figure.dpi
    figure.set_size_inches(width, height + _TITLE + below)
    ConstrainedLayoutEngine(w_pad=0.08, wspace=0.02).execute(figure)
    return figure


def _share_labels(all_axes: Sequence[Axes], columns: int) -> None:
    """Remove the label of an axis that the panel below, or to the left, has too."""
    for axes, below in zip(all_axes, all_axes[columns:], strict=False):
        if axes.get_xlabel() == below.get_xlabel():
            axes.set_xlabel("")
    for place, axes in reversed(list(enumerate(all_axes))):
        if place % columns and axes.get_ylabel() == all_axes[place - 1].get_ylabel():
            axes.set_ylabel("")


def save(drawn: Mapping[str, Figure], folder: Path, top: Path) -> list[Path]:
    paths = [folder / f"{name}.{format_}" for name in drawn for format_ in FORMATS]
    with styled():
        for path in paths:
            kind, picture = path.suffix[1:], io.BytesIO()
            metadata = {"Date": None} if kind == "svg" else None
            drawn[path.stem].savefig(picture, format=kind, dpi=_DPI, metadata=metadata)
            replace_file(path, picture.getvalue(), top)
    return paths


@cache
def text_inches(text: str) -> float:
    font = FontProperties(family=_FONT, size=_POINTS)
    width, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return float(width) / 72


def wrapped(text: str, inches: float) -> str:
    return textwrap.fill(text, max(1, int(inches / text_inches(text) * len(text))))


def limits(values: Iterable[float], room: float = 1.5) -> tuple[float, float]:
    """Return the ends of a logarithmic axis with `room`, a factor, on both sides of the values."""
    low, high = min(values), max(values)
    wider = max(room, math.sqrt(_LEAST_SPAN * low / high))
    return low / wider, high * wider


def make_logarithmic(axes: Axes, which: Literal["x", "y"], ends: tuple[float, float]) -> None:
    """Make an axis logarithmic between its ends, with few ticks, written without exponents."""
    axes.set(**{f"{which}scale": "log", f"{which}lim": ends})
    decades = math.log10(ends[1] / ends[0])
    digits = (1, 2, 5) if decades < 1.5 else (1, 3) if decades < 3 else (1,)  # noqa: PLR2004
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set(
        major_locator=FixedLocator(inside(LogLocator(subs=digits, numticks=30), ends)),
        major_formatter=StrMethodFormatter("{x:,g}"),
        minor_locator=NullLocator(),
    )


def inside(locator: Locator, ends: tuple[float, float]) -> list[float]:
    """Return the ticks between the ends of an axis; others would be laid out in vain."""
    return [tick for tick in locator.tick_values(*ends) if ends[0] <= tick <= ends[1]]


def set_lengths(axes: Axes, lengths: Sequence[int]) -> None:
    """Label some of the rising lengths, always the last, none too close to the next."""
    least = (lengths[-1] / lengths[0]) ** (1 / (_MOST_LENGTHS - 1))
    kept = [lengths[-1]]
    for length in reversed(lengths[:-1]):
        if length * least <= kept[-1] * (1 + 1e-9):
            kept.append(length)
    axes.xaxis.set_major_locator(FixedLocator(kept))
