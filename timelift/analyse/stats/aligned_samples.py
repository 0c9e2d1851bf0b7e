"""The samples of one setting's rivals, aligned so that position means the same moment."""

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from timelift.analyse.runs.measurement import (
    Measurement,
    Samples,
    launch_numbers,
    seconds_by_launch,
)
from timelift.analyse.stats.effects import log_seconds
from timelift.analyse.stats.robust_mean import HALF, trimmed_mean
from timelift.case import Case, Setting
from timelift.errors import UserError

#: What a run may compare: pairs of rivals in all, and rounds in all pairs of a setting.
MOST_PAIRS, MOST_ROUNDS = 1_000_000, 50_000_000


@dataclass(frozen=True)
class AlignedSamples:
    """One setting's sorted rivals; `seconds` is (rivals, launches, rounds), NaN if absent.

    `launches` are the numbers of the launches, by position.
    """

    cases: tuple[Case, ...]
    seconds: Samples
    launches: tuple[int, ...]

    @property
    def setting(self) -> Setting:
        return self.cases[0].setting

    @property
    def pairs(self) -> list[tuple[int, int]]:
        return list(itertools.combinations(range(len(self.cases)), 2))

    def launch_medians(self) -> Samples:
        """Return the log of each rival's median seconds per call, as (rivals, launches)."""
        return trimmed_mean(log_seconds(self.seconds), HALF)


def aligned_samples(measurements: Iterable[Measurement]) -> list[AlignedSamples]:
    groups: dict[Setting, list[Measurement]] = defaultdict(list)
    for measurement in measurements:
        if measurement.was_measured:
            groups[measurement.case.setting].append(measurement)
    _refuse_too_many(groups.values())
    return [_aligned(groups[setting]) for setting in sorted(groups)]


def _refuse_too_many(groups: Iterable[Sequence[Measurement]]) -> None:
    """Raise UserError before the arrays of a run would fill the memory of a small machine."""
    sizes = [_size(rivals) for rivals in groups]
    pairs = sum(pairs for pairs, _, _ in sizes)
    launches = max((launches for _, launches, _ in sizes), default=0)
    rounds = max((math.prod(size) for size in sizes), default=0)
    if pairs > MOST_PAIRS or max(pairs * launches, rounds) > MOST_ROUNDS:
        raise UserError(
            f"expected at most {MOST_PAIRS:,} pairs of rivals and {MOST_ROUNDS:,} rounds in all "
            f"pairs of a setting, received {pairs:,} pairs and {max(pairs * launches, rounds):,} "
            "rounds; measure fewer strategies, settings or launches in one run"
        )


def _size(rivals: Sequence[Measurement]) -> tuple[int, int, int]:
    rounds = max(one.seconds_per_call.size for rival in rivals for one in rival.launches)
    return max(1, math.comb(len(rivals), 2)), len(launch_numbers(rivals)), rounds


def _aligned(rivals: Sequence[Measurement]) -> AlignedSamples:
    ordered = sorted(rivals, key=lambda rival: rival.case)
    _refuse_duplicates([rival.case for rival in ordered])
    numbers = launch_numbers(ordered)
    cases = tuple(rival.case for rival in ordered)
    return AlignedSamples(cases, seconds_by_launch(ordered, numbers), numbers)


def _refuse_duplicates(cases: Sequence[Case]) -> None:
    for case, following in itertools.pairwise(cases):
        if case == following:
            raise UserError(
                f"expected each case once, received two measurements of {case.label!r}; "
                "rank one run at a time"
            )
