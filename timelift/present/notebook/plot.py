"""The report's figures as matplotlib's, for a notebook to show or a program to save."""

import functools
import io
from collections.abc import Callable
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


def _drawing(kind: str, what: str) -> Callable[..., Figure]:
    """Return the function that draws one kind of figure, with the arguments of `figures`."""

    def draw(
        run: Named = "latest", theme: str = "light", results_folder: str | Path = RESULTS
    ) -> Figure:
        return _only(kind, figures(run, theme, results_folder))

    draw.__name__ = draw.__qualname__ = kind
    draw.__doc__ = f"Draw {what}."
    return draw


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


time_by_length = _drawing("time_by_length", "time per call against sequence length")
fastest = _drawing("fastest", "which strategy is fastest over sequence length and batch")
forward_backward = _drawing("forward_backward", "what gradients cost, beside the forward call")
first_call = _drawing("first_call", "what the first call costs against every call after it")
memory = _drawing("memory", "the peak memory of a call against its time")
