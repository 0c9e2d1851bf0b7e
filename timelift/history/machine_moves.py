"""Where the machine moved and not the code: half of all cases or more went the same way at once."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from timelift.history.levels import Levels, shared
from timelift.history.segments import LEAST_RUNS, fit
from timelift.read.measurement import Samples
from timelift.stats.location import HALF, trimmed_mean

#: Of fewer cases half is one or two, and that may well be the code.
LEAST_CASES = 4


@dataclass(frozen=True)
class Move:
    """Between two runs, by position, `share` of the cases moved by `shift` (a log ratio) at once.

    `apart` says that they moved against each other, so that no common shift tells of it.
    """

    before: int
    after: int
    shift: float
    share: float
    cases: int
    apart: bool = False


def moves(levels: Levels, gate: float) -> list[Move]:
    """Give the moves of a machine whose size is at least `gate`, a share, in order."""
    if len(levels.cases) < LEAST_CASES:
        return []
    beside = levels.against_canary
    present = np.isfinite(beside).sum(0) >= LEAST_CASES
    places = np.flatnonzero(present)
    if len(places) < 2 * LEAST_RUNS:
        return []
    (fitted,) = fit([shared(beside)[places]])
    bounds = [0, *(one.end for one in fitted.segments)]
    found = []
    for (first, middle), (_, end) in pairwise(pairwise(bounds)):
        parts = beside[:, places[first:middle]], beside[:, places[middle:end]]
        move = _move(*parts, int(places[middle - 1]), int(places[middle]), gate)
        found += [move] if move else []
    return found


def _move(earlier: Samples, later: Samples, before: int, after: int, gate: float) -> Move | None:
    """Judge a shift of what the median case does: did half of them go that way and that far."""
    shifts = trimmed_mean(later, HALF) - trimmed_mean(earlier, HALF)
    shifts = shifts[np.isfinite(shifts)]
    if len(shifts) < LEAST_CASES:
        return None
    shift = float(np.median(shifts))
    share = float((shifts * np.sign(shift) >= math.log1p(gate)).mean())
    return Move(before, after, shift, share, len(shifts)) if share >= HALF else None


def apart(changes: Sequence[Iterable[tuple[int, int]]], runs: int) -> list[Move]:
    """Give the places where at least half of all cases changed beside each other, too.

    `changes` holds, for each case, its changes as (run before, run after).
    """
    if len(changes) < LEAST_CASES:
        return []
    counts = np.zeros(runs, int)
    for one in changes:
        near = {place for _, after in one for place in (after - 1, after, after + 1)}
        counts[[place for place in near if 0 < place < runs]] += 1
    found: list[Move] = []
    while counts.size and counts.max() >= HALF * len(changes):
        after = int(counts.argmax())
        share = counts[after] / len(changes)
        found.append(Move(after - 1, after, 0.0, float(share), len(changes), apart=True))
        counts[max(after - LEAST_RUNS, 0) : after + LEAST_RUNS] = 0
    return found
