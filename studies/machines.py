"""Mark intervals where machines differ: `python -m studies.machines [--quick]`.

Of equal rivals every machine makes some faster and some slower, by other amounts in each setting or
by the same in all. The mean over all machines that there might be is zero.
"""

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.random import Generator

from studies import noise, parser, program
from studies.noise import Scenario, Shape
from studies.scoreboard import Column, Row, Scoreboard
from timelift.analyse.effects import AlignedSamples
from timelift.analyse.results import LEAST_MACHINES, Samples
from timelift.analyse.verdicts import Verdict, compare_pairs

SETTINGS = 12
#: What machines, and what launches, do to the ratio of two rivals: sd of log ratios.
MACHINE_SDS, LAUNCH_SDS = (0.0, 0.01, 0.03), (0.01, 0.03)
#: Rivals, machines and launches.
PLANS = [*((5, machines, launches) for machines in (2, 3, 5, 10) for launches in (3, 5)), (2, 3, 5)]
BOARD = Scoreboard(
    (
        *(Column(title, width=8) for title in ("rivals", "machines", "launches")),
        *(Column(title, ".0%") for title in ("differ", "vary")),
        Column("covers", ".1%", least=0.93, most=0.97),
        *(Column("alike", ".1%", least=0.9), Column("false", ".2%", most=0.01)),
        *(Column("these", ".1%"), Column("by launch", ".1%"), Column("false", ".2%")),
    ),
    """
differ, vary  sd of what machines and launches do to the ratio of two rivals
covers        intervals that hold the truth of all machines; false: equal rivals told apart
alike         intervals that do where a machine does the same in all settings
these         intervals that hold the mean of the machines that played
by launch     as `covers`, and false verdicts, if launches were the evidence

""",
    words=3,
    is_bound=lambda row: int(str(row[1])) >= LEAST_MACHINES,
)


def simulate(
    plan: Sequence[int], sds: tuple[float, float], random: Generator, *, alike: bool = False
) -> tuple[list[AlignedSamples], Samples]:
    """Return the samples of a run, and its machines' mean effects on rivals, (settings, rivals)."""
    rivals, machines, launches = plan
    scenario = Scenario("", sds[1], round_sd=0.01, launch_df=math.inf)
    shape = Shape(SETTINGS, rivals, launches, rounds=8)
    times = noise.seconds(scenario, shape, np.zeros(rivals), random)
    effects = random.normal(0, sds[0] / 2**0.5, (1 if alike else SETTINGS, rivals, machines))
    settings, played = [], []
    for place, own in enumerate(np.broadcast_to(effects, (SETTINGS, rivals, machines))):
        players = random.permutation(machines)[np.arange(launches) % machines]
        cases = tuple(noise.case(place, rival) for rival in range(rivals))
        seconds = times[place] * np.exp(own[:, players])[..., None]
        settings.append(AlignedSamples(cases, seconds, [str(player) for player in players]))
        played.append(own[:, np.unique(players)].mean(-1))
    return settings, np.array(played)


def mark(settings: Sequence[AlignedSamples], played: Samples) -> Samples:
    """Return whether pairs' intervals hold 0, and what `played`, and false verdicts, (3, pairs)."""
    marks = [
        (pair.low <= 0 <= pair.high, pair.low <= means[j] - means[i] <= pair.high, pair.verdict)
        for pairs, means in zip(compare_pairs(settings), played, strict=True)
        for (i, j), pair in pairs.items()
    ]
    held, of_played, verdicts = zip(*marks, strict=True)
    return np.array([held, of_played, np.isin(verdicts, [Verdict.FASTER, Verdict.SLOWER])], float)


def rows(plans: Sequence[Sequence[int]], runs: int, seed: int) -> Iterator[Row]:
    for plan in plans:
        for sds in ((machines, launches) for machines in MACHINE_SDS for launches in LAUNCH_SDS):
            random = np.random.default_rng([seed, *plan, *(round(100 * sd) for sd in sds)])
            run = [simulate(plan, sds, random) for _ in range(runs)]
            alike = [mark(*simulate(plan, sds, random, alike=True)) for _ in range(runs)]
            naive = [mark([replace(one, marks=()) for one in own], means) for own, means in run]
            marks = [mark(*own) for own in run], alike, naive
            (held, these, false), (same, *_), (of_all, _, wrong) = np.mean(marks, axis=(1, 3))
            yield *map(str, plan), *sds, held, same, false, these, of_all, wrong


@program(parser("machines", __doc__))
def main(asked: argparse.Namespace) -> int:
    plans, runs = ([(5, 3, 5)], 40) if asked.quick else (PLANS, 200)
    return BOARD.show(rows(plans, runs, asked.seed))


if __name__ == "__main__":
    sys.exit(main())
