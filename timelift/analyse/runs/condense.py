"""A run in few rounds: neighbouring rounds become one, the same ones for all rivals.

Each block of rounds is replaced by its geometric mean, so that the log ratio of two rivals in a
block is the mean of their log ratios in its rounds, and milliseconds-apart stays what it was. A
block straddles no change of the players, unless they change more often than there are blocks:
rivals sit out once they have had their time, and means over different rounds would compare
different moments. A condensed run condenses to itself.
"""

import dataclasses
import itertools
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from timelift.analyse.runs.measurement import LaunchSamples, Run, Samples
from timelift.case import Setting

#: Rounds that are left of a launch.
ROUNDS = 20

#: All rivals' samples of one setting in one launch, (rivals, rounds), NaN where one sat out.
_Played = Samples
_Moment = tuple[Setting, int]


def condense(run: Run, rounds: int = ROUNDS) -> Run:
    edges = {moment: _edges(played, rounds) for moment, played in _moments(run).items()}
    measurements = tuple(
        dataclasses.replace(
            one,
            launches=tuple(
                _condensed(launch, edges[one.case.setting, launch.number])
                for launch in one.launches
            ),
        )
        for one in run.measurements
    )
    return dataclasses.replace(run, measurements=measurements)


def _moments(run: Run) -> Mapping[_Moment, _Played]:
    """Return the samples of all rivals of each setting in each launch."""
    found: dict[_Moment, list[Samples]] = defaultdict(list)
    for one in run.measurements:
        for launch in one.launches:
            found[one.case.setting, launch.number].append(launch.seconds_per_call)
    return {moment: _stacked(rows) for moment, rows in found.items()}


def _stacked(rows: Sequence[Samples]) -> _Played:
    stacked = np.full((len(rows), max(row.size for row in rows)), np.nan)
    for place, row in enumerate(rows):
        stacked[place, : row.size] = row
    return stacked


def _edges(played: _Played, rounds: int) -> list[int]:
    """Return where blocks begin, and the end: segments of the same players, split into blocks."""
    present = np.isfinite(played)
    total = played.shape[1]
    if total <= rounds:
        return list(range(total + 1))
    changes = np.flatnonzero((present[:, 1:] != present[:, :-1]).any(0)) + 1
    if len(changes) >= rounds:
        return [total * place // rounds for place in range(rounds + 1)]
    starts = [0, *changes.tolist(), total]
    sizes = np.diff(starts)
    blocks = _blocks(sizes, sizes * present[:, starts[:-1]].sum(0), rounds)
    return [
        *(
            start + size * place // count
            for start, size, count in zip(starts, sizes.tolist(), blocks, strict=False)
            for place in range(count)
        ),
        total,
    ]


def _blocks(sizes: NDArray[np.int_], samples: NDArray[np.int_], rounds: int) -> list[int]:
    """Return how many blocks a segment has: one, and more where most samples share one."""
    blocks = np.ones(len(sizes), dtype=int)
    while blocks.sum() < rounds:
        crowded = np.where(blocks < sizes, samples / blocks, -math.inf)
        blocks[int(crowded.argmax())] += 1
    return blocks.tolist()


def _condensed(launch: LaunchSamples, edges: Sequence[int]) -> LaunchSamples:
    logs = np.log(launch.seconds_per_call)
    means = [_mean(logs[start:stop]) for start, stop in itertools.pairwise(edges)]
    return dataclasses.replace(launch, seconds_per_call=np.exp(means))


def _mean(values: Samples) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else math.nan
