"""Mark a run tomorrow: `python -m studies.tomorrow [--quick]`, of real runs `… RUN RUN RUN RUN…`.

By simulation, each session makes some of equal rivals faster and some slower for as long as it
lasts, so the mean over all sessions that there might be is zero. Of four real runs or more each is
left out once, and predicted by the others put together.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from msgspec import structs
from numpy.random import Generator

from studies import noise, parser, program
from studies.noise import Scenario, Shape
from studies.scoreboard import OF, Column, Row, Scoreboard
from timelift.analyse.effects import aligned_samples
from timelift.analyse.merging import merge_runs
from timelift.analyse.ranking import BASELINES, SpeedUp, rank_run
from timelift.analyse.results import LEAST_MACHINES, Run, Samples, load_usual
from timelift.analyse.verdicts import compare_pairs
from timelift.case import Case, Setting
from timelift.errors import UserError
from timelift.journal.lines import Header
from timelift.selftest.trust import Proportion

SETTINGS, RIVALS = 12, 5
#: What sessions do to a case, and what launches do to a ratio: sd of log seconds.
SESSION_SDS, LAUNCH_SDS = (0.003, 0.01, 0.03), (0.01, 0.03)
#: Runs that are put together, and launches of each.
PLANS = ((1, 3), (1, 12), (3, 3), (5, 3))
BOARD = Scoreboard(
    (
        *(Column(title, width=8) for title in ("runs", "launches")),
        *(Column(title, ".1%") for title in ("add", "vary")),
        Column("holds", ".1%", least=0.93),
        Column("false", ".2%", most=0.01),
        *(Column(title, ".1%", least=0.93) for title in ("tomorrow", "at least", "alike")),
        *(Column(title, ".1%") for title in ("by launch", "false", "mean's")),
    ),
    """
add, vary     what a session adds to a case, and a launch to a ratio (sd)
holds         intervals of pairs that hold the mean over sessions, of one or two runs that of these;
              false: equal rivals told apart, of one or two runs in spite of their sessions
tomorrow      ranges that hold a further run; at least: runs in which no setting is below the least
alike         ranges that do where a session does the same in all settings
by launch     as `holds` of all sessions, and false, if launches were the evidence
mean's        intervals of the mean that hold a further run
""",
    words=2,
)
REAL = Scoreboard(
    (
        Column("left out", width=24),
        Column("tomorrow", ".1%"),
        Column("rows", OF),
        Column("settings", OF),
        Column("mean's", ".1%"),
    ),
    """
tomorrow  rows, a rival beside the baseline of its setting, of which the range holds the run that
          was left out; settings: those of whose fastest it does; mean's: by the usual intervals
""",
)


def simulate(
    plan: Sequence[int], sds: tuple[float, float], random: Generator, *, alike: bool = False
) -> tuple[list[Run], Samples]:
    """Return runs of equal rivals, and what their sessions did: (runs, settings, rivals)."""
    launches, (sessions, launch_sd) = plan[1], sds
    shape = Shape(SETTINGS, RIVALS, launches, rounds=8)
    size = (plan[0] + 1, 1 if alike else SETTINGS, RIVALS)
    did = random.normal(0.0, sessions, size) + np.zeros((SETTINGS, 1))
    runs = []
    for place, effects in enumerate(did):
        scenario = Scenario("", launch_sd, round_sd=0.01)
        run = noise.run(noise.seconds(scenario, shape, effects, random))
        runs.append(replace(run, header=structs.replace(Header(), id=str(place))))
    return runs, did


def together(runs: Sequence[Run], words: Sequence[str] = ()) -> Run:
    return merge_runs(words or [*map(str, range(len(runs)))], runs) if runs[1:] else runs[0]


def speed_ups(run: Run, baselines: Sequence[str] = BASELINES) -> dict[Case, SpeedUp]:
    """Return the speed-up of every ranked rival but the baselines."""
    rows = ((row, ranking) for ranking in rank_run(run, baselines) for row in ranking.rows)
    return {
        row.case: row.speed_up
        for row, ranking in rows
        if row.speed_up and row.case.strategy != ranking.baseline
    }


def held(runs: Sequence[Run], further: Run, **options: Sequence[str]) -> dict[Case, Samples]:
    """Return of each case whether a further run is in its range, its interval, above its low."""
    predicted, seen = (speed_ups(one, **options) for one in (together(runs), further))
    return {
        case: np.array(
            [
                own.further.low <= seen[case].value <= own.further.high,
                own.low <= seen[case].value <= own.high,
                seen[case].value / min(each.further.low for each in predicted.values()),
            ]
        )
        for case, own in predicted.items()
        if case in seen
    }


def mark_pairs(run: Run, truth: Samples) -> tuple[float, float]:
    """Return how many pairs' intervals hold what is true, and how many pairs are told apart."""
    marks = [
        (pair.low <= own[j] - own[i] <= pair.high, pair.verdict.is_shown)
        for pairs, own in zip(compare_pairs(aligned_samples(run.measurements)), truth, strict=True)
        for (i, j), pair in pairs.items()
    ]
    holds, told = np.mean(marks, axis=0).tolist()
    return holds, told


def by_launch(run: Run) -> Run:
    """Return the run as if all its launches were of one."""
    measurements = [
        replace(one, launches=tuple(replace(own, run="") for own in one.launches))
        for one in run.measurements
    ]
    return replace(run, measurements=tuple(measurements))


def mark(plan: Sequence[int], sds: tuple[float, float], random: Generator) -> Sequence[float]:
    """Return what a row of the board has behind its plan, of one campaign of runs."""
    (*runs, further), did = simulate(plan, sds, random)
    several, nothing = len(runs) >= LEAST_MACHINES, np.zeros_like(did[0])
    run, truth = together(runs), nothing if several else did[:-1].mean(0)
    pairs, naive = mark_pairs(run, truth), mark_pairs(by_launch(run), nothing)
    if not several:
        return *pairs, *[np.nan] * 3, *naive, np.nan
    baseline = (noise.case(0, 0).strategy,)
    ranges = np.array([*held(runs, further, baselines=baseline).values()])
    (*others, last), _ = simulate(plan, sds, random, alike=True)
    alike = np.array([*held(others, last, baselines=baseline).values()])[:, 0]
    tomorrow, of_mean, _ = ranges.mean(0).tolist()
    at_least = float((ranges[:, 2] >= 1).all())
    return *pairs, tomorrow, at_least, float(alike.mean()), *naive, of_mean


def rows(plans: Sequence[Sequence[int]], campaigns: int, seed: int) -> Iterator[Row]:
    for plan in plans:
        for sds in ((sessions, own) for sessions in SESSION_SDS for own in LAUNCH_SDS):
            random = np.random.default_rng([seed, *plan, *(round(1000 * sd) for sd in sds)])
            marks = np.mean([mark(plan, sds, random) for _ in range(campaigns)], axis=0)
            if plan[0] < LEAST_MACHINES:  # told apart by what their own sessions do
                marks[1] = np.nan
            cells, tries = marks.tolist(), campaigns * (RIVALS - 1)
            if plan[0] >= LEAST_MACHINES:  # all settings of a rival are one try
                cells[4] = Proportion(round(cells[4] * tries), tries)
            yield *map(str, plan), *sds, *cells


def real_rows(words: Sequence[str]) -> Iterator[Row]:
    """Predict each of the runs, the last one first, by all others."""
    runs = [load_usual(Path(word)) for word in words]
    for place in reversed(range(len(runs))):
        marks = held([*runs[:place], *runs[place + 1 :]], runs[place])
        fastest: dict[Setting, bool] = {}  # of each setting: rows are sorted by time
        for case, (is_held, *_) in marks.items():
            fastest.setdefault(case.setting, bool(is_held))
        inside, of_mean, _ = np.array([*marks.values()]).T
        answers = Proportion(sum(fastest.values()), len(fastest))
        in_rows = Proportion(int(inside.sum()), len(inside))
        yield Path(words[place]).stem, float(inside.mean()), in_rows, answers, float(of_mean.mean())


OPTIONS = parser("tomorrow", __doc__)
OPTIONS.add_argument("runs", nargs="*", metavar="RUN", help="journals: four or more, in order")


@program(OPTIONS)
def main(asked: argparse.Namespace) -> int:
    if not asked.runs:
        plans, campaigns = ([(1, 5), (3, 5)], 8) if asked.quick else (PLANS, 60)
        return BOARD.show(rows(plans, campaigns, asked.seed))
    if len(asked.runs) <= LEAST_MACHINES:
        raise UserError(f"expected four runs or more, received {len(asked.runs)}")
    return REAL.show(real_rows(asked.runs))


if __name__ == "__main__":
    sys.exit(main())
