"""Try every rule on the samples of a self-test: `python -m studies.other_tools RUN...`.

`--quick` simulates a self-test.
"""

import argparse
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from studies import add_runs, answer, noise, parser, stored
from studies.other_rules import AS_USED, OURS, RULES, Rule
from studies.scoreboard import Column, Row, Scoreboard
from timelift.analyse.runs import results
from timelift.analyse.selftest.recording import (
    Recording,
    TwinGroup,
    complaints,
    record,
    twin_groups,
)
from timelift.analyse.selftest.score import Proportion, Score, score
from timelift.errors import UserError
from timelift.escape import plain
from timelift.present.figures.looks import COLOURS, MARKERS, THEMES, Theme, styled

Scores = Mapping[Rule, Score]
#: What the ladder may be wrong about among identical rivals, as a share.
ALLOWED = 0.02
LEGEND = """
processes     launches whose samples the rule sees: shared by both rivals, or of its own for each
false alarms  differences called between identical rivals; at most: their exact 95 % bound
one in N      differences called where a rival is slower in one launch of N only
+5 % ...      how often a rival that is slower by so much (- faster) was called so; - never says so
wrong way     slower called faster, or faster called slower
seconds       measuring time of both rivals a comparison: building, first call and samples
"""
_NONE = "-"
#: Shares this close to none or to all are written with a tenth of a per cent.
_NEAR = 0.1
_TWO_FIGURES = 10


def main(words: Sequence[str] | None = None) -> int:
    options = parser("other_tools", __doc__)
    add_runs(options)
    options.add_argument("--markdown", action="store_true", help="print a Markdown table alone")
    options.add_argument(
        "--figure",
        type=Path,
        metavar="FILE",
        help="draw the rules as people use them, .png or .svg",
    )
    options.add_argument(
        "--theme", choices=("light", "dark"), default="light", help="of the figure"
    )
    return answer(options, words, _show)


def _show(asked: argparse.Namespace) -> int:
    scores = scored(RULES, [record(some) for some in _groups(asked)])
    if asked.figure:
        shown = {rule: found for rule, found in scores.items() if rule in AS_USED and found.tries}
        save(draw(shown, asked.theme), asked.figure)
    shown_board, shown_rows = board(scores), list(rows(scores))
    if asked.markdown:
        sys.stdout.writelines(f"{line}\n" for line in shown_board.markdown(shown_rows))
        return 0
    shown_board.show(shown_rows)
    return _judge(scores[OURS]) if asked.quick else 0


def scored(rules: Sequence[Rule], recordings: Sequence[Recording]) -> Scores:
    return {rule: score([rule.judge(one) for one in recordings], recordings) for rule in rules}


def _judge(ours: Score) -> int:
    share = ours.false_alarms
    if share.value <= ALLOWED:
        return 0
    sys.stderr.write(f"{OURS.name}: expected at most {ALLOWED:.0%}, found {share}\n")
    return 1


def _groups(asked: argparse.Namespace) -> list[list[TwinGroup]]:
    if asked.quick and not asked.runs:
        random = np.random.default_rng(asked.seed)
        return [noise.selftest(noise.SCENARIOS[1], 12, 4, 40, random)]
    return [_of_run(path) for path in stored(asked.runs)]


def _of_run(path: Path) -> list[TwinGroup]:
    run = results.load(path)
    for complaint in complaints(run):
        sys.stderr.write(f"warning: {plain(complaint)}\n")
    found = twin_groups(run)
    if not found:
        raise UserError(
            f"{str(path)!r}: expected strategies beside planted twins of themselves, found none; "
            "measure some with: timelift bench --selftest"
        )
    return found


# The table ---------------------------------------------------------------------------------------


def board(scores: Scores) -> Scoreboard:
    titles = ["rule", "processes", "false alarms", "at most", "one in N"]
    titles += [f"{100 * math.expm1(step):+.3g} %" for step in _steps(scores)]
    columns = [Column(title) for title in (*titles, "wrong way", "seconds")]
    return Scoreboard(columns, LEGEND, words=2)


def rows(scores: Scores) -> Iterator[Row]:
    """Write a row for each rule that could be tried; the first has the numbers of comparisons."""
    steps = _steps(scores)
    tried = {rule: found for rule, found in scores.items() if found.tries}
    if tried:
        yield _counts(max(tried.values(), key=lambda one: one.tries), steps)
    yield from (_row(*one, steps) for one in tried.items())


def _steps(scores: Scores) -> list[float]:
    found = next(iter(scores.values())).found
    return sorted(found, key=lambda step: (step < 0, abs(step)))


def _counts(most: Score, steps: Sequence[float]) -> list[str]:
    """Return how many comparisons stand behind each column, where the rule could try all."""
    shares = [most.false_alarms, most.one_in_n, *(most.found[step] for step in steps)]
    false, one_in_n, *found = (f"{share.tries:,}" for share in shares)
    return ["comparisons", "", false, "", one_in_n, *found, f"{most.wrong_way.tries:,}", ""]


def _row(rule: Rule, found: Score, steps: Sequence[float]) -> list[str]:
    false = found.false_alarms
    silent = [step < 0 and not rule.knows_faster for step in steps]
    return [
        rule.name,
        rule.seats.label,
        f"{_percent(false)} ({false.hits:,} of {false.tries:,})" if false.tries else _NONE,
        _bound(false) if false.tries else _NONE,
        _percent(found.one_in_n),
        *(
            _NONE if never else _percent(found.found[step])
            for step, never in zip(steps, silent, strict=True)
        ),
        f"{found.wrong_way.hits:,}",
        f"{found.seconds_per_verdict:.3g}",
    ]


def _bound(share: Proportion) -> str:
    bound = 100 * share.at_most
    return f"{bound:.0f} %" if bound >= _TWO_FIGURES else f"{bound:.2g} %"


def _percent(share: Proportion) -> str:
    """Write a share in per cent; near none and near all, the tenth matters."""
    if not share.tries:
        return _NONE
    digits = 1 if 0 < share.value < _NEAR or 1 - _NEAR < share.value < 1 else 0
    return f"{100 * share.value:.{digits}f} %"


# The figure --------------------------------------------------------------------------------------

#: Inches of the figure, of the panel's left, bottom, width and height; points between two names.
_SIZE, _PANEL, _APART = (7.8, 3.6), (0.65, 0.55, 3.6, 2.4), 11.0
_TITLE = "What each rule finds, and how often it is wrong about identical code"


def draw(scores: Scores, theme: str = "light") -> Figure:
    """Draw the share found against the planted slow-down, a line a rule, named at its end."""
    colours = THEMES[theme]
    with styled(colours):
        figure = Figure(figsize=_SIZE)
        left, bottom, width, height = _PANEL
        axes = figure.add_axes(
            (left / _SIZE[0], bottom / _SIZE[1], width / _SIZE[0], height / _SIZE[1])
        )
        tried = [one.found for one in scores.values()]
        slower = [s for s in _steps(scores) if s > 0 and all(one[s].tries for one in tried)]
        for place, found in enumerate(tried):
            axes.plot(
                [100 * math.expm1(step) for step in slower],
                [100 * found[step].value for step in slower],
                color=COLOURS[place % len(COLOURS)],
                marker=MARKERS[place % len(MARKERS)],
                lw=1.2 if place else 2.2,
                ms=5,
                clip_on=False,
                zorder=3,
            )
        ends = [100 * found[slower[-1]].value for found in tried]
        _name_lines(axes, scores, ends, colours)
        _dress(axes, [100 * math.expm1(step) for step in slower], colours)
    return figure


def save(figure: Figure, path: Path) -> None:
    try:
        figure.savefig(path, dpi=150)
    except (OSError, ValueError) as error:
        raise UserError(
            f"--figure: cannot write {str(path)!r}: {error}; name a .png or .svg"
        ) from error


def _name_lines(axes: Axes, scores: Scores, ends: Sequence[float], theme: Theme) -> None:
    """Write each rule's name and false alarms to the right of its line."""
    points = _PANEL[3] * 72
    placed = np.array(spread([-end / 100 * points for end in ends], _APART))
    placed -= min(0.0, placed.min() + points)
    last = max(100 * math.expm1(step) for step in _steps(scores))
    for (rule, found), end, at in zip(scores.items(), ends, placed, strict=True):
        axes.annotate(
            f"{rule.name}: {100 * found.false_alarms.value:.1f} % false alarms",
            (last, end),
            (1.08, -at / points),
            textcoords="axes fraction",
            va="center",
            size=7.5,
            weight="bold" if rule is OURS else "normal",
            color=theme.text,
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": theme.muted, "lw": 0.5, "shrinkB": 4},
        )


def _dress(axes: Axes, steps: Sequence[float], theme: Theme) -> None:
    axes.set(xlim=(0, max(steps) * 1.02), ylim=(0, 100), xticks=steps, yticks=range(0, 101, 25))
    axes.set_xticklabels([f"{step:.3g} %" for step in steps])
    axes.set_yticklabels([f"{share} %" for share in range(0, 101, 25)])
    axes.set_xlabel("how much slower the twin was made")
    axes.set_ylabel("how often it was called slower")
    axes.annotate(
        _TITLE, (0, 1.12), xycoords="axes fraction", size=9, weight="bold", color=theme.text
    )


def spread(wanted: Sequence[float], apart: float) -> list[float]:
    """Move places as little as needed to be `apart` from each other; their order stays.

    Neighbours that are too close become one group around their mean, until no two groups touch:
    the pool-adjacent-violators solution of least squares.
    """
    order = np.argsort(wanted, kind="stable")
    groups: list[tuple[float, int]] = []
    for rank, place in enumerate(np.asarray(wanted)[order]):
        groups.append((place - rank * apart, 1))
        while len(groups) > 1 and groups[-2][0] > groups[-1][0]:
            (low, few), (high, more) = groups[-2:]
            groups[-2:] = [((low * few + high * more) / (few + more), few + more)]
    pooled = np.repeat([base for base, _ in groups], [count for _, count in groups])
    placed = np.empty(len(wanted))
    placed[order] = pooled + apart * np.arange(len(wanted))
    return [float(place) for place in placed]


if __name__ == "__main__":
    sys.exit(main())
