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
from timelift.present.figures.marks import colours_of, draw_marks
from timelift.present.figures.sheet import Block, limits, scale, sheet, text_inches, ticks
from timelift.present.units import counted

_ROW, _COLUMNS = 0.19, 4


def price(found: RunFindings, frame: pd.DataFrame, theme: Theme) -> Figure | None:
    """Draw the prices of every strategy in each workload, the recommended one first."""
    workloads = found.recommendation_by_workload
    if not workloads:
        return None
    panels = {_title(one): _prices(one, set(frame.baseline)) for one in workloads}
    widest = max(text_inches(label, 7) for rows in panels.values() for label in rows.label)
    size = (widest + 1.4, _ROW * (1 + max(map(len, panels.values()))) + 0.55)
    draw = partial(_draw, theme=theme)
    columns = min(len(panels), _COLUMNS)
    words = (
        frame.attrs["fixed"],
        "mark: the median over settings, as it was seen",
        "end of the bar: the most that it costs in any",
        "first: the recommended one",
    )
    block = Block(panels, draw, size, columns, widest + 0.2)
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
    typical, most = zip(*((price.typical, price.ratio) for price in found), strict=True)
    places = range(len(found))
    return pd.DataFrame(
        {"strategy": names, "label": labels, "x": typical, "most": most, "y": places}
    )


def _draw(axes: Axes, rows: pd.DataFrame, theme: Theme) -> None:
    _, high = limits([*rows.most, *rows.x])
    scale(axes, "x", (0.97, high), ticks(0.99, high, 5))
    axes.axvline(1, color=theme.muted, linewidth=0.8, zorder=1)
    axes.hlines(rows.y, rows.x, rows.most, colours_of(rows), linewidth=4, alpha=0.35)
    draw_marks(axes, rows, 34, theme)
    axes.set_yticks(rows.y, rows.label)
    axes.set(ylim=(len(rows) - 0.25, -0.75), xlabel="times the best", ylabel="")
