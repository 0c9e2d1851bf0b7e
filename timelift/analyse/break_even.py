"""After how many calls a strategy pays: a dear first call against a short time per call."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from timelift.analyse.stats.ranking import RankedCase, Ranking
from timelift.case import Case

FirstCalls = Mapping[Case, float]


@dataclass(frozen=True)
class Stage:
    """From `calls` calls on, `strategy` has cost the least, the first call included."""

    strategy: str
    calls: int


def stages(ranking: Ranking, first: FirstCalls) -> tuple[Stage, ...]:
    """Give who has cost the least in total, from one call to any number of them.

    A strategy takes over only from one that it was shown to be faster than.
    """
    known = [row for row in ranking.rows if row.case in first]
    if not known:
        return ()
    now = min(known, key=lambda row: (first[row.case], row.seconds_per_call))
    found = [Stage(now.case.strategy, 1)]
    while nexts := [(_calls(now, row, first), row) for row in known if _faster(row, now)]:
        calls, now = min(nexts, key=lambda item: (item[0], item[1].seconds_per_call))
        found.append(Stage(now.case.strategy, max(calls, found[-1].calls)))
    return tuple(found)


def _faster(row: RankedCase, other: RankedCase) -> bool:
    shared = set(row.letters) & set(other.letters)
    return not shared and row.seconds_per_call < other.seconds_per_call


def _calls(now: RankedCase, later: RankedCase, first: FirstCalls) -> int:
    """Give the calls after which `later` has cost less, each one's first call being one of them."""
    dearer = first[later.case] - first[now.case]
    saved = now.seconds_per_call - later.seconds_per_call
    return max(1, math.floor(1 + dearer / saved) + 1)
