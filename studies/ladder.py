"""Mark the statistics where the truth is known: `python -m studies.ladder [--quick]`.

The whole ladder, from samples to verdicts, is climbed on simulated noise. The first table is about
pairs of rivals, the second about all rows of a setting beside the shown best at once.
"""

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from studies import noise, parser
from studies.noise import SCENARIOS, Scenario, Shape
from studies.scoreboard import Column, Row, Scoreboard
from timelift.analyse.runs.measurement import Samples
from timelift.analyse.stats import verdicts
from timelift.analyse.stats.effects import Effects, all_pairs
from timelift.analyse.stats.ranking import RankedCase, Ranking, rank
from timelift.analyse.stats.stopping import LOOKS, unsettled
from timelift.analyse.stats.verdicts import Comparison, Verdict

#: What the rivals of a graded setting cost over the best: a little, more, and clearly more.
GRADES = np.log1p([0.0, 0.03, 0.05, 0.2, 1.0])
#: How many rivals stand beside the best, and what unequal ones cost: many near it, some far off.
RIVALS = (2, 5, 8, 12)
UNEQUAL = np.log1p([0.0, 0.01, 0.02, 0.03, 0.05, 0.08, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0])
#: Turns the seconds that all launches would give into those that were played, NaN elsewhere.
Play = Callable[[Samples], Samples]

PAIRS = Scoreboard(
    (
        Column("noise", width=26),
        Column("launches"),
        Column("comparisons", ","),
        Column("coverage", ".1%", least=0.92),
        Column("worst pair", ".1%", least=0.85),
        Column("false alarms", ".1%", most=0.09),
        Column("finds 3 %", ".0%"),
        Column("finds 5 %", ".0%"),
        Column("best kept", ".1%", least=0.95),
    ),
    """
launches      how many were played; with a decimal point, their mean where looks decided
coverage      of the 95 % intervals of all pairs of 5 equal rivals; worst pair: that of the lowest
false alarms  settings of 5 equal rivals with any pair called different; at most 5 % are allowed
finds 3 %     settings in which the rival 3 % (5 %) slower than the best was shown slower
best kept     settings in which the best rival was in the fastest set
Launch modes  are too rare for a few launches to see how rare: their intervals err on the wide side
""",
)
TOGETHER = Scoreboard(
    (
        Column("against the shown best", width=22),
        Column("launches"),
        Column("settings", ","),
        Column("all hold", ".1%", least=0.93),
        Column("worst noise", ".1%", least=0.85),
        Column("one by one", ".1%"),
        Column("prices hold", ".1%", least=0.93),
        Column("worst noise", ".1%", least=0.85),
        Column("width", ".2f", most=2.0),
    ),
    """
all hold      settings in which the interval of every row holds the true ratio to the row shown
              first, over all kinds of noise; of the kind with the lowest share
one by one    the same for the interval that each pair would have by itself
prices hold   settings in which the least and the most of every row hold what it costs over the best
width         of the interval beside that of the pair by itself, the median of all rows
""",
)


def all_launches(times: Samples) -> Samples:
    """Play everything."""
    return times


def campaign(times: Samples) -> Samples:
    """Play launch by launch, looking when it is time and going on where it is worthwhile."""
    played = np.full_like(times, np.nan)
    going = np.ones(times.shape[:2], dtype=bool)
    for number in range(times.shape[2]):
        played[going, number] = times[going, number]
        if number + 1 in LOOKS:
            rivals = noise.measurements(played)
            doubtful = unsettled(rivals)
            going = np.array([one.case in doubtful.get(one.case.setting, ()) for one in rivals])
            going = going.reshape(times.shape[:2])
    return played


#: How the launches are chosen: so many of them, or as the looks decide.
PLANS: tuple[tuple[int, Play], ...] = (
    (3, all_launches),
    (5, all_launches),
    (8, all_launches),
    (LOOKS[-1], campaign),
)


# Pairs -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Marks:
    """How often the ladder was right; shares from 0 to 1.

    `coverage` is that of the 95 % intervals, `worst_coverage` that of the pair of rivals with the
    lowest; `wrong` the share of settings of equal rivals in which any pair was called different.
    Of graded settings: `found_3` and `found_5`, in how many the rivals 3 % and 5 % slower were
    shown slower; `best_kept`, in how many the best was in the fastest set. `launches` is what a
    rival took.
    """

    comparisons: int
    launches: float
    coverage: float
    worst_coverage: float
    wrong: float
    found_3: float
    found_5: float
    best_kept: float


def mark(
    scenario: Scenario, shape: Shape, runs: int, random: Generator, play: Play = all_launches
) -> Marks:
    """Mark `runs` runs of equal rivals and as many of graded ones."""
    covered, wrong, launches, ranked = [], [], [], []
    for _ in range(runs):
        equal = play(noise.seconds(scenario, shape, np.zeros(shape.rivals), random))
        found = compared(equal)
        covered.append(np.vectorize(_covers_zero)(found))
        wrong.append(np.vectorize(_is_difference)(found).any(1))
        graded = play(noise.seconds(scenario, shape, GRADES[: shape.rivals], random))
        launches.append(np.isfinite(graded).any(-1).sum(-1))
        ranked += rank(noise.measurements(graded))
    coverage = np.concatenate(covered)
    return Marks(
        comparisons=coverage.size,
        launches=float(np.mean(launches)),
        coverage=float(coverage.mean()),
        worst_coverage=float(coverage.mean(0).min()),
        wrong=float(np.concatenate(wrong).mean()),
        found_3=_share_beaten(ranked, "rival1"),
        found_5=_share_beaten(ranked, "rival2"),
        best_kept=1 - _share_beaten(ranked, "rival0"),
    )


def compared(times: Samples) -> NDArray[np.object_]:
    """Compare all pairs of (settings, rivals, launches, rounds); return (settings, pairs)."""
    effects = all_pairs(times)
    settings, pairs, launches = effects.effect.shape
    rows = Effects(effects.effect.reshape(-1, launches), effects.error.reshape(-1, launches))
    families = np.repeat(np.arange(settings), pairs).tolist()
    found = np.empty(settings * pairs, dtype=object)
    found[:] = verdicts.compare(rows, families=families)
    return found.reshape(settings, pairs)


def _covers_zero(comparison: Comparison) -> bool:
    return comparison.low <= 0 <= comparison.high


def _is_difference(comparison: Comparison) -> bool:
    return comparison.verdict in (Verdict.FASTER, Verdict.SLOWER)


def _share_beaten(rankings: list[Ranking], strategy: str) -> float:
    """Return the share of settings in which some rival was shown to beat `strategy`."""
    return float(np.mean([strategy not in ranking.fastest_set for ranking in rankings]))


def pair_rows(plans: Sequence[tuple[int, Play]], seed: int, runs: int) -> Iterator[Row]:
    """Mark every kind of noise with each plan."""
    for launches, play in plans:
        for place, scenario in enumerate(SCENARIOS):
            random = np.random.default_rng([seed, launches, place])
            one = mark(scenario, Shape(launches=launches), runs, random, play)
            played = f"{one.launches:.1f}" if play is campaign else str(launches)
            shares = (one.coverage, one.worst_coverage, one.wrong, one.found_3, one.found_5)
            yield scenario.name, played, one.comparisons, *shares, one.best_kept


# Beside the shown best ---------------------------------------------------------------------------


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
        found = [[_held(row, one.rows[0], self.costs) for row in one.rows] for one in ranked]
        together, alone, prices = np.array([np.all(rows, axis=0) for rows in found], float).T
        widths = [_width(row) for one in ranked for row in one.rows[1:]]
        return Marked(together, alone, prices, np.array(widths))


def _width(row: RankedCase) -> float:
    return math.log(row.high / row.low) / 2 / row.known_to


def _held(row: RankedCase, first: RankedCase, costs: Samples) -> tuple[bool, bool, bool]:
    """Return whether a row's interval holds its truth, whether the pair's own does, its price."""
    cost = _cost(row, costs)
    truth = cost - _cost(first, costs)
    alone = row is first or bool(np.abs(np.log(row.ratio) - truth) <= row.known_to)
    price = float(np.exp(cost - costs.min()))
    return row.low <= np.exp(truth) <= row.high, alone, row.price[0] <= price <= row.price[1]


def _cost(row: RankedCase, costs: Samples) -> float:
    return float(costs[int(row.case.strategy.removeprefix("rival"))])


def together_rows(plans: Sequence[tuple[int, Play]], seed: int, runs: int) -> Iterator[Row]:
    """Mark so many equal and so many unequal rivals in every kind of noise, with each plan."""
    for rivals in RIVALS:
        for kind, costs in (("equal", np.zeros(rivals)), ("unequal", UNEQUAL[:rivals])):
            for launches, play in plans:
                field = Field(costs, launches, play)
                found = [
                    field.mark(one, runs, np.random.default_rng([seed, place, rivals, launches]))
                    for place, one in enumerate(SCENARIOS)
                ]
                planned = f"to {launches}" if play is campaign else str(launches)
                yield f"{rivals} {kind} rivals", planned, *_shares(found)


def _shares(found: Sequence[Marked]) -> Row:
    together, alone, prices = (
        [float(getattr(one, kind).mean()) for one in found]
        for kind in ("together", "alone", "prices")
    )
    settings = sum(len(one.together) for one in found)
    means = [float(np.mean(one)) for one in (together, alone, prices)]
    width = float(np.median(np.concatenate([one.width for one in found])))
    return settings, means[0], min(together), means[1], means[2], min(prices), width


def main(words: Sequence[str] | None = None) -> int:
    """Print both tables; 1 where a figure is out of its bounds."""
    options = parser("ladder", __doc__).parse_args(words)
    plans, runs = (PLANS[1:2], 2) if options.quick else (PLANS, 24)
    wrong = PAIRS.show(pair_rows(plans, options.seed, runs))
    sys.stdout.write("\n")
    return wrong | TOGETHER.show(together_rows(plans, options.seed, runs))


if __name__ == "__main__":
    sys.exit(main())
