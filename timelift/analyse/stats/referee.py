"""The referee of a run that is going on: reads what is written, and says who should play on."""

from collections.abc import Collection, Sequence

from timelift.analyse.runs.measurement import Measurement, Warnings, merge
from timelift.analyse.stats.aligned_samples import AlignedSamples
from timelift.analyse.stats.stopping import LOOKS, unsettled
from timelift.analyse.stats.verdicts import RANK_MARGIN
from timelift.case import Case, Status
from timelift.journal import CaseInLaunch
from timelift.planted import MARK, PLANTS


class Referee:
    """Judge a run by the lines of its journal, with the rule of `stopping`.

    `precision` is a share; in a self-test every twin is compared with its `planted` strategy. The
    strategies `aside` are no answer: they only play along.
    """

    decision_points: Sequence[int] = LOOKS

    def __init__(
        self,
        precision: float = RANK_MARGIN,
        *,
        planted: bool = False,
        aside: Collection[str] = (),
    ) -> None:
        self._precision, self._planted, self._aside = precision, planted, aside
        self._records: list[tuple[str, CaseInLaunch]] = []

    def take(self, line: CaseInLaunch) -> None:
        """Note a line of the journal."""
        if line.status is not Status.MEASURED or any(line.seconds_per_call):
            self._records.append(("", line))

    def to_play(self) -> frozenset[Case]:
        """The cases that need more launches."""
        measured = self.measurements()
        # Who is slow in some launches only plays with the others, but must not be learnt from.
        steady = [one for one in measured if not self._plays_along(one.case)]
        anchor = _untouched if self._planted else None
        doubtful = unsettled(steady, precision=self._precision, anchor=anchor)
        along = {one.case for one in measured if one.case.setting in doubtful} - {
            one.case for one in steady
        }
        return frozenset(along) | {case for cases in doubtful.values() for case in cases}

    def _plays_along(self, case: Case) -> bool:
        return case.strategy in self._aside or (self._planted and _is_unsteady(case))

    def measurements(self) -> tuple[Measurement, ...]:
        """What has been measured so far."""
        return merge(self._records, Warnings())


_UNSTEADY = {plant.word for plant in PLANTS if plant.one_launch_in > 1}


def _is_unsteady(case: Case) -> bool:
    return case.strategy.partition(MARK)[2] in _UNSTEADY


def _untouched(board: AlignedSamples) -> int:
    """Find the strategy in which nothing was planted, the first rival where there is none."""
    untouched = [MARK not in case.strategy for case in board.cases]
    return untouched.index(True) if any(untouched) else 0
