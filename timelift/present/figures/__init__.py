"""The figures of a report: chosen and saved here, drawn by the modules beside this one."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from timelift.analyse.findings import RunFindings
from timelift.present.figures import plot_by_length
from timelift.present.figures.frame import endings, leading, tidy
from timelift.present.figures.looks import THEMES, Theme, quiet_about_glyphs, styled
from timelift.present.figures.plot_fastest import fastest
from timelift.present.figures.plot_price import price
from timelift.present.figures.sheet import DPI

FORMATS = ("svg", "png")
#: With more panels a figure becomes one of each workload.
MOST_PANELS = 24
_Draw = Callable[[RunFindings, pd.DataFrame, Theme], Figure | None]
#: Text stays text in SVG, and the same figure gives the same bytes; hints cost a third of a PNG.
_RC: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "timelift",
    "text.hinting": "none",
}


def of_run(
    found: RunFindings, theme: str = "light", kinds: Iterable[str] | None = None
) -> dict[str, Figure]:
    """Draw the figures of a run, of every kind or of some, by the name that their files get.

    Where a figure would have too many panels each workload gets its own. `theme` is light or dark.
    """
    whole = tidy(found)
    if whole.empty:
        return {}
    frame = leading(whole)
    with styled(THEMES[theme]):
        made = {
            f"{kind}{ending}": _DRAWN[kind](found, part, THEMES[theme])
            for kind in kinds or KINDS
            for ending, part in (_parts(frame) if kind != "price" else {"": whole}).items()
        }
    return {name: figure for name, figure in made.items() if figure}


def _parts(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    if frame.panel.nunique() <= MOST_PANELS:
        return {"": frame}
    names = endings(frame.workload.unique())
    return {names[one]: frame[frame.workload == one] for one in names}


def _of(quantity: plot_by_length.Quantity) -> _Draw:
    return lambda _, frame, theme: plot_by_length.by_length(quantity, frame, theme)


_DRAWN: dict[str, _Draw] = {
    "speed_up": _of(plot_by_length.SPEED_UP),
    "time_by_length": _of(plot_by_length.TIME),
    "fastest": fastest,
    "price": price,
    "first_call": _of(plot_by_length.FIRST_CALL),
    "memory": _of(plot_by_length.MEMORY),
    "forward_backward": _of(plot_by_length.GRADIENTS),
}
#: Every kind of figure, which is also the beginning of its name.
KINDS = tuple(_DRAWN)


def save(drawn: Mapping[str, Figure], folder: Path) -> list[Path]:
    """Write each figure in every format and return the paths; raises OSError."""
    paths = [folder / f"{name}.{format_}" for name in drawn for format_ in FORMATS]
    folder.mkdir(parents=True, exist_ok=True)
    for path in paths:
        _save(drawn[path.stem], path)
    return paths


def _save(figure: Figure, path: Path) -> None:
    """Write a figure by its canvas, since `Figure.savefig` lays out every text once more before."""
    canvas: Any = FigureCanvasSVG(figure) if path.suffix == ".svg" else FigureCanvasAgg(figure)
    with mpl.rc_context(_RC), quiet_about_glyphs():
        if path.suffix == ".svg":
            canvas.print_svg(path, metadata={"Date": None})
            figure.set_dpi(DPI)  # which its canvas has set to the points of SVG
        else:
            canvas.print_png(path, pil_kwargs={"compress_level": 3})
