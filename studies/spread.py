"""What limits the figures of a run: `python -m studies.spread [RUN]` splits their variance.

The log ratio of a strategy to its setting's fastest varies from round to round within a launch, and
from launch to launch beyond what its rounds explain. More rounds help against the first alone.
`--quick` splits a simulated run.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from studies import add_runs, answer, noise, parser, stored
from studies.scoreboard import Column, Row, Scoreboard
from timelift.analyse.runs import results
from timelift.analyse.runs.measurement import Run, Samples
from timelift.analyse.stats.aligned_samples import AlignedSamples, aligned_samples
from timelift.analyse.stats.effects import launch_effects, log_seconds
from timelift.analyse.stats.robust_mean import mean_and_variance, trimmed_mean
from timelift.errors import UserError
from timelift.escape import plain

#: Turns a median absolute deviation into the sd of normal noise.
_MAD = 1.4826
BOARD = Scoreboard(
    (
        Column("strategy", width=30),
        Column("settings"),
        Column("one round", ".1%"),
        Column("its rounds", ".1%"),
        Column("launches", ".1%"),
    ),
    """
all figures are sd of the log ratio to the setting's fastest, the median over settings
one round   of a single round within a launch
its rounds  of a launch's figure, as far as its own rounds explain it: more rounds help
launches    of a launch's figure beyond that: only more launches help, or fewer threads
""",
)
#: The sd of launches and of rounds in a simulated run, and how far off the split may be, as shares.
LAUNCH_SD, ROUND_SD, OFF = 0.03, 0.06, 0.35


@dataclass(frozen=True)
class Spread:
    """Variances of one strategy's log ratio in one setting, of rounds, of their mean, beyond."""

    strategy: str
    round: float
    within: float
    launch: float


def spreads(found: Iterable[AlignedSamples]) -> Iterator[Spread]:
    """Split the variance of every rival beside the fastest; at least two launches are needed."""
    for samples in found:
        first = int(np.argmin(np.nanmean(samples.launch_medians(), axis=1)))
        for place, case in enumerate(samples.cases):
            if place != first:
                yield from _spread(case.strategy, samples.seconds[first], samples.seconds[place])


def _spread(strategy: str, first: Samples, other: Samples) -> Iterator[Spread]:
    effects = launch_effects(first, other)
    variance = float(mean_and_variance(effects.effect)[1])
    within = (
        float(np.nanmean(effects.standard_error**2))
        if np.isfinite(effects.standard_error).any()
        else np.nan
    )
    ratios = log_seconds(other) - log_seconds(first)
    round_sd = _MAD * float(np.nanmedian(np.abs(ratios - trimmed_mean(ratios)[:, None])))
    if np.isfinite(variance + within):
        yield Spread(strategy, round_sd**2, within, variance - within)


def rows(found: Iterable[Spread]) -> list[Row]:
    """Sum up each strategy over its settings, the steadiest first."""
    by_name: dict[str, list[Spread]] = defaultdict(list)
    for one in found:
        by_name[one.strategy].append(one)
    if not by_name:
        raise UserError("expected rivals in two launches or more, found none; measure more")
    medians = {
        name: np.median([(one.round, one.within, one.launch) for one in some], axis=0)
        for name, some in by_name.items()
    }
    ordered = sorted(medians, key=lambda name: float(medians[name][-1]))
    # what sampling made negative is no variance
    sds = {name: np.sqrt(np.maximum(medians[name], 0.0)).tolist() for name in ordered}
    return [(plain(name, 30), len(by_name[name]), *sds[name]) for name in ordered]


def _split(runs: Iterable[Run]) -> list[Row]:
    return rows(one for run in runs for one in spreads(aligned_samples(run.measurements)))


def main(words: Sequence[str] | None = None) -> int:
    options = parser("spread", __doc__)
    add_runs(options)
    return answer(options, words, _show)


def _show(asked: argparse.Namespace) -> int:
    if asked.quick and not asked.runs:
        return _known(asked.seed)
    return BOARD.show(_split(results.load(path) for path in stored(asked.runs)))


def _known(seed: int) -> int:
    scenario = noise.Scenario("known", launch_sd=LAUNCH_SD, round_sd=ROUND_SD)
    shape = noise.Shape(settings=200, rivals=2)
    random = np.random.default_rng(seed)
    run = noise.run(noise.seconds(scenario, shape, np.log([1.0, 1.5]), random))
    truth = 2**0.5 * ROUND_SD, (2 / shape.rounds) ** 0.5 * ROUND_SD, LAUNCH_SD
    known = [
        replace(column, least=(1 - OFF) * sd, most=(1 + OFF) * sd)
        for column, sd in zip(BOARD.columns[2:], truth, strict=True)
    ]
    return replace(BOARD, columns=[*BOARD.columns[:2], *known]).show(_split([run]))


if __name__ == "__main__":
    sys.exit(main())
