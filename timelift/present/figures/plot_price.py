"""What each strategy costs over the best, in a typical setting of a workload and in the worst."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from timelift.analyse.advice import Advice
from timelift.analyse.findings import RunFindings
from timelift.analyse.recommend import ForWorkload, Price
from timelift.errors import counted
from timelift.escape import plain
from timelift.present.figures.looks import NO_BREAK, Theme, short_name
from timelift.present.figures.marks import dots_size, draw_dots
from timelift.present.figures.sheet import Block, limits, scale, sheet, ticks

_COLUMNS = 4


def price(found: RunFindings, frame: pd.DataFrame, theme: Theme) -> Figure | None:
    """Draw the prices of every strategy in each workload, those to write first; of all settings."""
    workloads = found.recommendation_by_workload
    if not workloads:
        return None
    advice = found.advice_by_workload
    bounds = {price.bound for one in workloads for price in one.found.prices}
    notes = _Notes(advice, frozenset(frame.baseline), marks_seen=len(bounds) > 1)
    panels = [(_title(one), _prices(one, notes)) for one in workloads]
    across, down, beside = dots_size([rows for _, rows in panels])
    draw = partial(_draw, theme=theme)
    block = Block(panels, draw, (across, down), min(len(panels), _COLUMNS), beside)
    has_rule = any(len(one.strategies) > 1 for one in advice.values())
    words = (
        frame.attrs["fixed"],
        "mark: the median over settings, as it was seen",
        f"end of the bar: {_most(bounds)}",
        f"advised: what to write{', each in some of the settings' if has_rule else ''}",
    )
    return sheet("What each strategy costs over the best", "; ".join(words), [block], theme)


def _most(bounds: Collection[bool]) -> str:
    """Write what the end of a bar is, of prices that launches bound, that none do, or of both."""
    may, did = "the most that it may cost in any", "the most that it was seen to cost in any"
    if True not in bounds:
        return did
    return f"{may}; of what is marked “seen”, {did}" if False in bounds else may


@dataclass(frozen=True)
class _Notes:
    """What stands in brackets behind a strategy."""

    advice: Mapping[str, Advice]
    baselines: Collection[str]
    marks_seen: bool

    def of(self, price: Price, one: ForWorkload) -> Iterator[str]:
        if price.strategy in self.advice[one.workload].strategies:
            yield "advised"
        if plain(price.strategy) in self.baselines:
            yield "baseline"
        if price.settings < one.found.settings:
            yield f"in {price.settings} of {one.found.settings}"
        if self.marks_seen and not price.bound:
            yield "seen"


def _title(one: ForWorkload) -> str:
    settings = counted(one.found.settings, "setting").replace(" ", NO_BREAK)
    return f"{short_name(one.workload)}, {settings}"


def _prices(one: ForWorkload, notes: _Notes) -> pd.DataFrame:
    """Return a row a strategy, those that are advised first."""
    advised = notes.advice[one.workload].strategies
    found = sorted(one.found.prices, key=lambda price: price.strategy not in advised)
    names = [plain(price.strategy) for price in found]
    told = [", ".join(notes.of(price, one)) for price in found]
    labels = [
        short_name(name) + (f" ({note})" if note else "")
        for name, note in zip(names, told, strict=True)
    ]
    typical = [price.typical for price in found]
    most = [price.ratio for price in found]
    columns = {"strategy": names, "label": labels, "x": typical, "low": typical, "high": most}
    return pd.DataFrame(columns)


def _draw(axes: Axes, rows: pd.DataFrame, theme: Theme) -> None:
    _, high = limits([*rows.high, *rows.x])
    low = high**-0.05
    scale(axes, "x", (low, high), ticks(low, high, 5))
    axes.axvline(1, color=theme.muted, linewidth=0.8, zorder=1)
    draw_dots(axes, rows, theme)
    axes.set(xlabel="times the best", ylabel="")
