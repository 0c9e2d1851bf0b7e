"""What each strategy costs over the best, in a typical setting of a workload and in the worst."""

from collections.abc import Collection
from functools import partial

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from timelift.analyse.findings import RunFindings
from timelift.analyse.recommend import ForWorkload
from timelift.escape import plain
from timelift.present.figures.looks import NO_BREAK, Theme, short_name
from timelift.present.figures.marks import dots_size, draw_dots
from timelift.present.figures.sheet import Block, limits, scale, sheet, ticks
from timelift.present.units import counted

_COLUMNS = 4


def price(found: RunFindings, frame: pd.DataFrame, theme: Theme) -> Figure | None:
    """Draw the prices of every strategy in each workload, the recommended one first."""
    workloads = found.recommendation_by_workload
    if not workloads:
        return None
    panels = [(_title(one), _prices(one, set(frame.baseline))) for one in workloads]
    across, down, beside = dots_size([rows for _, rows in panels])
    draw = partial(_draw, theme=theme)
    block = Block(panels, draw, (across, down), min(len(panels), _COLUMNS), beside)
    words = (
        frame.attrs["fixed"],
        "mark: the median over settings, as it was seen",
        "end of the bar: the most that it costs in any",
        "first: the recommended one",
    )
    return sheet("What each strategy costs over the best", "; ".join(words), [block], theme)


def _title(one: ForWorkload) -> str:
    settings = counted(one.found.settings, "setting").replace(" ", NO_BREAK)
    return f"{short_name(one.workload)}, {settings}"


def _prices(one: ForWorkload, baselines: Collection[str]) -> pd.DataFrame:
    """Return a row a strategy; its label says where it was not measured in all settings."""
    every, found = one.found.settings, one.found.prices
    names = [plain(price.strategy) for price in found]
    labels = []
    for name, price in zip(names, found, strict=True):
        notes = ["baseline"] if name in baselines else []
        notes += [f"in {price.settings} of {every}"] if price.settings < every else []
        labels.append(short_name(name) + (f" ({', '.join(notes)})" if notes else ""))
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
