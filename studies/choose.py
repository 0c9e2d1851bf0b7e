"""Mark `choose` where the truth is known: `python -m studies.choose [--quick]`.

Strategies whose growth is known are measured at some lengths, with simulated noise, and asked about
at lengths between those.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from studies import parser
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
price held    the strategy truly cost no more over the best than was said
worst         what an answer truly cost over the best at most
""",
)
_RUNS, _QUICK_RUNS, _QUESTIONS, _LAUNCHES = 15, 3, 12, 5


@dataclass(frozen=True)
class Mark:
    """One answer: what was said to be its price at most, and what it truly cost, as ratios."""

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
    chosen = times[int(made.strategy.removeprefix("rival"))]
    return Mark(made.price, chosen / min(times))


def rows(runs: int = _RUNS, seed: int = 0) -> Iterator[Row]:
    """Mark every grid of lengths under several kinds of noise."""
    for place, scenario in enumerate((SCENARIOS[0], SCENARIOS[2], SCENARIOS[5])):
        for sizes in GRIDS:
            found = marks(scenario, sizes, runs, np.random.default_rng([seed, place, len(sizes)]))
            yield scenario.name, str(len(sizes)), len(found), *_cells(found)


def _cells(found: Sequence[Mark | None]) -> Row:
    said = [one for one in found if one]
    held = np.mean([one.cost <= one.price + 1e-9 for one in said])
    best = np.mean([one.cost == 1 for one in said])
    return len(said), float(held), float(best), max(one.cost for one in said)


def main(words: Sequence[str] | None = None) -> int:
    """Print one line for everything that is tried."""
    options = parser("choose", __doc__).parse_args(words)
    return BOARD.show(rows(_QUICK_RUNS if options.quick else _RUNS, options.seed))


if __name__ == "__main__":
    sys.exit(main())
