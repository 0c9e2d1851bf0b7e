"""What a ranking is: the rows of one setting from fastest to slowest, and what each costs."""

import math
from dataclasses import dataclass

from timelift.case import Case, Setting
from timelift.errors import UserError
from timelift.stats.verdicts import Verdict

#: A price that nothing is known of.
UNKNOWN = (math.nan, math.nan)


@dataclass(frozen=True, slots=True)
class Rival:
    """One row of a ranking.

    `ratio` is to the first row, with its interval over launches `low` to `high` (NaN with one
    launch). `verdict` says what this rival is beside the first row, `p` how surely they differ:
    two-sided, adjusted for all pairs of the setting. Rivals that share one of `letters` were not
    shown to differ; the true rank lies from `rank_low` to `rank_high`. `price` is the least and
    the most that choosing this rival costs over the best, whichever that is, as ratios.
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


@dataclass(frozen=True, slots=True)
class Ranking:
    """The measured rivals of one setting, sorted by time."""

    setting: Setting
    rows: tuple[Rival, ...]

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
        most = f"at most {100 * (high - 1):.1f} % over the best"
        least = f"at least {100 * (low - 1):.1f} % and " if low > 1 else ""
        return f"choosing `{strategy}` costs {least}{most}"
