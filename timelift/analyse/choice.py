"""The strategy to recommend for several settings at once, and what every other one costs there."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from timelift.analyse.stats.ranking import Ranking, Rival, never_worse
from timelift.analyse.stats.rival import price_in_words
from timelift.present.units import three_figures

#: From this ratio on a price is written as times the best.
_TIMES = 1.5


@dataclass(frozen=True)
class Worst:
    """What choosing a strategy costs over the best, at most, in any of its settings.

    `ratio` is an upper bound over launches where `bound` is true, else what was seen.
    """

    strategy: str
    ratio: float
    bound: bool
    settings: int

    @property
    def words(self) -> str:
        """The price in words."""
        if self.ratio < _TIMES:
            price = f"at most {100 * (self.ratio - 1):.1f} % over the best"
        else:
            price = f"up to {three_figures(self.ratio)} times the best"
        return price if self.bound else f"{price} (seen, no interval)"

    @property
    def short(self) -> str:
        """The price in a table whose caption says over what."""
        if self.ratio < _TIMES:
            return f"{100 * (self.ratio - 1):.1f} % more"
        return f"{three_figures(self.ratio)} times"


@dataclass(frozen=True)
class Choice:
    """The strategy with the least worst case; `safe` are those never shown slower than the best."""

    strategy: str
    worst: tuple[Worst, ...]
    safe: tuple[str, ...]
    settings: int

    @property
    def is_safe(self) -> bool:
        """Whether the chosen one was nowhere shown slower."""
        return self.strategy in self.safe


def choose(contests: Sequence[Ranking]) -> Choice:
    """Choose for these settings: never shown slower first, then the least worst case."""
    safe = tuple(never_worse(contests))
    most = len(contests)
    worst = sorted(
        prices(contests),
        key=lambda one: (-one.settings, one.strategy not in safe, one.ratio, one.strategy),
    )
    first = worst[0].strategy
    rest = sorted(worst[1:], key=lambda one: (one.settings < most, one.ratio, one.strategy))
    return Choice(first, (worst[0], *rest), safe, most)


def prices(contests: Iterable[Ranking]) -> list[Worst]:
    """Give the worst case of every strategy, by name."""
    rows: dict[str, list[Rival]] = {}
    for ranking in contests:
        for row in ranking.rows:
            rows.setdefault(row.case.strategy, []).append(row)
    return [_worst(name, rows[name]) for name in sorted(rows)]


def _worst(name: str, rows: Sequence[Rival]) -> Worst:
    bound = all(math.isfinite(row.price[1]) for row in rows)
    ratio = max(row.price[1] if math.isfinite(row.price[1]) else row.ratio for row in rows)
    return Worst(name, ratio, bound, len(rows))


def beaten(contests: Iterable[Ranking], strategy: str) -> list[Ranking]:
    """Give the settings in which a strategy was shown slower than another, the dearest first."""
    lost = [
        ranking
        for ranking in contests
        for row in ranking.rows
        if row.case.strategy == strategy and row.rank_low > 1 and row.price[0] > 1
    ]
    return sorted(lost, key=lambda one: -one.price(strategy)[0])


def costs(ranking: Ranking, strategy: str) -> str:
    """Say what a beaten strategy costs in a setting, and beside whom."""
    best = ranking.rows[0].case.strategy
    return f"{price_in_words(*ranking.price(strategy))}, which is {best}"
