"""Calls that leave a device idle: what is timed there is not the device's own speed."""

from collections.abc import Mapping

from timelift.analyse.runs.measurement import Measurement, fact
from timelift.analyse.stats.ranking import Ranking
from timelift.case import Case

#: A device waits for its calls where so much of a call passes before all of it is queued.
LAUNCH_BOUND = 0.9


def launch_bound(ranking: Ranking, measured: Mapping[Case, Measurement]) -> tuple[str, ...]:
    """Return the strategies whose device waits for the next call."""
    shares = ((row.case, fact(measured[row.case], "dispatch_share")) for row in ranking.everyone)
    return tuple(
        case.strategy for case, share in shares if share is not None and share >= LAUNCH_BOUND
    )
