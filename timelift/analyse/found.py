"""What there is to show of a run: its measurements, its rankings and what is said of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from timelift.analyse import across, lifts
from timelift.analyse.across import Pair
from timelift.analyse.runs.measurement import Run
from timelift.analyse.runs.trust import Trust
from timelift.analyse.stats.ranking import Ranking
from timelift.errors import UserError
from timelift.present import table
from timelift.present.scaling_table import Scaling, scaling
from timelift.present.table import Report

#: A report has a table for every setting, which takes milliseconds.
MOST_SETTINGS = 20_000


@dataclass(frozen=True)
class Found:
    """A run with its rankings, how its times grow, and what other ways of execution cost."""

    run: Run
    rankings: Sequence[Ranking]
    report: Report
    scaling: Scaling
    across: Sequence[Pair]

    @property
    def contests(self) -> list[Ranking]:
        """The settings in which at least two lifts were measured."""
        return [one for one in self.rankings if len(one.rows) > 1]


def find_out(run: Run, trust: Trust | None = None) -> Found:
    """Rank a run, and say what was found; raises UserError where it is too much to show."""
    settings = len({one.case.setting for one in run.measurements})
    if settings > MOST_SETTINGS:
        raise UserError(
            f"expected at most {MOST_SETTINGS:,} settings in a report, received {settings:,}; "
            "ask about one with: python report.py choose, or write all with: "
            "python report.py export csv"
        )
    rankings = lifts.rank(run)
    report = table.report(run, rankings, trust)
    return Found(run, rankings, report, scaling(run), across.pairs(run.measurements))
