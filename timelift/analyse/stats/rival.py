"""What a ranking is: the rows of one setting from fastest to slowest, and what each costs."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from timelift.analyse.stats.verdicts import Verdict
from timelift.case import Case, Setting
from timelift.errors import UserError

#: A price that nothing is known of.
UNKNOWN = (math.nan, math.nan)

#: From this ratio on a price is written as times the best.
_TIMES = 1.5


@dataclass(frozen=True, slots=True)
class Rival:
    """One row of a ranking.

    `ratio` is to the first row, with its interval over launches `low` to `high` (NaN with one
    launch): the intervals of all rows hold at once, though the first was picked by the same data.
    `known_to` is the half-width, a log ratio, of the interval that the pair would have by itself.
    `verdict` says what this rival is beside the first row, `p` how surely they differ:
    two-sided, adjusted for all pairs of the setting. Rivals that share one of `letters` were not
    shown to differ; the true rank lies from `rank_low` to `rank_high`. `price` is the least and
    the most that choosing this rival costs over the best, whichever that is, as ratios.
    `detectable` is the ratio to the first row that would have been called different 9 in 10 times.
    """

    case: Case
    seconds_per_call: float
    seconds_low: float
    seconds_high: float
    ratio: float
    low: float
    high: float
    verdict: Verdict
    letters: str
    rank_low: int
    rank_high: int
    launches: int
    p: float = math.nan
    price: tuple[float, float] = UNKNOWN
    detectable: float = math.nan
    known_to: float = math.nan


@dataclass(frozen=True, slots=True)
class Ranking:
    """The measured rivals of one setting, sorted by time.

    `look_alikes`, or twins, are measured beside the rivals and are no answer: they have a ratio to
    the first row, but neither rank (0), letters nor price.
    """

    setting: Setting
    rows: tuple[Rival, ...]
    look_alikes: tuple[Rival, ...] = ()

    @property
    def everyone(self) -> tuple[Rival, ...]:
        """The rivals and the look-alikes, sorted by time."""
        if not self.look_alikes:
            return self.rows
        both = (*self.rows, *self.look_alikes)
        return tuple(sorted(both, key=lambda row: row.seconds_per_call))

    @property
    def fastest_set(self) -> tuple[str, ...]:
        """The strategies that no rival was shown to beat."""
        return tuple(row.case.strategy for row in self.rows if row.rank_low == 1)

    def price(self, strategy: str) -> tuple[float, float]:
        """The least and the most that choosing `strategy` costs over the best, as ratios."""
        return self.row(strategy).price

    def row(self, strategy: str) -> Rival:
        """The row of `strategy`; raises UserError where it was not measured."""
        rows = {row.case.strategy: row for row in self.rows}
        if strategy in rows:
            return rows[strategy]
        raise UserError(
            f"expected a strategy measured in {self.setting.label}, received {strategy!r}; "
            f"choose one of {', '.join(rows)}"
        )

    def sentence(self, strategy: str) -> str:
        """What choosing `strategy` costs, in words."""
        low, high = self.price(strategy)
        if math.isnan(high):
            return f"what choosing `{strategy}` costs over the best is not known from one launch"
        if low > 1:
            return f"`{strategy}` costs {price_in_words(low, high)}"
        return f"choosing `{strategy}` costs at most {100 * (high - 1):.1f} % over the best"

    def sentences(self) -> Iterator[str]:
        """What choosing the first costs, if anything, and what choosing the last does."""
        first, last = self.rows[0].case.strategy, self.rows[-1].case.strategy
        if self.price(first)[1] > 1:
            yield self.sentence(first)
        if self.price(last)[0] > 1:
            yield self.sentence(last)


def price_in_words(low: float, high: float) -> str:
    """Write what is paid over the best: as per cent more while that is little, else as times."""
    if high < _TIMES:
        return f"{100 * (low - 1):.1f} to {100 * (high - 1):.1f} % over the best"
    return f"{low:.3g} to {high:.3g} times the best"
