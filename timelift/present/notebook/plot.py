"""The report's figures as matplotlib's, for a notebook to show or a program to save."""

import functools
import io
from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from timelift.analyse.findings import RunFindings
from timelift.analyse.stats.ranking import Ranking
from timelift.case import AXES
from timelift.errors import UserError, nearest
from timelift.present.figures import of_run
from timelift.present.figures.looks import THEMES
from timelift.present.notebook import RESULTS, Named, read_run


def figures(
    run: Named = "latest",
    theme: str = "light",
    results_folder: str | Path = RESULTS,
    **axes: object,
) -> dict[str, Figure]:
    """Draw every figure of a run, by name; `theme` is light or dark.

    `axes` keep the settings with these values: `workload="tokens", phase="forward"`.
    """
    return _drawn(None, run, theme, results_folder, axes)


def _drawn(
    kind: str | None,
    run: Named,
    theme: str,
    results_folder: str | Path,
    axes: dict[str, object],
) -> dict[str, Figure]:
    if theme not in THEMES:
        raise UserError(f"unknown theme {theme!r}; choose one of {', '.join(THEMES)}")
    found = RunFindings(read_run(run, results_folder))
    if not found.rankings:
        raise UserError("expected a measured case to draw, found none; name another run")
    kept = RunFindings(found.run, given=_kept(found.rankings, axes))
    drawn = of_run(kept, theme, None if kind is None else [kind])
    return {name: _shown(one) for name, one in drawn.items()}


def _kept(rankings: Sequence[Ranking], axes: dict[str, object]) -> Sequence[Ranking]:
    """Return the settings with these values; raises UserError where there is none."""
    for axis, value in axes.items():
        if axis not in AXES:
            raise UserError(f"unknown axis {axis!r}; {nearest(axis, AXES)}")
        measured = dict.fromkeys(getattr(one.setting, axis) for one in rankings)
        if value not in measured:
            known = ", ".join(map(str, measured))
            raise UserError(f"expected a measured {axis}, received {value!r}; choose from: {known}")
        rankings = [one for one in rankings if getattr(one.setting, axis) == value]
    return rankings


def _drawing(kind: str, what: str) -> Callable[..., Figure]:
    """Return the function that draws one kind of figure, with the arguments of `figures`."""

    def draw(
        run: Named = "latest",
        theme: str = "light",
        results_folder: str | Path = RESULTS,
        **axes: object,
    ) -> Figure:
        drawn = _drawn(kind, run, theme, results_folder, axes)
        if len(drawn) == 1:
            return next(iter(drawn.values()))
        many = "none" if not drawn else f"one of each workload: {', '.join(drawn)}"
        raise UserError(
            f'expected one figure {kind!r}, the run has {many}; ask with workload="NAME", '
            "or take it from plot.figures(run)"
        )

    draw.__name__ = draw.__qualname__ = kind
    draw.__doc__ = f"Draw {what}."
    return draw


def _shown(figure: Figure) -> Figure:
    """Let a notebook show the figure without pyplot, whose state these figures are free of."""
    figure._repr_png_ = functools.partial(_png, figure)  # type: ignore[attr-defined]
    return figure


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


speed_up = _drawing("speed_up", "how many times as fast as the baseline, by sequence length")
time_by_length = _drawing("time_by_length", "time per call by sequence length")
fastest = _drawing("fastest", "which strategy is fastest over sequence length and batch")
price = _drawing("price", "what each strategy costs over the best, typically and in the worst case")
forward_backward = _drawing("forward_backward", "how many forward calls a backward call takes")
first_call = _drawing("first_call", "what the first call costs, by sequence length")
memory = _drawing("memory", "the peak memory of a call, by sequence length")
