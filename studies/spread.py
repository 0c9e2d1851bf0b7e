"""What limits the figures of a run: `python -m studies.spread [RUN]` splits their variance.

The log ratio of a strategy to its setting's fastest varies from round to round within a launch, and
from launch to launch beyond what its rounds explain. More rounds help against the first alone.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from timelift.analyse.runs import results
from timelift.analyse.runs.measurement import Samples
from timelift.analyse.stats.board import Board, boards
from timelift.analyse.stats.effects import launch_effects, log_seconds
from timelift.analyse.stats.location import mean_and_variance, trimmed_mean
from timelift.errors import UserError
from timelift.escape import plain

_RESULTS = Path(__file__).parents[2] / "results"
#: Turns a median absolute deviation into the sd of normal noise.
_MAD = 1.4826
HEADER = f"{'strategy':32}{'settings':>10}{'one round':>12}{'its rounds':>13}{'launches':>11}\n"
LEGEND = """
all figures are sd of the log ratio to the setting's fastest, the median over settings
one round   of a single round within a launch
its rounds  of a launch's figure, as far as its own rounds explain it: more rounds help
launches    of a launch's figure beyond that: only more launches help, or fewer threads
"""


@dataclass(frozen=True)
class Spread:
    """Variances of one strategy's log ratio in one setting, of rounds, of their mean, beyond."""

    strategy: str
    round: float
    within: float
    launch: float


def spreads(found: Iterable[Board]) -> Iterator[Spread]:
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


def lines(found: Iterable[Spread]) -> Iterator[str]:
    """Write a line for each strategy, the steadiest first."""
    by_name: dict[str, list[Spread]] = defaultdict(list)
    for one in found:
        by_name[one.strategy].append(one)
    for name, some in sorted(by_name.items(), key=lambda item: _median(item[1], "launch")):
        cells = [f"{_sd(_median(some, field)):.1%}" for field in ("round", "within", "launch")]
        round_sd, within, launch = cells
        yield f"{plain(name, 30):32}{len(some):>10}{round_sd:>12}{within:>13}{launch:>11}\n"


def _median(some: Sequence[Spread], field: str) -> float:
    return float(np.median([getattr(one, field) for one in some]))


def _sd(variance: float) -> float:
    """Give the sd; what sampling made negative is none."""
    return float(np.sqrt(max(variance, 0.0)))


def main(words: Sequence[str] | None = None) -> int:
    """Print the split of a run; 1 where the user has to do something first."""
    parser = argparse.ArgumentParser(prog="python -m studies.spread", description=__doc__)
    parser.add_argument("runs", nargs="*", metavar="RUN", help="default: the newest run")
    try:
        found = _found(parser.parse_args(words).runs)
    except UserError as error:
        sys.stderr.write(f"studies.spread: {plain(error)}\n")
        return 1
    sys.stdout.write("".join([HEADER, *lines(found), LEGEND]))
    return 0


def _found(words: Sequence[str]) -> list[Spread]:
    runs = [results.load(path) for path in results.find(_RESULTS, words)]
    found = [one for run in runs for one in spreads(boards(run.measurements))]
    if not found:
        raise UserError("expected rivals in two launches or more, found none; measure more")
    return found


if __name__ == "__main__":
    sys.exit(main())
