"""A map of the fastest strategy over sequence length and batch, workload by workload."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, to_rgb
from matplotlib.figure import Figure

from timelift.analyse.stats.ranking import Ranking
from timelift.present.figures.facets import by_workload, columns_for, described, panels
from timelift.present.figures.looks import Theme, line_style, short_name, sns
from timelift.present.figures.sheet import Panel, Sheet, name_axes, text_inches

_SIZE = 7
_CELL_HEIGHT = 0.5
#: How much of a strategy's colour a cell has, the rest is background: its text stays readable.
TINT = 0.3


def fastest(rankings: Sequence[Ranking], theme: Theme) -> Figure:
    """Draw which strategy is fastest where, which ties with it, and how far behind the next is."""
    grouped = panels(rankings, by_workload)
    texts = {ranking.setting: cell_text(ranking) for ranking in rankings}
    lines = [line for text in texts.values() for line in text.split("\n")]
    width = max(text_inches(line, _SIZE) for line in lines) + 0.15
    across = max(len(_lengths(group)) for group in grouped.values())
    down = max(len(_batches(group)) for group in grouped.values())
    titles = [one.title for one in grouped]
    panel = Panel(across * width, down * _CELL_HEIGHT, left=0.7, below=0.55).wide_enough(titles)
    columns = columns_for(list(grouped), max(1, min(4, int(14 / panel.width))))
    one_launch = all(row.launches < 2 for ranking in rankings for row in ranking.rows)  # noqa: PLR2004
    tied = "tied: not shown slower, so any of them may be the recommended one"
    about = "one launch: nothing is shown slower" if one_launch else tied
    setting = described(rankings[0].setting)
    subtitle = f"{setting}; first: the shortest time; {about}; next: ratio of the runner-up"
    sheet = Sheet("Fastest strategy", subtitle, theme, panel, columns)
    for axes, group in zip(sheet.draw(titles), grouped.values(), strict=True):
        _draw_map(axes, group, theme)
        _shrink(axes, len(_lengths(group)) / across, len(_batches(group)) / down)
    return sheet.figure


def _shrink(axes: Axes, width: float, height: float) -> None:
    """Keep a share of the panel's room, at its upper left, so that all cells are of one size."""
    box = axes.get_position()
    top = box.y1 - box.height * height
    axes.set_position((box.x0, top, box.width * width, box.height * height))
    name_axes(axes, "sequence length (steps)", "batch")


def _lengths(group: Sequence[Ranking]) -> list[int]:
    return sorted({ranking.setting.seq_len for ranking in group})


def _batches(group: Sequence[Ranking]) -> list[int]:
    return sorted({ranking.setting.batch for ranking in group})


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


def _draw_map(axes: Axes, group: Sequence[Ranking], theme: Theme) -> None:
    lengths, batches = _lengths(group), _batches(group)
    codes = np.full((len(batches), len(lengths)), -1)
    texts = np.full(codes.shape, "", dtype=object)
    tints = []
    for code, ranking in enumerate(group):
        cell = batches.index(ranking.setting.batch), lengths.index(ranking.setting.seq_len)
        codes[cell], texts[cell] = code, cell_text(ranking)
        tints.append(tint(line_style(ranking.rows[0].case.strategy).colour, theme))
    sns.heatmap(
        codes,
        mask=codes < 0,
        annot=texts,
        fmt="",
        cmap=ListedColormap(tints),
        vmin=-0.5,
        vmax=len(group) - 0.5,
        cbar=False,
        linewidths=2,
        linecolor=theme.background,
        xticklabels=False,
        yticklabels=False,
        annot_kws={"size": _SIZE, "color": theme.text},
        ax=axes,
    )
    axes.set_xticks(np.arange(len(lengths)) + 0.5, map(str, lengths))
    axes.set_yticks(np.arange(len(batches)) + 0.5, map(str, batches))
    axes.tick_params(length=0)
    axes.grid(visible=False)


def tint(colour: str, theme: Theme) -> tuple[float, float, float]:
    red, green, blue = (
        TINT * front + (1 - TINT) * back
        for front, back in zip(to_rgb(colour), to_rgb(theme.background), strict=True)
    )
    return red, green, blue
