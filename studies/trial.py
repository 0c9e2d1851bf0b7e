"""Trials: the whole ladder on simulated noise, where every answer can be marked."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from studies import noise
from studies.noise import Scenario, Shape
from timelift.analyse.runs.measurement import Samples
from timelift.analyse.stats import verdicts
from timelift.analyse.stats.effects import Effects, all_pairs
from timelift.analyse.stats.ranking import Ranking, rank
from timelift.analyse.stats.stopping import LOOKS, unsettled
from timelift.analyse.stats.verdicts import Comparison, Verdict

#: What the rivals of a graded setting cost over the best: a little, more, and clearly more.
GRADES = np.log1p([0.0, 0.03, 0.05, 0.2, 1.0])
#: Turns the seconds that all launches would give into those that were played, NaN elsewhere.
Play = Callable[[Samples], Samples]


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
    """Compare all pairs of (settings, rivals, launches, rounds); give (settings, pairs)."""
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
    """Give the share of settings in which some rival was shown to beat `strategy`."""
    return float(np.mean([strategy not in ranking.fastest_set for ranking in rankings]))
