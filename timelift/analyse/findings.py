"""What was found in a run: everything that a report or a page shows of it."""

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from timelift.analyse import across, quality
from timelift.analyse.estimates import Interval, first_calls
from timelift.analyse.ranking import (
    BASELINES,
    NoAnswer,
    RankedCase,
    Ranking,
    look_alikes,
    no_answers,
    rank_run,
)
from timelift.analyse.recommend import (
    Answer,
    Recommendation,
    answer,
    answers_by_workload,
    recommend,
)
from timelift.analyse.results import Run
from timelift.case import Case, Phase, Setting
from timelift.errors import UserError, nearest
from timelift.measurement import fact

#: The most settings in a report, which has a table for each and takes milliseconds for it.
MOST_SETTINGS = 20_000


@dataclass(frozen=True)
class RunFindings:
    """A run with all that was found in it, each part computed when it is first asked for.

    Speed-ups are told against `relative_to`, by default what the run was asked for.
    """

    run: Run
    relative_to: str = ""

    @cached_property
    def baselines(self) -> tuple[str, ...]:
        """What speed-ups are told against: the first that was measured in a setting."""
        asked = self.relative_to or self.run.header.options.get("relative_to")
        return (*([asked] if asked and isinstance(asked, str) else ()), *BASELINES)

    @cached_property
    def rankings(self) -> Sequence[Ranking]:
        return rank_run(self.run, self.baselines)

    @cached_property
    def contests(self) -> list[Ranking]:
        return [one for one in self.rankings if one.is_contest]

    @cached_property
    def across(self) -> Sequence[across.ExecutionPair]:
        return across.pairs(self.run.measurements)

    @cached_property
    def first_calls(self) -> Mapping[Case, Interval]:
        return first_calls(self.run.measurements)

    @cached_property
    def peak_bytes(self) -> Mapping[Case, float]:
        """The peak of a call of each case for which it is known and can stand on a log axis."""
        values = ((one.case, fact(one, "peak_bytes")) for one in self.run.measurements)
        return {case: value for case, value in values if value is not None and value > 0}

    @cached_property
    def pareto_fronts(self) -> Mapping[Setting, Sequence[RankedCase]]:
        """The rivals of each setting that surely no other beats in both time and memory."""
        peak = self.peak_bytes
        return {one.setting: pareto_front(one.rows, peak) for one in self.rankings}

    @cached_property
    def backward_over_forward(self) -> Mapping[Case, float]:
        """How many times its forward call a backward call takes, where both were measured."""
        rows = (row for ranking in self.rankings for row in ranking.all_rows)
        seconds = {row.case: row.seconds_per_call.value for row in rows}
        backward = (case for case in seconds if case.setting.phase is Phase.BACKWARD)
        pairs = ((case, _forward_of(case)) for case in backward)
        return {
            case: seconds[case] / seconds[forward] for case, forward in pairs if forward in seconds
        }

    @cached_property
    def look_alikes(self) -> Mapping[str, str]:
        """Why a strategy is compared although it is no lift, by name."""
        return look_alikes(self.run)

    @cached_property
    def no_answers(self) -> Mapping[str, NoAnswer]:
        return no_answers(self.run)

    @cached_property
    def machine_activity(self) -> quality.MachineActivity:
        return quality.machine_activity(self.run)

    @cached_property
    def decided(self) -> quality.Decided:
        return quality.decided(self.run, self.contests)

    @cached_property
    def too_noisy(self) -> quality.TooNoisy | None:
        return quality.too_noisy(self.run, self.rankings)

    @cached_property
    def recommendation_by_setting(self) -> Mapping[Setting, Recommendation]:
        return {one.setting: best for one in self.contests if (best := recommend([one]))}

    @cached_property
    def answer(self) -> Answer | None:
        """What to write in all settings of the run."""
        return answer(self.rankings)

    @cached_property
    def answers(self) -> Mapping[str, Answer]:
        """What to write for each workload in which two lifts were measured."""
        return answers_by_workload(self.rankings)

    @cached_property
    def fastest_elsewhere(self) -> tuple[tuple[Ranking, float], ...]:
        """The settings that differ in their execution alone, each with the best time of all."""
        return across.fastest_elsewhere(self.rankings)


def _forward_of(case: Case) -> Case:
    return dataclasses.replace(case, setting=dataclasses.replace(case.setting, phase=Phase.FORWARD))


def pareto_front(rows: Iterable[RankedCase], peak_bytes: Mapping[Case, float]) -> list[RankedCase]:
    """Return those of known memory that surely no other beats in both time and memory, by time.

    One whose memory is not known, or too little to be read, may hold less than any that is slower.
    """
    kept: list[RankedCase] = []
    least = math.inf

    def time_and_memory(row: RankedCase) -> tuple[float, float]:
        return row.seconds_per_call.value, peak_bytes.get(row.case, 0.0)

    for row in sorted(rows, key=time_and_memory):
        size = peak_bytes.get(row.case, 0.0)
        if 0 < size < least:
            kept.append(row)
        least = min(least, size)
    return kept


def find_out(run: Run, relative_to: str = "") -> RunFindings:
    """Return what is found in a run; raises UserError where it is too much to show.

    Also where the strategy that speed-ups are to be told against was not measured.
    """
    settings = len({one.case.setting for one in run.measurements})
    if settings > MOST_SETTINGS:
        raise UserError(
            f"expected at most {MOST_SETTINGS:,} settings in a report, received {settings:,}; "
            "ask about one with: timelift choose, or read all with: timelift.load"
        )
    refuse_unmeasured(run, relative_to)
    return RunFindings(run, relative_to)


def refuse_unmeasured(run: Run, relative_to: str) -> None:
    """Raise UserError where a baseline that was asked for was measured nowhere."""
    names = {case.strategy for case in run.measured} - no_answers(run).keys()
    if relative_to and names and relative_to not in names:
        raise UserError(
            f"--relative-to: expected a lift that was measured, received {relative_to!r}; "
            f"{nearest(relative_to, names)}"
        )
