"""What was recorded of a self-test's rivals, as arrays that every rule can be tried on.

Axes: rivals, comparisons; `side` 0 is the first rival of a comparison and 1 the second; launches in
the order of their numbers; rounds. NaN is a round that a rival sat out or a launch that it missed.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timelift.analyse.runs.measurement import LaunchSamples, Samples
from timelift.analyse.selftest.planted import TwinGroup
from timelift.errors import UserError

#: Samples in all pairs of all contests; beyond that the arrays fill a small machine's memory.
MOST_SAMPLES = 50_000_000
#: What a rival costs in a launch before its first sample; the first call includes the tracing.
_SETUP = ("build_seconds", "first_call_seconds")
_LONGEST = 1e6


@dataclass(frozen=True)
class Recording:
    """One run's rivals, contest after contest, and the comparisons whose truth is known.

    `seconds_per_call` is (rivals, launches, rounds), `calls_per_sample` and `setup_seconds` are
    (rivals, launches), `contest` numbers each rival's. `pairs` is (comparisons, 2), rows of rivals;
    `truth` (comparisons,) the log ratio second over first, NaN where it differs between launches.
    """

    seconds_per_call: Samples
    calls_per_sample: Samples
    setup_seconds: Samples
    contest: NDArray[np.int_]
    pairs: NDArray[np.int_]
    truth: Samples

    @property
    def sides(self) -> Samples:
        """Seconds per call as (comparisons, side, launches, rounds)."""
        return np.asarray(self.seconds_per_call[self.pairs])

    def price(self, used: NDArray[np.bool_]) -> Samples:
        """Return the seconds that the used rounds took, as (comparisons,), both rivals together.

        `used` is (comparisons, side, launches, rounds). A launch is paid for as a whole: building
        and the first call, where the run knows them, belong to whoever uses a round of it.
        """
        samples = (self.seconds_per_call * self.calls_per_sample[..., None])[self.pairs]
        setup = np.where(used.any(-1), self.setup_seconds[self.pairs], 0.0)
        return np.asarray(np.where(used, samples, 0.0).sum((1, 2, 3)) + setup.sum((1, 2)))


def record(contests: Sequence[TwinGroup]) -> Recording:
    """Line up the samples of a run; raises UserError where they would not fit into memory."""
    launches = [[rival.launches for rival in contest.rivals] for contest in contests]
    rows = list(itertools.chain.from_iterable(launches))
    numbers = sorted({launch.number for row in rows for launch in row})
    rounds = max(len(launch.seconds_per_call) for row in rows for launch in row)
    _refuse_too_many(sum(math.comb(len(one), 2) for one in launches) * len(numbers) * rounds)
    seconds = np.full((len(rows), len(numbers), rounds), np.nan)
    calls, setup = np.ones(seconds.shape[:2]), np.zeros(seconds.shape[:2])
    place = {number: i for i, number in enumerate(numbers)}
    for i, launch in ((i, launch) for i, row in enumerate(rows) for launch in row):
        at = i, place[launch.number]
        seconds[at][: len(launch.seconds_per_call)] = launch.seconds_per_call
        calls[at], setup[at] = launch.calls_per_sample, _setup_seconds(launch)
    pairs, truth = zip(*_comparisons(contests), strict=True)
    contest = np.repeat(np.arange(len(contests)), [len(one) for one in launches])
    return Recording(seconds, calls, setup, contest, np.array(pairs), np.array(truth))


def _refuse_too_many(samples: int) -> None:
    if samples > MOST_SAMPLES:
        raise UserError(
            f"expected a self-test of at most {MOST_SAMPLES:,} samples in all pairs of rivals, "
            f"received {samples:,}; plant fewer rivals or play fewer launches"
        )


def _setup_seconds(launch: LaunchSamples) -> float:
    """Add up what is known of the price of a launch before its first sample."""
    known = [one for name in _SETUP if (one := launch.facts.number(name)) is not None]
    return float(sum(one for one in known if 0 <= one <= _LONGEST))


def _comparisons(contests: Sequence[TwinGroup]) -> Iterator[tuple[tuple[int, int], float]]:
    """Return the rows and the truth: each base beside its twins, and identical twins by two."""
    start = 0
    for contest in contests:
        truths = contest.truths
        for i, j in itertools.combinations(range(len(truths)), 2):
            if i == 0 or truths[i] == truths[j] == 0:
                truth = truths[j]
                yield (start + i, start + j), math.nan if truth is None else truth
        start += len(truths)
