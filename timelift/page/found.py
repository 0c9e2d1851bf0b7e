"""What there is to show of a run: its measurements, its rankings and what is said of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from timelift.across import compared as across
from timelift.across.compared import Pair
from timelift.errors import UserError
from timelift.read.measurement import Run
from timelift.read.trust import Trust
from timelift.report import table
from timelift.report.notes import look_alikes
from timelift.report.table import Report
from timelift.scaling.table import Scaling, scaling
from timelift.stats import ranking
from timelift.stats.ranking import Ranking

#: A report has a table for every setting, which takes milliseconds.
MOST_SETTINGS = 20_000


@dataclass(frozen=True)
class Found:
    """A run with its rankings, how its times grow, and what other ways of execution cost.

    `lifted` are the rankings without the strategies that are no lifts.
    """

    run: Run
    rankings: Sequence[Ranking]
    lifted: Sequence[Ranking]
    report: Report
    scaling: Scaling
    across: Sequence[Pair]

    @property
    def contests(self) -> list[Ranking]:
        """The settings in which at least two lifts were measured."""
        return [one for one in self.lifted if len(one.rows) > 1]


def find_out(run: Run, trust: Trust | None = None) -> Found:
    """Rank a run, and say what was found; raises UserError where it is too much to show."""
    settings = len({one.case.setting for one in run.measurements})
    if settings > MOST_SETTINGS:
        raise UserError(
            f"expected at most {MOST_SETTINGS:,} settings in a report, received {settings:,}; "
            "ask about one with: python report.py choose, or write all with: "
            "python report.py export csv"
        )
    rankings = ranking.rank(run.measurements)
    report = table.report(run, rankings, trust)
    lifted = _lifted(run, rankings)
    return Found(run, rankings, lifted, report, scaling(run), across.pairs(run.measurements))


def _lifted(run: Run, rankings: Sequence[Ranking]) -> Sequence[Ranking]:
    """Rank without the look-alikes, if there are any: a fast one is no alternative."""
    others = look_alikes(run)
    if not any(row.case.strategy in others for one in rankings for row in one.rows):
        return rankings
    return ranking.rank(one for one in run.measurements if one.case.strategy not in others)
