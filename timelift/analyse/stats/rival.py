"""What a ranking is: the rows of one setting from fastest to slowest, and what each costs."""

import math
from dataclasses import dataclass

from timelift.analyse.stats.verdicts import Verdict
from timelift.case import Case, Setting
from timelift.errors import UserError

#: A price that nothing is known of.
UNKNOWN = (math.nan, math.nan)


@dataclass(frozen=True, slots=True)
class RankedCase:
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

    @property
    def has_interval(self) -> bool:
        """Whether enough launches were compared to give the ratio an interval."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    @property
    def price_is_known(self) -> bool:
        """Whether more than one launch tells what choosing it costs over the best."""
        return math.isfinite(self.price[1])

    @property
    def surely_costs(self) -> bool:
        """Whether it is known to cost more than the best."""
        return self.price[0] > 1

    @property
    def may_cost(self) -> bool:
        """Whether it may cost more than the best."""
        return self.price[1] > 1


@dataclass(frozen=True, slots=True)
class Ranking:
    """The measured rivals of one setting, sorted by time.

    `look_alikes`, or twins, are measured beside the rivals and are no answer: they have a ratio to
    the first row, but neither rank (0), letters nor price.
    """

    setting: Setting
    rows: tuple[RankedCase, ...]
    look_alikes: tuple[RankedCase, ...] = ()

    @property
    def everyone(self) -> tuple[RankedCase, ...]:
        """The rivals and the look-alikes, sorted by time."""
        if not self.look_alikes:
            return self.rows
        both = (*self.rows, *self.look_alikes)
        return tuple(sorted(both, key=lambda row: row.seconds_per_call))

    @property
    def fastest_set(self) -> tuple[str, ...]:
        """The strategies that no rival was shown to beat."""
        return tuple(row.case.strategy for row in self.rows if row.rank_low == 1)

    @property
    def undecided(self) -> tuple[RankedCase, ...]:
        """The rows not told from the first, of which it is known what would have been seen."""
        still = (row for row in self.rows[1:] if row.verdict is Verdict.UNDECIDED)
        return tuple(row for row in still if math.isfinite(row.detectable))

    def price(self, strategy: str) -> tuple[float, float]:
        """The least and the most that choosing `strategy` costs over the best, as ratios."""
        return self.row(strategy).price

    def row(self, strategy: str) -> RankedCase:
        """The row of `strategy`; raises UserError where it was not measured."""
        rows = {row.case.strategy: row for row in self.rows}
        if strategy in rows:
            return rows[strategy]
        raise UserError(
            f"expected a strategy measured in {self.setting.label}, received {strategy!r}; "
            f"choose one of {', '.join(rows)}"
        )
