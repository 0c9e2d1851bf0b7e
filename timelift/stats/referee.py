"""The referee of a run that is going on: reads what is written, and says who should play on."""

from collections.abc import Mapping
from typing import Any

from timelift.case import Case, Status
from timelift.planted import MARK
from timelift.read.measurement import Measurement
from timelift.read.records import Record, Warnings, merge, parse
from timelift.stats.board import Board
from timelift.stats.stopping import LOOKS, unsettled
from timelift.stats.verdicts import RANK_MARGIN


class Referee:
    """Judge a run by the lines of its journal, with the rule of `stopping`.

    `precision` is a share; in a self-test every twin is compared with its `planted` strategy.
    """

    looks = LOOKS

    def __init__(self, precision: float = RANK_MARGIN, *, planted: bool = False) -> None:
        self._precision, self._planted = precision, planted
        self._records: list[tuple[str, Record]] = []

    def take(self, record: Mapping[str, Any]) -> None:
        """Note a line of the journal."""
        if record["status"] != Status.MEASURED or any(record["seconds_per_call"]):
            self._records.append(("", parse(record)))

    def to_play(self) -> frozenset[Case]:
        """The cases that need more launches."""
        anchor = _untouched if self._planted else None
        doubtful = unsettled(self.measurements(), precision=self._precision, anchor=anchor)
        return frozenset(case for cases in doubtful.values() for case in cases)

    def measurements(self) -> tuple[Measurement, ...]:
        """What has been measured so far."""
        return merge(self._records, Warnings())


def _untouched(board: Board) -> int:
    """Find the strategy in which nothing was planted, the first rival where there is none."""
    untouched = [MARK not in case.strategy for case in board.cases]
    return untouched.index(True) if any(untouched) else 0
