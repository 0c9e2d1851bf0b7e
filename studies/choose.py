"""Mark `choose` where the truth is known: `python -m studies.choose [--quick]`.

Strategies whose growth is known are measured at some lengths, with simulated noise, and asked about
at lengths between those.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from studies import answer, noise, parser
from studies.noise import SCENARIOS, Scenario
from studies.scaling import GRIDS, LAWS, run
from studies.scoreboard import Column, Row, Scoreboard
from timelift.analyse.choose.decide import decide
from timelift.analyse.choose.question import Choice, Goal, ask
from timelift.analyse.runs.measurement import Run

BOARD = Scoreboard(
    (
        Column("noise", width=26),
        Column("sizes"),
        Column("questions", ","),
        Column("answered", ","),
        Column("price held", ".1%", least=0.99),
        Column("was the best", ".1%", least=0.95),
        Column("worst", ".3f", most=1.05),
    ),
    """
answered      instead of a command that would decide it
price held    the strategy truly cost no more over the best than it promises
worst         what an answer truly cost over the best at most
""",
)
_RUNS, _QUICK_RUNS, _QUESTIONS, _LAUNCHES = 15, 3, 12, 5


@dataclass(frozen=True)
class Mark:
    """One answer: the price that it promises at most, and the true cost, as ratios."""

    price: float
    cost: float


def marks(
    scenario: Scenario, sizes: Sequence[int], runs: int, random: Generator
) -> list[Mark | None]:
    """Ask so many runs at lengths drawn anew for each; None is a question left open."""
    found: list[Mark | None] = []
    for _ in range(runs):
        measured = run(LAWS, sizes, _LAUNCHES, scenario, random)
        drawn = random.uniform(np.log(sizes[0]), np.log(sizes[-1]), _QUESTIONS)
        found += [_mark(measured, int(size)) for size in np.exp(drawn).round()]
    return found


def _mark(measured: Run, size: int) -> Mark | None:
    made = decide(ask({"seq_len": str(size)}, Goal.TIME, measured), measured)
    if not isinstance(made, Choice):
        return None
    times = [float(law.times(np.array([float(size)]))[0]) for law in LAWS]
    return Mark(made.price, times[noise.rival(made.strategy)] / min(times))


def rows(runs: int = _RUNS, seed: int = 0) -> Iterator[Row]:
    for number, scenario in enumerate((SCENARIOS[0], SCENARIOS[2], SCENARIOS[5])):
        for sizes in GRIDS:
            found = marks(scenario, sizes, runs, np.random.default_rng([seed, number, len(sizes)]))
            yield scenario.name, str(len(sizes)), len(found), *_cells(found)


def _cells(found: Sequence[Mark | None]) -> Row:
    answered = [one for one in found if one]
    if not answered:
        return 0, None, None, None
    held = np.mean([one.cost <= one.price + 1e-9 for one in answered])
    best = np.mean([one.cost == 1 for one in answered])
    return len(answered), float(held), float(best), max(one.cost for one in answered)


def main(words: Sequence[str] | None = None) -> int:
    return answer(parser("choose", __doc__), words, _run)


def _run(asked: argparse.Namespace) -> int:
    return BOARD.show(rows(_QUICK_RUNS if asked.quick else _RUNS, asked.seed))


if __name__ == "__main__":
    sys.exit(main())
