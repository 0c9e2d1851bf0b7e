"""The figures of a report: chosen and saved here, drawn by the modules beside this one."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from timelift.analyse.findings import RunFindings
from timelift.errors import writing
from timelift.present.figures.facets import comparable, leading
from timelift.present.figures.looks import THEMES, Theme, quiet_about_glyphs, styled
from timelift.present.figures.plot_fastest import fastest
from timelift.present.figures.plot_length import time_by_length
from timelift.present.figures.plot_scatter import first_call, memory, phases
from timelift.present.folder import ADVICE

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


def of_run(found: RunFindings, theme: str = "light") -> dict[str, Figure]:
    """Draw every figure of a run, by the name that its files get; `theme` is light or dark."""
    with styled(THEMES[theme]):
        return _drawn(found, THEMES[theme])


def _drawn(found: RunFindings, theme: Theme) -> dict[str, Figure]:
    drawn: dict[str, Figure] = {}
    for ending, group in leading(comparable(found.rankings)).items():
        lifts = [one for one in group if one.rows]
        made: dict[str, Figure | None] = {**time_by_length(group, theme)}
        made["fastest"] = fastest(lifts, theme) if lifts else None
        made["forward_backward"] = phases(group, found.forward_and_backward, theme)
        made["first_call"] = first_call(group, found.first_calls, theme)
        made["memory"] = memory(lifts, found.peak_bytes, found.pareto_fronts, theme)
        drawn |= {f"{name}{ending}": figure for name, figure in made.items() if figure}
    return drawn


def save(drawn: Mapping[str, Figure], folder: Path, formats: Sequence[str] = FORMATS) -> list[Path]:
    """Write each figure in these formats and return the paths."""
    paths = [folder / f"{name}.{format_}" for name in drawn for format_ in formats]
    with writing(folder, ADVICE):
        folder.mkdir(parents=True, exist_ok=True)
        for path in paths:
            _save(drawn[path.stem], path)
    return paths


def _save(figure: Figure, path: Path) -> None:
    with mpl.rc_context(_RC), quiet_about_glyphs():
        figure.savefig(path, **_HOW[path.suffix])
