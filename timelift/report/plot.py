"""The figures of a report: made here, saved here, drawn in the rooms next door."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from timelift.errors import UserError
from timelift.read.measurement import Run
from timelift.read.records import fact
from timelift.report.facets import comparable
from timelift.report.plot_fastest import fastest
from timelift.report.plot_first_call import first_call
from timelift.report.plot_length import time_by_length
from timelift.report.style import THEMES, Theme, styled
from timelift.stats.ranking import Ranking

#: A name may be in any script; the font draws a box for what it lacks.
GLYPHS = "Glyph .* missing"
FORMATS = ("svg", "png")
#: Text stays text in SVG, and the same figure gives the same bytes; hints cost a third of a PNG.
_RC: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "timelift",
    "text.hinting": "none",
}
_HOW: dict[str, dict[str, Any]] = {
    ".svg": {"metadata": {"Date": None}},
    ".png": {"dpi": 120, "pil_kwargs": {"compress_level": 3}},
}


def figures(run: Run, rankings: Sequence[Ranking], theme: str = "light") -> dict[str, Figure]:
    """Draw every figure of a run, by the name that its files get; `theme` is light or dark."""
    with warnings.catch_warnings(), styled(THEMES[theme]):
        warnings.filterwarnings("ignore", GLYPHS, UserWarning)
        return _drawn(run, rankings, THEMES[theme])


def _drawn(run: Run, rankings: Sequence[Ranking], theme: Theme) -> dict[str, Figure]:
    drawn: dict[str, Figure] = {}
    values = {one.case: fact(one, "first_call_seconds") for one in run.measurements}
    first = {case: value for case, value in values.items() if value is not None and value > 0}
    for ending, group in comparable(rankings).items():
        made = {**time_by_length(group, theme), "fastest": fastest(group, theme)}
        cost = first_call(group, first, theme)
        made |= {"first_call": cost} if cost else {}
        drawn |= {f"{name}{ending}": figure for name, figure in made.items()}
    return drawn


def save(drawn: Mapping[str, Figure], folder: Path) -> list[Path]:
    """Write each figure as SVG and PNG and return the paths."""
    paths = [folder / f"{name}.{format_}" for name in drawn for format_ in FORMATS]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in paths:
            _save(drawn[path.stem], path)
    except OSError as error:
        raise UserError(
            f"cannot write figures to {str(folder)!r}: {error.strerror}; "
            "name another folder with --output"
        ) from error
    return paths


def _save(figure: Figure, path: Path) -> None:
    with mpl.rc_context(_RC), warnings.catch_warnings():
        warnings.filterwarnings("ignore", GLYPHS, UserWarning)
        figure.savefig(path, **_HOW[path.suffix])
