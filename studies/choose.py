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
from timelift.analyse.choose.question import Choice, Goal, SpeedUpHere, ask
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
        Column("speed-up held", ".1%", least=0.95),
        Column("width", ".3f"),
    ),
    """
answered      instead of a command that would decide it
price held    the strategy truly cost no more over the best than it promises
worst         what an answer truly cost over the best at most
speed-up held its 95 % interval, over a baseline of known time, holds the truth
width         the median of its upper end over its lower end
""",
)
#: The straight law: what speed-ups are told against.
_BASELINE = "rival0"
_RUNS, _QUICK_RUNS, _QUESTIONS, _LAUNCHES = 15, 3, 12, 5


@dataclass(frozen=True)
class Mark:
    """One answer: the price that it promises at most, and the true cost, as ratios.

    `speed_up` is that over the baseline, and `truly_faster` the true one; None of the baseline.
    """

    price: float
    cost: float
    speed_up: SpeedUpHere | None
    truly_faster: float

    @property
    def held(self) -> bool | None:
        one = self.speed_up
        return None if one is None else one.low <= self.truly_faster <= one.high


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
    made = decide(ask({"seq_len": str(size)}, Goal.TIME, measured), measured, [_BASELINE])
    if not isinstance(made, Choice):
        return None
    times = [float(law.times(np.array([float(size)]))[0]) for law in LAWS]
    own, baseline = times[noise.rival(made.strategy)], times[noise.rival(_BASELINE)]
    speed_up = None if made.strategy == _BASELINE else made.speed_up
    return Mark(made.price, own / min(times), speed_up, baseline / own)


def rows(runs: int = _RUNS, seed: int = 0) -> Iterator[Row]:
    for number, scenario in enumerate((SCENARIOS[0], SCENARIOS[2], SCENARIOS[5])):
        for sizes in GRIDS:
            found = marks(scenario, sizes, runs, np.random.default_rng([seed, number, len(sizes)]))
            yield scenario.name, str(len(sizes)), len(found), *_cells(found)


def _cells(found: Sequence[Mark | None]) -> Row:
    answered = [one for one in found if one]
    if not answered:
        return 0, None, None, None, None, None
    held = np.mean([one.cost <= one.price + 1e-9 for one in answered])
    best = np.mean([one.cost == 1 for one in answered])
    gains = [one for one in answered if one.speed_up]
    told = float(np.mean([one.held for one in gains])) if gains else None
    widths = [one.speed_up.high / one.speed_up.low for one in gains if one.speed_up]
    width = float(np.median(widths)) if widths else None
    worst = max(one.cost for one in answered)
    return len(answered), float(held), float(best), worst, told, width


def main(words: Sequence[str] | None = None) -> int:
    return answer(parser("choose", __doc__), words, _run)


def _run(asked: argparse.Namespace) -> int:
    return BOARD.show(rows(_QUICK_RUNS if asked.quick else _RUNS, asked.seed))


if __name__ == "__main__":
    sys.exit(main())
