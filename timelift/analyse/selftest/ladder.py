"""timelift's own rule: the ladder of `timelift.analyse.stats`, as a report applies it.

All pairs of a contest are a family, and variances are moderated over all contests of the run.
"""

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from timelift.analyse.selftest.recording import Recording
from timelift.analyse.selftest.score import Judgement
from timelift.analyse.stats import verdicts
from timelift.analyse.stats.effects import all_pairs, stack
from timelift.analyse.stats.verdicts import Verdict

_SIGN = {Verdict.SLOWER: 1.0, Verdict.FASTER: -1.0}


def ladder(recording: Recording) -> Judgement:
    """Take the verdicts of a ranking on the comparisons whose truth is known.

    Rivals that are slow in some launches only are judged in a second pass: variances are believed
    less where a run has such rivals, and a tenth of all rivals is more than a usual run has.
    """
    unsteady = recording.pairs[np.isnan(recording.truth), 1]
    everyone = np.arange(len(recording.contest))
    steady = _signs(recording, np.setdiff1d(everyone, unsteady))
    signs = _signs(recording, everyone) | steady if unsteady.size else steady
    of_pairs = np.array([signs[i, j] for i, j in recording.pairs.tolist()])
    return Judgement(of_pairs, np.isfinite(recording.sides))


def _signs(recording: Recording, rivals: NDArray[np.int_]) -> dict[tuple[int, int], float]:
    """Judge all pairs of these rivals: 1 where the second was called slower, -1 where faster."""
    contest = recording.contest[rivals]
    groups = [rivals[contest == one] for one in np.unique(contest)]
    effects = stack([all_pairs(recording.seconds_per_call[rows]) for rows in groups])
    family, pairs = _all_pairs_of(groups)
    found = verdicts.compare(effects, families=family)
    signs = [_SIGN.get(comparison.verdict, 0.0) for comparison in found]
    return dict(zip(pairs, signs, strict=True))


def _all_pairs_of(rivals: Sequence[NDArray[np.int_]]) -> tuple[list[int], list[tuple[int, int]]]:
    """Return the family of every pair of rivals and the pair, in the order of `all_pairs`."""
    pairs = [list(itertools.combinations(rows.tolist(), 2)) for rows in rivals]
    family = np.repeat(np.arange(len(pairs)), [len(some) for some in pairs]).tolist()
    return family, list(itertools.chain.from_iterable(pairs))
