"""The strategy to recommend for several settings at once, and what every other one costs there."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from timelift.analyse.stats.ranking import Ranking, Rival, never_worse
from timelift.analyse.stats.verdicts import MIN_LAUNCHES


@dataclass(frozen=True)
class Worst:
    """What choosing a strategy costs over the best, at most, in any of its settings.

    `ratio` is an upper bound over launches where `bound` is true, else what was seen.
    """

    strategy: str
    ratio: float
    bound: bool
    settings: int


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
    bound = all(row.price_is_known for row in rows)
    ratio = max(row.price[1] if row.price_is_known else row.ratio for row in rows)
    return Worst(name, ratio, bound, len(rows))


def beaten(contests: Iterable[Ranking], strategy: str) -> list[Ranking]:
    """Give the settings in which a strategy was shown slower than another, the dearest first."""
    lost = [
        ranking
        for ranking in contests
        for row in ranking.rows
        if row.case.strategy == strategy and row.rank_low > 1 and row.surely_costs
    ]
    return sorted(lost, key=lambda one: -one.price(strategy)[0])


@dataclass(frozen=True)
class Everywhere:
    """Several settings together: `unbeaten` are never shown slower than the best in any of them.

    `judged` is false where no setting had launches enough for a verdict.
    """

    settings: int
    unbeaten: tuple[str, ...]
    judged: bool


def everywhere(rankings: Iterable[Ranking]) -> Everywhere:
    """Return what may be said of all settings in which strategies could be compared."""
    contests = [ranking for ranking in rankings if len(ranking.rows) > 1]
    judged = any(map(earns_verdicts, contests))
    return Everywhere(len(contests), tuple(never_worse(contests)), judged)


def earns_verdicts(ranking: Ranking) -> bool:
    """Whether any rival of a setting had launches enough to be shown slower."""
    return any(row.launches >= MIN_LAUNCHES for row in ranking.rows[1:])


@dataclass(frozen=True)
class MostOften:
    """The strategies most often among the fastest of a workload: `times` of so many `settings`."""

    workload: str
    strategies: tuple[str, ...]
    times: int
    settings: int


def most_often_fastest(contests: Iterable[Ranking]) -> tuple[MostOften, ...]:
    """Return them for each of several workloads; none where there is one workload."""
    groups: dict[str, list[Ranking]] = {}
    for one in contests:
        groups.setdefault(one.setting.workload, []).append(one)
    found = []
    for workload, mine in groups.items() if len(groups) > 1 else ():
        often = Counter(name for one in mine for name in one.fastest_set)
        most = max(often.values())
        names = tuple(sorted(name for name in often if often[name] == most))
        found.append(MostOften(workload, names, most, len(mine)))
    return tuple(found)
