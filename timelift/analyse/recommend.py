"""The one rule that recommends, for a setting or for many: page, terminal and `choose` ask it.

A strategy that was measured in more of the settings comes first, then one that no rival was shown
to beat in any, then one whose worst case is the least. Look-alikes and twins are no rows of a
ranking (see `timelift.analyse.lifts`), so they are neither recommended nor a measure of
prices.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from timelift.analyse.ranking import RankedCase, Ranking
from timelift.analyse.verdicts import MIN_LAUNCHES


@dataclass(frozen=True)
class Price:
    """What a strategy costs over the best, at most, in any of its `settings`, as a ratio.

    It is an upper bound over launches where `bound` is true, else what was seen. `typical` is the
    median over the settings of what was seen.
    """

    strategy: str
    ratio: float
    bound: bool
    settings: int
    typical: float


@dataclass(frozen=True)
class Recommendation:
    """The strategy to use in all of these settings.

    `prices` are those of all strategies, the recommended one first, then the cheapest, and
    `never_shown_slower` the strategies that no rival was shown to beat in any setting, in the same
    order. `slower_in` are the settings in which a rival was shown to beat the recommended one.
    `has_verdict` is false where no launches sufficed for a verdict.
    """

    prices: tuple[Price, ...]
    never_shown_slower: tuple[str, ...]
    slower_in: tuple[Ranking, ...]
    settings: int
    has_verdict: bool

    @property
    def strategy(self) -> str:
        return self.price.strategy

    @property
    def price(self) -> Price:
        return self.prices[0]

    @property
    def is_never_shown_slower(self) -> bool:
        return self.strategy in self.never_shown_slower

    @property
    def is_answer(self) -> bool:
        """True if launches bound its price; else it is only the closest that was seen."""
        return self.price.bound


def recommend(rankings: Iterable[Ranking]) -> Recommendation | None:
    """Recommend one strategy for all settings; None where no two were measured in any."""
    contests = [one for one in rankings if one.is_contest]
    if not contests:
        return None
    never_slower = set(_never_shown_slower(contests))
    first, *others = sorted(
        _prices(contests),
        key=lambda one: (-one.settings, one.strategy not in never_slower, one.ratio, one.strategy),
    )
    others.sort(key=lambda one: (one.settings < len(contests), one.ratio, one.strategy))
    prices = (first, *others)
    safe = tuple(one.strategy for one in prices if one.strategy in never_slower)
    has_verdict = any(row.launches >= MIN_LAUNCHES for one in contests for row in one.rows[1:])
    return Recommendation(
        prices=prices,
        never_shown_slower=safe,
        slower_in=tuple(
            one
            for one in contests
            for row in one.rows
            if row.case.strategy == first.strategy and row.rank_low > 1
        ),
        settings=len(contests),
        has_verdict=has_verdict,
    )


def _never_shown_slower(contests: Sequence[Ranking]) -> list[str]:
    """Return the strategies that no rival was shown to beat in any setting, by name.

    A strategy that was missing somewhere, or had too few launches to be found slower, is not named.
    """
    safe = [
        row.case.strategy
        for one in contests
        for row in one.rows
        if was_tested(row, one) and row.rank_low == 1
    ]
    return sorted(name for name in set(safe) if safe.count(name) == len(contests))


def was_tested(row: RankedCase, ranking: Ranking) -> bool:
    """True if the row could have been found slower than the first, which is tested itself."""
    is_first = row is ranking.rows[0]
    return row.launches >= MIN_LAUNCHES and (is_first or not math.isnan(row.p))


def _prices(contests: Sequence[Ranking]) -> Iterator[Price]:
    rows: dict[str, list[RankedCase]] = defaultdict(list)
    for ranking in contests:
        for row in ranking.rows:
            rows[row.case.strategy].append(row)
    for name, mine in rows.items():
        ratio = max(cost_over_best(row)[1] for row in mine)
        typical = float(np.median([row.ratio.value for row in mine]))
        yield Price(name, ratio, all(row.cost_is_known for row in mine), len(mine), typical)


def cost_over_best(row: RankedCase) -> tuple[float, float]:
    """Return the least and the most that a row costs over the best; unbounded, what was seen."""
    return row.cost_over_best if row.cost_is_known else (row.ratio.value, row.ratio.value)
