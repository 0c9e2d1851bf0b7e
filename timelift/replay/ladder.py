"""timelift's own rule: the ladder of `timelift.stats`, as a report applies it.

All pairs of a contest are a family, and variances are moderated over all contests of the run.
"""

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from timelift.replay.recording import Recording
from timelift.replay.rule import Judgement, Seats
from timelift.stats import verdicts
from timelift.stats.effects import all_pairs, stack
from timelift.stats.verdicts import Verdict

_SAID = {Verdict.SLOWER: 1.0, Verdict.FASTER: -1.0}


def ladder(recording: Recording, seats: Seats) -> Judgement:
    """Take the verdicts of a ranking on the comparisons whose truth is known."""
    rivals = [np.flatnonzero(recording.contest == one) for one in np.unique(recording.contest)]
    effects = stack([all_pairs(recording.seconds_per_call[rows]) for rows in rivals])
    family, pairs = _all_pairs_of(rivals)
    found = verdicts.compare(effects, families=family)
    said = {
        pair: _SAID.get(comparison.verdict, 0.0)
        for pair, comparison in zip(pairs, found, strict=True)
    }
    says = np.array([said[i, j] for i, j in recording.pairs.tolist()])
    return Judgement(says, np.isfinite(seats.look(recording.sides)))


def _all_pairs_of(rivals: Sequence[NDArray[np.int_]]) -> tuple[list[int], list[tuple[int, int]]]:
    """Give the family of every pair of rivals and the pair itself, in the order of `all_pairs`."""
    pairs = [list(itertools.combinations(rows.tolist(), 2)) for rows in rivals]
    family = np.repeat(np.arange(len(pairs)), [len(some) for some in pairs]).tolist()
    return family, list(itertools.chain.from_iterable(pairs))
