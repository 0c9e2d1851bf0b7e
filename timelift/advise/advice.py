"""From the runs of a user's model to advice: what to change, and what each change brings.

A model is changed only where the whole of it is shown faster. A lift with which it is shown slower
stays as it is, and so does one of which every strategy breaks the law of the whole model.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from timelift.advise.user_model import AS_WRITTEN, CHANGED, ModelLift, UserModel
from timelift.analyse.estimates import Interval
from timelift.analyse.ranking import SpeedUp, rank_run
from timelift.analyse.results import Run
from timelift.analyse.stopping import CLEAR
from timelift.analyse.verdicts import MIN_LAUNCHES, RANK_MARGIN, Verdict
from timelift.case import Case, Status
from timelift.measure.header import journal_path
from timelift.measurement import Measurement, fact

#: A speed-up of this many times is tried in the whole model even if a verdict would need more
#: launches: those of the whole model judge it.
LIKELY = math.exp(CLEAR)
#: Strategies by the numbers of the lifts that they are written instead of.
Changes = Mapping[int, str]
#: How much longer than its launches so far the next ones of a run may take.
_MARGIN = 1.25


class Advice(StrEnum):
    """The verdict on a model, or on a lift in it."""

    CHANGE = "change"
    KEEP = "keep"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Gain:
    """What a change brings: how many times as fast the model or layer is, and two facts.

    `speed_up` is None if the code as written was not measured. `first_call` in seconds and
    `peak_bytes` are before and after, None if one of the two is unknown.
    """

    speed_up: SpeedUp | None = None
    first_call: tuple[float, float] | None = None
    peak_bytes: tuple[float, float] | None = None

    @property
    def is_shown(self) -> bool:
        """True if the whole interval is above 1; the intervals of a setting hold at once.

        The verdict may be undecided all the same: it needs more launches than a run is given once
        its choice is known (`analyse.stopping`).
        """
        return self.speed_up is not None and self.speed_up.is_known and self.speed_up.low > 1

    @property
    def is_loss(self) -> bool:
        return self.speed_up is not None and self.speed_up.is_known and self.speed_up.high < 1

    @property
    def is_nothing(self) -> bool:
        """True if it is shown to be less than what counts as a difference, or a loss."""
        if self.speed_up is None or not self.speed_up.is_known:
            return False
        return self.speed_up.verdict is Verdict.SAME or self.speed_up.high < 1 + RANK_MARGIN


@dataclass(frozen=True)
class Rival:
    """One strategy at the sizes of a lift, alone; `gain` is beside what is written.

    `seconds` are those of a call, None without figures; `lost` tells how such a one ended and why.
    `means` has the declared words of what training does otherwise, before and after, by the name of
    the declaration. `broke` tells how the whole model with it broke the law or failed, or is ''.
    """

    strategy: str
    seconds: Interval | None = None
    gain: Gain = Gain()
    lost: str = ""
    means: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    broke: str = ""


@dataclass(frozen=True)
class LiftAdvice:
    """What to write instead of one lift: the fastest `strategy` of the same meaning, or nothing.

    `strategy` was tried last if the verdict is not to change; it is '' if none was worth a try.
    `seconds` are those of a call as written, and `gain` is that of the strategy, both alone;
    `in_whole` is the gain of the whole model by this change alone. `rivals` with figures are
    sorted by time. If the strategy as written has none, `lost` tells how it ended and why.
    """

    lift: ModelLift
    verdict: Advice = Advice.UNDECIDED
    strategy: str = ""
    seconds: Interval | None = None
    gain: Gain = Gain()
    in_whole: Gain | None = None
    rivals: tuple[Rival, ...] = ()
    launches: int = 0
    lost: str = ""

    @property
    def is_change(self) -> bool:
        return self.verdict is Advice.CHANGE


@dataclass(frozen=True)
class WholeAdvice:
    """A race of the whole model as it is written against all `changes`, and against each alone.

    `seconds` are those of a call as written. `gains`, and what was shown `slower` than the fastest,
    are by the numbers of changed lifts. `law_error` is the largest relative difference of outputs
    and gradients. `lost` tells how rivals without figures ended and why, by the label of a lift, or
    `AS_WRITTEN` or `CHANGED`; `broke`, how a lift that was changed alone broke the law or failed.
    """

    changes: Changes
    seconds: Interval | None
    gains: Mapping[tuple[int, ...], Gain]
    slower: frozenset[tuple[int, ...]]
    law_error: float | None
    lost: Mapping[str, str]
    broke: Mapping[int, str]
    run: Run = field(repr=False)

    @property
    def gain(self) -> Gain:
        return self.gains.get(tuple(self.changes), Gain())


@dataclass(frozen=True)
class ModelAdvice:
    """What to change in a model; `cores` of the machine are None if nothing was measured.

    `whole` is the race that decided, or the last one, and `gain` that of the whole model by what is
    advised, or else by all that was worth a try. An `interrupted` one rests on the launches until
    then. `runs` are the names of its runs. `budget` has the seconds that would have done where it
    is undecided for want of time.
    """

    model: UserModel
    verdict: Advice
    lifts: tuple[LiftAdvice, ...]
    whole: WholeAdvice | None = None
    gain: Gain = Gain()
    cores: int | None = None
    interrupted: bool = False
    runs: tuple[str, ...] = ()
    budget: float | None = None

    @property
    def advised(self) -> dict[int, str]:
        """The strategy to write instead of each lift that should change, by its number."""
        return {advice.lift.number: advice.strategy for advice in self.lifts if advice.is_change}


# What is decided ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Evidence:
    """What was measured of a model: the `run` of its lifts alone, and then `races` of the whole."""

    model: UserModel
    run: Run | None = None
    races: tuple[WholeAdvice, ...] = ()

    @cached_property
    def lifts(self) -> tuple[LiftAdvice, ...]:
        """What is known of each lift alone, with the strategy to try next."""
        broke = {
            (number, race.changes[number]): end
            for race in self.races
            for number, end in race.broke.items()
        }
        return tuple(_advise_lift(self.model, lift, self.run, broke) for lift in self.model.lifts)

    @cached_property
    def worthwhile(self) -> Changes:
        """The changes that are worth a try, without those that make the whole model slower."""
        gains = [pair for race in self.races for pair in race.gains.items()]
        losers = {numbers for numbers, gain in gains if gain.is_loss}
        return {
            advice.lift.number: advice.strategy
            for advice in self.lifts
            if advice.verdict is Advice.UNDECIDED
            and advice.strategy
            and (advice.lift.number,) not in losers
        }

    @property
    def to_race(self) -> Changes:
        """What to race next in the whole model; empty if the races so far are enough.

        The gain by a single change is known from a race of several.
        """
        gain = self.gain_by(self.worthwhile)
        is_known = gain is not None and gain.speed_up is not None and gain.speed_up.is_known
        was_raced = any(race.changes == self.worthwhile for race in self.races)
        return {} if is_known or was_raced else self.worthwhile

    def gain_by(self, changes: Changes) -> Gain | None:
        """Return the gain of the whole model by these changes, from the last race that had them."""
        for race in reversed(self.races):
            if changes.items() <= race.changes.items() and tuple(changes) in race.gains:
                return race.gains[tuple(changes)]
        return None

    @cached_property
    def decided(self) -> tuple[WholeAdvice | None, Changes]:
        """The changes to advise, and the race in which the model is shown faster by them.

        They are the fewest that were not shown slower than the fastest. Outputs that are constant
        are no evidence that a change keeps them.
        """
        races = () if self.model.constant else reversed(self.races)
        for race in races:
            shown = [
                (numbers in race.slower, len(numbers), -gain.speed_up.value, numbers)
                for numbers, gain in race.gains.items()
                if gain.is_shown
                and gain.speed_up
                and all(race.changes[one] == self.worthwhile.get(one) for one in numbers)
            ]
            if shown:
                return race, {number: race.changes[number] for number in min(shown)[-1]}
        return None, {}

    def advice(self, *, interrupted: bool = False) -> ModelAdvice:
        """Return the verdicts on the model and on each lift of it."""
        race, advised = self.decided
        whole = race or next(reversed(self.races), None)
        gain = race.gains[tuple(advised)] if race else self.gain_by(self.worthwhile)
        lifts = tuple(map(self._judged, self.lifts))
        verdicts = {advice.verdict for advice in lifts}
        verdict = Advice.UNDECIDED if Advice.UNDECIDED in verdicts else Advice.KEEP
        is_open = verdict is Advice.UNDECIDED and not (advised or interrupted)
        runs = [*([self.run] if self.run else []), *(race.run for race in self.races)]
        return ModelAdvice(
            self.model,
            Advice.CHANGE if advised else verdict,
            lifts,
            whole=whole,
            gain=gain or (whole.gain if whole else Gain()),
            cores=self.run.header.machine.identity.get("cores") if self.run else None,
            interrupted=interrupted,
            runs=tuple(journal_path(Path(), run.header).stem for run in runs),
            budget=self._budget(runs) if is_open else None,
        )

    def _judged(self, advice: LiftAdvice) -> LiftAdvice:
        """Return the advice on a lift with its verdict, which the whole model decides."""
        number, (_, advised) = advice.lift.number, self.decided
        gain, verdict = self.gain_by(self.worthwhile), advice.verdict
        is_settled = number not in self.worthwhile or advised or (gain and gain.is_nothing)
        if advice.strategy and is_settled:
            verdict = Advice.CHANGE if number in advised else Advice.KEEP
        in_whole = self.gain_by({number: advice.strategy})
        return replace(advice, verdict=verdict, in_whole=in_whole)

    def _budget(self, runs: Sequence[Run]) -> float | None:
        """Return the seconds, in whole minutes, that the runs need for enough launches.

        The lifts have half of a budget. A whole model that was not raced is taken to need as much.
        None if unknown, or if it was not the time that was short.
        """
        is_short = any(run.cut_short for run in runs) or (self.worthwhile and not self.races)
        seconds = 0.0
        for run in runs:
            launches = sum(len(each.launches) for each in run.measurements)
            all_cases = MIN_LAUNCHES * (run.header.cases or 1)  # it may not have reached all
            if not (launches and run.seconds):
                return None
            seconds = max(seconds, run.seconds * max(1, all_cases / launches))
        has_failed = any(race.lost for race in self.races)
        return 60 * math.ceil(2 * _MARGIN * seconds / 60) if is_short and not has_failed else None


# What the runs show ------------------------------------------------------------------------------


def _advise_lift(
    model: UserModel, lift: ModelLift, run: Run | None, broke: Mapping[tuple[int, str], str]
) -> LiftAdvice:
    """Return what is known of a lift alone: undecided with a strategy that is worth a try.

    What is shown faster is, and by too few launches what is seen to be much faster: the whole model
    judges it. Where the code as written has no figures, whatever has them is.
    """
    if run is None or not lift.steps:
        return LiftAdvice(lift, Advice.UNDECIDED if lift.steps else Advice.KEEP)
    setting, rivals = model.setting_of(lift), tuple(_rivals(model, lift, run, broke))
    written = next((rival for rival in rivals if rival.strategy == lift.usual), Rival(lift.usual))
    played = (each.launches for each in run.measurements if each.case.setting == setting)
    launches = max(map(len, played), default=0)
    has_few = launches < MIN_LAUNCHES
    faster = [
        rival
        for rival in rivals
        if rival.seconds and not rival.means and _looks_faster(rival.gain, has_few=has_few)
    ]
    advice = LiftAdvice(
        lift, seconds=written.seconds, rivals=rivals, launches=launches, lost=written.lost
    )
    if not faster:
        is_known = written.seconds and not has_few
        return replace(advice, verdict=Advice.KEEP if is_known else Advice.UNDECIDED)
    best = next((rival for rival in faster if not rival.broke), faster[-1])
    verdict = Advice.KEEP if best.broke else Advice.UNDECIDED
    return replace(advice, verdict=verdict, strategy=best.strategy, gain=best.gain)


def _looks_faster(gain: Gain, *, has_few: bool) -> bool:
    if gain.speed_up is None:
        return True
    return gain.is_shown or (has_few and gain.speed_up.value >= LIKELY)


def _rivals(
    model: UserModel, lift: ModelLift, run: Run, broke: Mapping[tuple[int, str], str]
) -> Iterator[Rival]:
    """Yield what was measured of a lift, the fastest first, and then what has no figures."""
    setting = model.setting_of(lift)
    declared = {name: entry.meaning for name, entry in run.header.strategies.items()}
    written = lift.meaning(declared.get(lift.usual, {}))
    rankings = (each for each in rank_run(run, (lift.usual,)) if each.setting == setting)
    rows = {row.case: row for ranking in rankings for row in ranking.rows}
    usual, others = Case(setting, lift.usual), [each.case for each in run.without_result]
    for case in (*rows, *(case for case in others if case.setting == setting)):
        row, name = rows.get(case), case.strategy
        after = lift.meaning(declared.get(name, {}))
        yield Rival(
            name,
            seconds=row.seconds_per_call if row else None,
            gain=_gain(run, row.speed_up, usual, case) if row else Gain(),
            lost=_end(run.by_case[case]),
            means={key: (word, after[key]) for key, word in written.items() if word != after[key]},
            broke=broke.get((lift.number, name), ""),
        )


def advise_whole(model: UserModel, changes: Changes, run: Run) -> WholeAdvice:
    """Return what a race of the whole model with these changes shows."""
    numbers: dict[str, tuple[int, ...]] = {lift.alone: (lift.number,) for lift in model.lifts}
    numbers |= {AS_WRITTEN: (), CHANGED: tuple(changes)}
    labels = {lift.alone: lift.label for lift in model.lifts}
    ranked = (row for ranking in rank_run(run, (AS_WRITTEN,)) for row in ranking.rows)
    rows = {numbers[row.case.strategy]: row for row in ranked}
    lost = {each.case.strategy: each for each in run.without_result}
    written, changed = (Case(model.setting, name) for name in (AS_WRITTEN, CHANGED))
    return WholeAdvice(
        changes,
        seconds=rows[()].seconds_per_call if () in rows else None,
        gains={
            key: _gain(run, row.speed_up, written, row.case) for key, row in rows.items() if key
        },
        slower=frozenset(key for key, row in rows.items() if row.verdict is Verdict.SLOWER),
        law_error=fact(run.by_case[changed], "law_error") if changed in run.by_case else None,
        lost={labels.get(name, name): _end(each) for name, each in lost.items()},
        broke={
            numbers[name][0]: _end(each)
            for name, each in lost.items()
            if len(numbers[name]) == 1 and each.status is not Status.TRACING_LIMIT
        },
        run=run,
    )


def _end(measurement: Measurement) -> str:
    """Return how a rival without figures ended, and why; '' of one that was measured."""
    is_measured = measurement.status is Status.MEASURED
    reason = measurement.reason.removeprefix("breaks the law: ")
    return "" if is_measured else f"{measurement.status}: {reason}"


def _gain(run: Run, speed_up: SpeedUp | None, before: Case, after: Case) -> Gain:
    def pair(name: str) -> tuple[float, float] | None:
        first, second = (
            fact(run.measured[case], name) if case in run.measured else None
            for case in (before, after)
        )
        return None if first is None or second is None else (first, second)

    return Gain(speed_up, pair("first_call_seconds"), pair("peak_bytes"))
