"""A few rules as a figure: what they find of what was planted, and how often they are wrong."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from timelift.analyse.selftest.score import Score
from timelift.errors import UserError
from timelift.present.figures.looks import COLOURS, MARKERS, THEMES, Theme, styled
from timelift.present.figures.plot_length import spread

#: Inches of the figure, of the panel's left, bottom, width and height; points between two names.
_SIZE, _PANEL, _APART = (7.8, 3.6), (0.65, 0.55, 3.6, 2.4), 11.0


def draw(scores: Sequence[Score], theme: str = "light") -> Figure:
    """Draw the share found against the planted slow-down, a line a rule, named at its end."""
    colours = THEMES[theme]
    with styled(colours):
        figure = Figure(figsize=_SIZE)
        left, bottom, width, height = _PANEL
        axes = figure.add_axes(
            (left / _SIZE[0], bottom / _SIZE[1], width / _SIZE[0], height / _SIZE[1])
        )
        ends = [_line(axes, score, place) for place, score in enumerate(scores)]
        _name(axes, scores, ends, colours)
        _dress(axes, scores, colours)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write the figure; raises UserError where it cannot."""
    try:
        figure.savefig(path, dpi=150)
    except (OSError, ValueError) as error:
        raise UserError(
            f"--figure: cannot write {str(path)!r}: {error}; name a .png or .svg"
        ) from error


def _steps(score: Score) -> list[float]:
    return sorted(step for step, seen in score.found.items() if step > 0 and seen.tries)


def _line(axes: Axes, score: Score, place: int) -> float:
    """Draw one rule; give the height of its end in per cent."""
    steps = _steps(score)
    shares = [100 * score.found[step].value for step in steps]
    slower = [100 * math.expm1(step) for step in steps]
    colour, marker = COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]
    width = 2.2 if place == 0 else 1.2
    axes.plot(slower, shares, color=colour, marker=marker, lw=width, ms=5, clip_on=False, zorder=3)
    return shares[-1]


def _name(axes: Axes, scores: Sequence[Score], ends: Sequence[float], theme: Theme) -> None:
    """Write each rule's name and false alarms to the right of its line."""
    points = _PANEL[3] * 72
    placed = np.array(spread([-end / 100 * points for end in ends], _APART))
    placed -= min(0.0, placed.min() + points)
    for place, (score, end, at) in enumerate(zip(scores, ends, placed, strict=True)):
        axes.annotate(
            _words(score),
            (100 * math.expm1(_steps(score)[-1]), end),
            (1.08, -at / points),
            textcoords="axes fraction",
            va="center",
            size=7.5,
            weight="bold" if place == 0 else "normal",
            color=theme.text,
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": theme.muted, "lw": 0.5, "shrinkB": 4},
        )


def _words(score: Score) -> str:
    false = score.false_alarms
    return f"{score.rule.name}: {100 * false.value:.1f} % false alarms"


def _dress(axes: Axes, scores: Sequence[Score], theme: Theme) -> None:
    steps = [100 * math.expm1(step) for step in _steps(scores[0])]
    axes.set(xlim=(0, max(steps) * 1.02), ylim=(0, 100), xticks=steps, yticks=range(0, 101, 25))
    axes.set_xticklabels([f"{step:.3g} %" for step in steps])
    axes.set_yticklabels([f"{share} %" for share in range(0, 101, 25)])
    axes.set_xlabel("how much slower the twin was made")
    axes.set_ylabel("how often it was called slower")
    title = "What each rule finds, and how often it is wrong about identical code"
    axes.annotate(
        title, (0, 1.12), xycoords="axes fraction", size=9, weight="bold", color=theme.text
    )
