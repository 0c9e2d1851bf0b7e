"""What limits the figures of a run: `python -m studies.spread [RUN]` splits their variance.

The log ratio of a strategy to its setting's fastest varies from round to round within a launch, and
from launch to launch beyond what its rounds explain. More rounds help against the first alone.
`--quick` splits a simulated run.
"""

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from studies import noise, parser
from studies.scoreboard import Column, Row, Scoreboard
from timelift.analyse.runs import results
from timelift.analyse.runs.measurement import Run, Samples
from timelift.analyse.stats.aligned_samples import AlignedSamples, aligned_samples
from timelift.analyse.stats.effects import launch_effects, log_seconds
from timelift.analyse.stats.robust_mean import mean_and_variance, trimmed_mean
from timelift.errors import UserError
from timelift.escape import plain
from timelift.journal import find

_RESULTS = Path(__file__).parents[1] / "results"
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
    for board in found:
        first = int(np.argmin(np.nanmean(board.launch_medians(), axis=1)))
        for place, case in enumerate(board.cases):
            if place != first:
                yield from _spread(case.strategy, board.seconds[first], board.seconds[place])


def _spread(strategy: str, first: Samples, other: Samples) -> Iterator[Spread]:
    effects = launch_effects(first, other)
    variance = float(mean_and_variance(effects.effect)[1])
    within = float(np.nanmean(effects.error**2)) if np.isfinite(effects.error).any() else np.nan
    if np.isfinite(variance + within):
        yield Spread(strategy, _round_variance(first, other), within, variance - within)


def _round_variance(first: Samples, other: Samples) -> float:
    ratios = log_seconds(other) - log_seconds(first)
    return float(np.nanmedian(np.abs(ratios - trimmed_mean(ratios)[:, None])) * _MAD) ** 2


def rows(found: Iterable[Spread]) -> list[Row]:
    """Sum up each strategy over its settings, the steadiest first."""
    by_name: dict[str, list[Spread]] = defaultdict(list)
    for one in found:
        by_name[one.strategy].append(one)
    ordered = sorted(by_name.items(), key=lambda item: _median(item[1], "launch"))
    return [
        (
            plain(name, 30),
            len(some),
            *(_sd(_median(some, part)) for part in ("round", "within", "launch")),
        )
        for name, some in ordered
    ]


def _median(some: Sequence[Spread], field: str) -> float:
    return float(np.median([getattr(one, field) for one in some]))


def _sd(variance: float) -> float:
    """Return the sd; what sampling made negative is none."""
    return float(np.sqrt(max(variance, 0.0)))


def main(words: Sequence[str] | None = None) -> int:
    """Print the split of a run; 1 where the user has to do something first."""
    options = parser("spread", __doc__)
    options.add_argument("runs", nargs="*", metavar="RUN", help="default: the newest run")
    asked = options.parse_args(words)
    if asked.quick and not asked.runs:
        return _known(asked.seed)
    try:
        runs = [results.load(path) for path in find(_RESULTS, asked.runs)]
        return BOARD.show(rows(_found(runs)))
    except UserError as error:
        sys.stderr.write(f"studies.spread: {plain(error)}\n")
        return 1


def _known(seed: int) -> int:
    """Split a run whose variances are known; 1 where they are not found."""
    scenario = noise.Scenario("known", launch_sd=LAUNCH_SD, round_sd=ROUND_SD)
    shape = noise.Shape(settings=200, rivals=2)
    random = np.random.default_rng(seed)
    run = noise.run(noise.seconds(scenario, shape, np.log([1.0, 1.5]), random))
    truth = 2**0.5 * ROUND_SD, (2 / shape.rounds) ** 0.5 * ROUND_SD, LAUNCH_SD
    known = [
        replace(column, least=(1 - OFF) * sd, most=(1 + OFF) * sd)
        for column, sd in zip(BOARD.columns[2:], truth, strict=True)
    ]
    return replace(BOARD, columns=[*BOARD.columns[:2], *known]).show(rows(_found([run])))


def _found(runs: Sequence[Run]) -> list[Spread]:
    found = [one for run in runs for one in spreads(aligned_samples(run.measurements))]
    if not found:
        raise UserError("expected rivals in two launches or more, found none; measure more")
    return found


if __name__ == "__main__":
    sys.exit(main())
