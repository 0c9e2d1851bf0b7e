"""The report's figures as matplotlib's, for a notebook to show or a program to save."""

import functools
import io
from pathlib import Path

from matplotlib.figure import Figure

from timelift.analyse.findings import RunFindings
from timelift.errors import UserError
from timelift.present.figures import of_run
from timelift.present.figures.looks import THEMES
from timelift.present.notebook import RESULTS, Named, read_run


def figures(
    run: Named = "latest", theme: str = "light", results_folder: str | Path = RESULTS
) -> dict[str, Figure]:
    """Draw every figure of a run, by name; `theme` is light or dark."""
    if theme not in THEMES:
        raise UserError(f"unknown theme {theme!r}; choose one of {', '.join(THEMES)}")
    found = RunFindings(read_run(run, results_folder))
    if not found.rankings:
        raise UserError("expected a measured case to draw, found none; name another run")
    return {name: _shown(one) for name, one in of_run(found, theme).items()}


def time_by_length(
    run: Named = "latest", theme: str = "light", results_folder: str | Path = RESULTS
) -> Figure:
    """Draw time per call against sequence length."""
    return _only("time_by_length", figures(run, theme, results_folder))


def fastest(
    run: Named = "latest", theme: str = "light", results_folder: str | Path = RESULTS
) -> Figure:
    """Draw which strategy is fastest over sequence length and batch."""
    return _only("fastest", figures(run, theme, results_folder))


def first_call(
    run: Named = "latest", theme: str = "light", results_folder: str | Path = RESULTS
) -> Figure:
    """Draw what the first call costs against every call after it."""
    return _only("first_call", figures(run, theme, results_folder))


def _only(kind: str, drawn: dict[str, Figure]) -> Figure:
    """Return the one figure of a kind; a run of several devices or modes has several."""
    names = [name for name in drawn if name.startswith(kind)]
    if len(names) == 1:
        return drawn[names[0]]
    many = "none" if not names else f"several: {', '.join(names)}"
    raise UserError(
        f"expected one figure {kind!r}, the run has {many}; take it from plot.figures(run)"
    )


def _shown(figure: Figure) -> Figure:
    """Let a notebook show the figure without pyplot, whose state these figures are free of."""
    figure._repr_png_ = functools.partial(_png, figure)  # type: ignore[attr-defined]
    return figure


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=120)
    return file.getvalue()
