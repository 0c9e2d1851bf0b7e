"""What panels are made of: a mark for each case, lines between them, and bars for intervals.

All lines of a panel are one artist, and so are its bars and its marks: drawing one for each
strategy takes five times as long.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from timelift.present.figures.looks import LINE_WIDTH, Theme, legend_order, line_style
from timelift.present.figures.sheet import text_inches

#: Inches from one dot to the next.
_DOT = 0.19


def draw_marks(axes: Axes, rows: pd.DataFrame, area: float, theme: Theme) -> None:
    """Draw a mark at `x` and `y` of each row, of so many square points, looking as its strategy."""
    names = legend_order(rows.strategy)
    sns.scatterplot(
        rows,
        x="x",
        y="y",
        hue="strategy",
        style="strategy",
        hue_order=names,
        style_order=names,
        palette={name: line_style(name).colour for name in names},
        markers={name: line_style(name).marker for name in names},
        s=area,
        edgecolor=theme.background,
        legend=False,
        ax=axes,
        zorder=3,
    )


def draw_lines(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw a line for each strategy through its `x` and `y`."""
    by_strategy = rows.sort_values("x").groupby("strategy")[["x", "y"]]
    points = {str(name): one.to_numpy() for name, one in by_strategy}
    looks = [line_style(name) for name in points]
    lines = LineCollection(
        [*points.values()],
        colors=[look.colour for look in looks],
        linestyles=[look.dash for look in looks],
        linewidths=LINE_WIDTH,
    )
    axes.add_collection(lines, autolim=False)


def draw_intervals(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw a bar from `low` to `high` at the `x` of each row."""
    ends = np.dstack([rows[["x", "x"]], rows[["low", "high"]]])
    bars = LineCollection([*ends], colors=colours_of(rows), linewidths=1.5, alpha=0.5)
    axes.add_collection(bars, autolim=False)


def draw_dots(axes: Axes, rows: pd.DataFrame, theme: Theme) -> None:
    """Draw a dot at `x` and a bar from `low` to `high` for each row, one below the other."""
    places = range(len(rows))
    axes.hlines(places, rows.low, rows.high, colours_of(rows), linewidth=4, alpha=0.35)
    draw_marks(axes, rows.assign(y=places), 34, theme)
    axes.set_yticks(places, rows.label)
    axes.set_ylim(len(rows) - 0.25, -0.75)


def dots_size(panels: Sequence[pd.DataFrame]) -> tuple[float, float, float]:
    """Return the inches of a panel of dots, across and down, and of the labels beside it."""
    beside = max(text_inches(label, 7) for rows in panels for label in rows.label) + 0.2
    return beside + 1.3, _DOT * (1 + max(map(len, panels))) + 0.5, beside


def colours_of(rows: pd.DataFrame) -> list[str]:
    return [line_style(name).colour for name in rows.strategy]
