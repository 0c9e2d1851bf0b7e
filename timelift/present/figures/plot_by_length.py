"""What a call costs by sequence length: lines where there are lengths, dots where there is one.

One drawing serves every quantity: speed-up, time, first call, memory, and the price of gradients.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from timelift.present.advised import value_in_words
from timelift.present.figures.frame import forward_first
from timelift.present.figures.looks import NO_BREAK, Theme, legend_order, short_name
from timelift.present.figures.marks import (
    dots_size,
    draw_dots,
    draw_intervals,
    draw_lines,
    draw_marks,
)
from timelift.present.figures.sheet import Block, limits, scale, sheet, thin, ticks
from timelift.present.units import MEBIBYTES, SECONDS, Unit, unit_for

#: The most panels side by side; inches of a panel of lines, and of its height for each line.
_COLUMNS, _WIDTH, _HEIGHT, _LINE = 4, 2.25, 1.75, 0.09
#: An interval may be so many times as far as the values without making an axis longer.
_FAR = 2.0
#: The share of an axis over which the intervals at one length are spread.
_SPREAD = 0.06
_TIMES = Unit("times", 1.0)


@dataclass(frozen=True)
class Quantity:
    """What is drawn of each case: a column of the frame, with its interval where it has one.

    `unit` is that of its axis, or chooses it; `guide` is where a line is drawn.
    """

    title: str
    label: str
    column: str
    note: str
    unit: Unit | Callable[[Iterable[float]], Unit] = _TIMES
    more_is_better: bool = False
    guide: float | None = None

    def read(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the cases of which it is known, with `value`, `low` and `high` in its unit."""
        known = frame[frame[self.column] > 0]
        unit = self.unit_of(known)
        bare = pd.Series(math.nan, known.index)
        return known.assign(
            value=known[self.column] / unit.size,
            low=known.get(f"{self.column}_low", bare) / unit.size,
            high=known.get(f"{self.column}_high", bare) / unit.size,
        )

    def unit_of(self, frame: pd.DataFrame) -> Unit:
        return self.unit if isinstance(self.unit, Unit) else self.unit(frame[self.column])


SPEED_UP = Quantity(
    "Times as fast as {baseline}",
    "times as fast",
    "times",
    "bars: 95 % intervals from paired rounds, which hold for all of a setting at once, "
    "cut where they leave the panel",
    more_is_better=True,
    guide=1.0,
)
TIME = Quantity(
    "Time per call",
    "time per call ({unit})",
    "seconds",
    "bars: 95 % intervals over launches, wider than those of ratios",
    unit_for,
)
FIRST_CALL = Quantity(
    "First call: build, trace, compile",
    "first call ({unit})",
    "first_call",
    "bars: 95 % intervals over launches",
    SECONDS,
)
MEMORY = Quantity(
    "Peak memory of a call",
    "peak memory ({unit})",
    "peak_bytes",
    "ringed: no other is both faster and smaller",
    MEBIBYTES,
)
GRADIENTS = Quantity(
    "What gradients cost: the backward call beside the forward call",
    "times its forward call",
    "backward_times",
    "a backward call computes the loss and its gradients",
    guide=1.0,
)


def by_length(quantity: Quantity, frame: pd.DataFrame, theme: Theme) -> Figure | None:
    """Draw a quantity in a panel for each workload, batch, phase and execution; None without any.

    Every execution, such as a mode or a device, begins a row.
    """
    known = quantity.read(frame)
    if known.empty:
        return None
    blocks = list(_blocks(quantity, known, theme))
    has_lines = known.groupby("panel").seq_len.nunique().max() > 1
    return sheet(
        _title(quantity, known),
        _note(quantity, known, frame.attrs),
        blocks,
        theme,
        legend_order(known.strategy) if has_lines else (),
    )


def _blocks(quantity: Quantity, known: pd.DataFrame, theme: Theme) -> Iterator[Block]:
    """Yield the panels of lines, then those of dots, of every execution, the largest first."""
    size = known.groupby("execution").setting.transform("nunique")
    is_dots = known.groupby("panel").seq_len.transform("nunique") == 1
    order = known.assign(size=-size, is_dots=is_dots).groupby(["is_dots", "size", "execution"])
    found = [(dots, list(_panels(group))) for (dots, *_), group in order]
    columns = min(_COLUMNS, max(len(panels) for _, panels in found))
    drawing = _Panels(quantity, known, theme)
    for dots, panels in found:
        if dots:
            across, down, beside = dots_size([rows for _, rows in panels])
            yield Block(panels, drawing.dots, (across, down), columns, beside)
        else:
            most = max(rows.strategy.nunique() for _, rows in panels)
            yield Block(panels, drawing.lines, (_WIDTH, max(_HEIGHT, _LINE * most)), columns)


def _panels(group: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield each panel's title, which has the length where there is one, and its rows."""
    for _, rows in forward_first(group).groupby("panel", sort=False):
        title, lengths = str(rows.title.iloc[0]), rows.seq_len.unique()
        steps = value_in_words("seq_len", lengths[0]).replace(" ", NO_BREAK)
        yield f"{title}, {steps}" if len(lengths) == 1 else title, rows


def _title(quantity: Quantity, known: pd.DataFrame) -> str:
    names = list(dict.fromkeys(known.baseline))
    return quantity.title.format(
        baseline=short_name(names[0]) if len(names) == 1 else "the baseline"
    )


def _note(quantity: Quantity, known: pd.DataFrame, about: Mapping[Any, Any]) -> str:
    has_interval = known.low.notna().any() or f"{quantity.column}_low" not in known
    words = [about["fixed"], quantity.note if has_interval else "one launch: no interval"]
    measured = set(known.baseline)
    names = [one for one in about["baselines"] if one in measured]
    if quantity.guide and quantity.more_is_better and len(names) > 1:
        words.append(
            f"baseline: the first that was measured of {', '.join(map(short_name, names))}"
        )
    return "; ".join(words)


@dataclass(frozen=True)
class _Panels:
    """How the panels of a quantity are drawn; those of a workload have one vertical axis."""

    quantity: Quantity
    known: pd.DataFrame
    theme: Theme

    @property
    def label(self) -> str:
        return self.quantity.label.format(unit=self.quantity.unit_of(self.known).name)

    def lines(self, axes: Axes, rows: pd.DataFrame) -> None:
        lengths = sorted(set(rows.seq_len))
        across = limits(lengths, max(1.15, (lengths[-1] / lengths[0]) ** _SPREAD))
        scale(axes, "x", across, thin(lengths, 5))
        ends = _ends(self.known[self.known.workload == rows.workload.iloc[0]])
        scale(axes, "y", ends, ticks(*ends, 6))
        self._guide(axes.axhline)
        rows = rows.assign(x=rows.seq_len * _dodge(rows, across), y=rows.value)
        axes.set(xlabel="sequence length (steps)", ylabel=self.label)
        draw_intervals(axes, rows)
        draw_lines(axes, rows)
        draw_marks(axes, rows, 20, self.theme)
        self._ring(axes, rows)

    def dots(self, axes: Axes, rows: pd.DataFrame) -> None:
        rows = rows.sort_values("value", ascending=not self.quantity.more_is_better)
        rows = rows.assign(x=rows.value, y=range(len(rows)))
        ends = _ends(rows)
        scale(axes, "x", ends, ticks(*ends, 5))
        self._guide(axes.axvline)
        draw_dots(axes, rows, self.theme)
        self._ring(axes, rows)
        axes.set(xlabel=self.label, ylabel="")

    def _guide(self, draw: Callable[..., object]) -> None:
        if self.quantity.guide:
            draw(self.quantity.guide, color=self.theme.muted, linewidth=0.8, zorder=1)

    def _ring(self, axes: Axes, rows: pd.DataFrame) -> None:
        if self.quantity is MEMORY:
            best = rows[rows.on_front]
            axes.scatter(best.x, best.y, 80, facecolor="none", edgecolor=self.theme.text, lw=0.9)


def _dodge(rows: pd.DataFrame, across: tuple[float, float]) -> pd.Series:
    """Return the factors that keep the intervals of neighbouring strategies apart, if any is known.

    They are part of the width of an axis that goes `across` so much.
    """
    names = legend_order(rows.strategy)
    if rows.low.isna().all():
        return pd.Series(1.0, rows.index)
    first, last = across
    middle = (len(names) - 1) / 2
    place = rows.strategy.map({name: place - middle for place, name in enumerate(names)})
    return (last / first) ** (_SPREAD * place / len(names))


def _ends(rows: pd.DataFrame) -> tuple[float, float]:
    """Return the ends of an axis with room for all values, and for intervals that are not far."""
    low, high = limits(rows.value)
    return max(min(low, rows.low.min()), low / _FAR), min(max(high, rows.high.max()), high * _FAR)
