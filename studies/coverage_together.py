"""The lines of `validate` about rows beside the shown best: do all of a setting hold at once?"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from studies import noise
from studies.noise import SCENARIOS, Scenario, Shape
from studies.trial import Play, campaign
from timelift.analyse.runs.measurement import Samples
from timelift.analyse.stats.ranking import rank
from timelift.analyse.stats.rival import Ranking, Rival

HEADER = (
    "against the shown best  launches  settings  all hold  worst noise"
    "  one by one  prices hold  worst noise  width"
)
LEGEND = """
all hold      settings in which the interval of every row holds the true ratio to the row shown
              first, over all kinds of noise; of the kind with the lowest share
one by one    the same for the interval that each pair would have by itself
prices hold   settings in which the least and the most of every row hold what it costs over the best
width         of the interval beside that of the pair by itself, the median of all rows
"""
#: How many rivals there are, and what the unequal ones cost: many near the best, some far off.
RIVALS = (2, 5, 8, 12)
UNEQUAL = np.log1p([0.0, 0.01, 0.02, 0.03, 0.05, 0.08, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0])


@dataclass(frozen=True)
class Marked:
    """What became of each setting, arrays (settings,) of 0 and 1; `width` is (rows,), a ratio."""

    together: Samples
    alone: Samples
    prices: Samples
    width: Samples


@dataclass(frozen=True)
class Field:
    """Rivals that cost so much, log ratios to the best, and how their launches are chosen."""

    costs: Samples
    launches: int
    play: Play

    def mark(self, scenario: Scenario, runs: int, random: Generator) -> Marked:
        """Rank `runs` runs of such settings in one kind of noise, and mark every row."""
        shape, ranked = Shape(rivals=len(self.costs), launches=self.launches), list[Ranking]()
        for _ in range(runs):
            times = self.play(noise.seconds(scenario, shape, self.costs, random))
            ranked += rank(noise.measurements(times))
        found = [[_row(row, one.rows[0], self.costs) for row in one.rows] for one in ranked]
        together, alone, prices = np.array([np.all(rows, axis=0) for rows in found], float).T
        widths = [_width(row) for one in ranked for row in one.rows[1:]]
        return Marked(together, alone, prices, np.array(widths))


def _width(row: Rival) -> float:
    return math.log(row.high / row.low) / 2 / row.known_to


def _row(row: Rival, first: Rival, costs: Samples) -> tuple[bool, bool, bool]:
    """Return whether a row's interval holds its truth, whether the pair's own does, its price."""
    cost = _cost(row, costs)
    truth = cost - _cost(first, costs)
    alone = row is first or bool(np.abs(np.log(row.ratio) - truth) <= row.known_to)
    price = float(np.exp(cost - costs.min()))
    return row.low <= np.exp(truth) <= row.high, alone, row.price[0] <= price <= row.price[1]


def _cost(row: Rival, costs: Samples) -> float:
    return float(costs[int(row.case.strategy.removeprefix("rival"))])


def lines(plans: Sequence[tuple[int, Play]], seed: int, runs: int) -> Iterator[str]:
    """Mark so many equal and so many unequal rivals in every scenario, a line for each plan."""
    for rivals in RIVALS:
        for kind, costs in (("equal", np.zeros(rivals)), ("unequal", UNEQUAL[:rivals])):
            for launches, play in plans:
                field = Field(costs, launches, play)
                found = [
                    field.mark(one, runs, np.random.default_rng([seed, place, rivals, launches]))
                    for place, one in enumerate(SCENARIOS)
                ]
                planned = f"to {launches}" if play is campaign else str(launches)
                yield _line(f"{rivals} {kind} rivals", planned, found)


def _line(name: str, launches: str, found: Sequence[Marked]) -> str:
    together, alone, prices = (
        [float(getattr(one, kind).mean()) for one in found]
        for kind in ("together", "alone", "prices")
    )
    width = float(np.median(np.concatenate([one.width for one in found])))
    settings = sum(len(one.together) for one in found)
    return (
        f"{name:22}{launches:>10}{settings:>10,}{np.mean(together):>10.1%}{min(together):>13.1%}"
        f"{np.mean(alone):>12.1%}{np.mean(prices):>13.1%}{min(prices):>13.1%}{width:>7.2f}"
    )
