"""A map of the fastest strategy over sequence length and batch, workload by workload."""

from functools import partial

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, to_rgb
from matplotlib.figure import Figure

from timelift.analyse.findings import RunFindings
from timelift.analyse.stats.ranking import Ranking
from timelift.escape import plain
from timelift.present.figures.frame import forward_first
from timelift.present.figures.looks import Theme, legend_order, line_style, short_name
from timelift.present.figures.sheet import Block, sheet, text_inches

_SIZE = 7
#: Inches of a cell's height, and of the words beside the cells of a panel and above.
_CELL, _BESIDE, _ABOVE = 0.45, 0.9, 0.75
#: How much of a strategy's colour a cell has, the rest is background: its text stays readable.
TINT = 0.3


def fastest(found: RunFindings, frame: pd.DataFrame, theme: Theme) -> Figure | None:
    """Draw which strategy is fastest where, which ties with it, and how far behind the next is.

    A row of cells is a batch in one execution, a panel a workload in one phase. A cell has the
    colour of the strategy.
    """
    rankings, cells = found.rankings, _cells(found, frame)
    if cells.empty:
        return None
    lines = [line for text in cells.text for line in text.split("\n")]
    width = max(text_inches(line, _SIZE) for line in lines) + 0.15
    columns = cells.groupby("workload").phase.nunique().max()
    blocks = [_block(group, width, columns, theme) for _, group in cells.groupby("workload")]
    one_launch = all(row.launches < 2 for one in rankings for row in one.rows)  # noqa: PLR2004
    tied = "tied: not shown slower, so any of them may be the recommended one"
    about = "one launch: nothing is shown slower" if one_launch else tied
    words = (frame.attrs["fixed"], "first: the shortest time", about, "next: the runner-up's ratio")
    return sheet("Fastest strategy", "; ".join(words), blocks, theme)


def _cells(found: RunFindings, frame: pd.DataFrame) -> pd.DataFrame:
    """Return a row a setting: its place in the map, the fastest strategy, its colour, the text."""
    ranked = {one.setting: one for one in found.rankings if one.rows}
    settings = frame[frame.setting.isin(ranked)].drop_duplicates("setting")
    names = [plain(ranked[one].rows[0].case.strategy) for one in settings.setting]
    return settings.assign(
        fastest=names,
        colour=[line_style(one).colour for one in names],
        text=[cell_text(ranked[one]) for one in settings.setting],
        row=settings.batch.astype(str) + settings.execution.map(lambda one: one and f", {one}"),
    )


def cell_text(ranking: Ranking) -> str:
    """Write the fastest strategy, the ones that tie with it, and the runner-up's ratio."""
    first, *others = ranking.rows
    name = first.case.strategy
    if not others:
        return f"{short_name(name)}\nno rival"
    tied = [other for other in ranking.not_shown_slower if other != name]
    more = f" and {len(tied) - 1} more" if len(tied) > 1 else ""
    ties = f"\ntied: {short_name(tied[0])}{more}" if tied else ""
    return f"{short_name(name)}{ties}\nnext: {others[0].ratio:.2f} x"


def _block(group: pd.DataFrame, width: float, columns: int, theme: Theme) -> Block:
    """Return the panels of a workload, all with the rows and columns of each."""
    phases = forward_first(group).groupby("phase", sort=False)
    workload = short_name(str(group.workload.iloc[0]))
    panels = [(f"{workload}, {phase}", rows) for phase, rows in phases]
    batches = list(dict.fromkeys(group.sort_values(["execution", "batch"]).row))
    lengths = sorted(set(group.seq_len))
    size = (_BESIDE + width * len(lengths), _ABOVE + _CELL * len(batches))
    draw = partial(_draw, batches=batches, lengths=lengths, theme=theme)
    return Block(panels, draw, size, columns)


def _draw(
    axes: Axes, rows: pd.DataFrame, *, batches: list[str], lengths: list[int], theme: Theme
) -> None:
    names, colours = legend_order(rows.fastest), dict(zip(rows.fastest, rows.colour, strict=True))
    places = rows.assign(code=rows.fastest.map(names.index))
    codes, texts = (
        places.pivot_table(one, "row", "seq_len", aggfunc="first").reindex(batches, columns=lengths)
        for one in ("code", "text")
    )
    sns.heatmap(
        codes,
        annot=texts.fillna(""),
        fmt="",
        cmap=ListedColormap([tint(colours[name], theme) for name in names]),
        vmin=-0.5,
        vmax=len(names) - 0.5,
        cbar=False,
        linewidths=2,
        linecolor=theme.background,
        annot_kws={"size": _SIZE, "color": theme.text},
        ax=axes,
    )
    axes.set(xlabel="sequence length (steps)", ylabel="batch")
    axes.tick_params(length=0, labelrotation=0)
    axes.grid(visible=False)


def tint(colour: str, theme: Theme) -> tuple[float, float, float]:
    red, green, blue = (
        TINT * front + (1 - TINT) * back
        for front, back in zip(to_rgb(colour), to_rgb(theme.background), strict=True)
    )
    return red, green, blue
