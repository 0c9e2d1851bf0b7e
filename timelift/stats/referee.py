"""The referee of a run that is going on: reads what is written, and says who should play on."""

from collections.abc import Mapping, Sequence
from typing import Any

from timelift.case import Case, Status
from timelift.planted import MARK, PLANTS
from timelift.read.measurement import Measurement
from timelift.read.records import Record, Warnings, merge, parse
from timelift.stats.board import Board
from timelift.stats.stopping import LOOKS, unsettled
from timelift.stats.verdicts import RANK_MARGIN


class Referee:
    """Judge a run by the lines of its journal, with the rule of `stopping`.

    `precision` is a share; in a self-test every twin is compared with its `planted` strategy.
    """

    looks: Sequence[int] = LOOKS

    def __init__(self, precision: float = RANK_MARGIN, *, planted: bool = False) -> None:
        self._precision, self._planted = precision, planted
        self._records: list[tuple[str, Record]] = []

    def take(self, record: Mapping[str, Any]) -> None:
        """Note a line of the journal."""
        if record["status"] != Status.MEASURED or any(record["seconds_per_call"]):
            self._records.append(("", parse(record)))

    def to_play(self) -> frozenset[Case]:
        """The cases that need more launches."""
        measured = self.measurements()
        if not self._planted:
            doubtful = unsettled(measured, precision=self._precision)
            return frozenset(case for cases in doubtful.values() for case in cases)
        # Who is slow in some launches only plays with the others, but must not be learnt from.
        steady = [one for one in measured if not _is_unsteady(one.case)]
        doubtful = unsettled(steady, precision=self._precision, anchor=_untouched)
        along = {one.case for one in measured if one.case.setting in doubtful} - {
            one.case for one in steady
        }
        return frozenset(along) | {case for cases in doubtful.values() for case in cases}

    def measurements(self) -> tuple[Measurement, ...]:
        """What has been measured so far."""
        return merge(self._records, Warnings())


_UNSTEADY = {plant.word for plant in PLANTS if plant.one_launch_in > 1}


def _is_unsteady(case: Case) -> bool:
    return case.strategy.partition(MARK)[2] in _UNSTEADY


def _untouched(board: Board) -> int:
    """Find the strategy in which nothing was planted, the first rival where there is none."""
    untouched = [MARK not in case.strategy for case in board.cases]
    return untouched.index(True) if any(untouched) else 0
