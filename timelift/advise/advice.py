"""What is advised of a user's model, and what its runs show of each lift and of the whole.

The verdicts on both rest on all of its runs: see `decisions`.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NamedTuple

from timelift.advise.user_model import AS_WRITTEN, CHANGED, ModelLift, UserModel, label_of
from timelift.analyse.estimates import Interval
from timelift.analyse.ranking import SpeedUp, rank_run
from timelift.analyse.recommend import recommend
from timelift.analyse.results import Run
from timelift.analyse.stopping import CLEAR
from timelift.analyse.verdicts import MIN_LAUNCHES, RANK_MARGIN, Verdict
from timelift.case import SKIPPED, Case, Setting, Status
from timelift.measurement import Measurement, fact

#: A speed-up of this many times is tried in the whole model even if a verdict would need more
#: launches: those of the whole model judge it.
LIKELY = math.exp(CLEAR)


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
        """True if it is shown that nothing is gained, or less than what counts as a difference."""
        if self.speed_up is None or not self.speed_up.is_known:
            return False
        return self.speed_up.verdict is Verdict.SAME or self.speed_up.high < 1 + RANK_MARGIN

    @property
    def is_likely(self) -> bool:
        """True if it is seen to be large, though it may not be shown."""
        return self.speed_up is not None and self.speed_up.value >= LIKELY


@dataclass(frozen=True)
class Rival:
    """One strategy at the sizes of a lift, alone; `gain` is beside what is written.

    `seconds` are those of a call, None without figures; `lost` tells how such a one ended and why.
    `means` has the declared words of what training does otherwise, before and after, by the name of
    the declaration. `broke` tells how the whole model with it broke the law or failed, '' if it did
    not or was not tried.
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
    `in_whole` is the gain of the whole model by this change alone. `rivals` are all that were
    measured, the fastest first, and then those without figures. If the strategy as written has
    none, `lost` tells how it ended and why; else it is ''.
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

    @property
    def is_open(self) -> bool:
        """True if it is not known whether any strategy is worth a try."""
        return self.verdict is Advice.UNDECIDED and not self.strategy


class RacedSet(NamedTuple):
    """Changes that were raced together; they may be shown slower than the fastest of the race."""

    changes: Mapping[int, str]
    gain: Gain
    is_slower: bool

    @property
    def preference(self) -> tuple[bool, int, float]:
        """The order in which sets are advised: the fewest changes that are not shown slower."""
        assert self.gain.speed_up
        return self.is_slower, len(self.changes), -self.gain.speed_up.value


@dataclass(frozen=True)
class WholeAdvice:
    """A race of the whole model: the `gain` by all `changes`, and that of each of them `alone`.

    `changes` are the strategies that were raced together, by the number of a lift. `seconds` are
    those of a call as written. `alone` has gains by the label of the lift, none of a single change.
    `law_error` is the largest relative difference of outputs and gradients. `lost` tells how rivals
    without figures ended and why, by the label of a lift, or `AS_WRITTEN` or `CHANGED`; by the same
    labels `slower` are those that were shown slower than the fastest. `broke` tells by the number
    of a lift how the model with that changed, and no other, broke the law or failed.
    """

    changes: Mapping[int, str]
    seconds: Interval | None
    gain: Gain
    alone: Mapping[str, Gain]
    law_error: float | None
    lost: Mapping[str, str]
    slower: frozenset[str] = frozenset()
    broke: Mapping[int, str] = field(default_factory=dict)
    run: Run | None = field(default=None, repr=False)

    @property
    def sets(self) -> Iterator[RacedSet]:
        """The changes that were compared with the model as written: all, and each of several."""
        changes = {label_of(number): {number: name} for number, name in self.changes.items()}
        changes[CHANGED] = dict(self.changes)
        for label, gain in {CHANGED: self.gain, **self.alone}.items():
            if gain.speed_up:
                yield RacedSet(changes[label], gain, label in self.slower)

    def gain_by(self, changes: Mapping[int, str]) -> Gain | None:
        """Return the gain by these changes and no other; None if it was not measured."""
        return next((raced.gain for raced in self.sets if raced.changes == changes), None)


@dataclass(frozen=True)
class ModelAdvice:
    """What to change in a model; `cores` of the machine are None if nothing was measured.

    `whole` is the race that decided, or the last one, and `gain` that of the whole model by what is
    advised, or else by all that was worth a try. An `interrupted` one rests on the launches until
    then. `runs` are the names of its runs, and `budget` has the seconds that would have done where
    it is undecided for want of time.
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


# What the runs show ------------------------------------------------------------------------------


def advise_lifts(
    model: UserModel, run: Run | None, broke: Mapping[tuple[int, str], str]
) -> tuple[LiftAdvice, ...]:
    """Return what is known of each lift alone: undecided with a strategy that is worth a try.

    `run` is that of the inner layers, None if there is none. `broke` tells by the number of a lift
    and a strategy how the whole model with it broke the law or failed: another one is tried.
    """
    return tuple(_advise_lift(model, lift, run, broke) for lift in model.lifts)


def _advise_lift(
    model: UserModel, lift: ModelLift, run: Run | None, broke: Mapping[tuple[int, str], str]
) -> LiftAdvice:
    if run is None or not lift.steps:
        return LiftAdvice(lift, Advice.UNDECIDED if lift.steps else Advice.KEEP)
    rivals = tuple(
        replace(rival, broke=broke.get((lift.number, rival.strategy), ""))
        for rival in _rivals(model, lift, run)
    )
    written = next((rival for rival in rivals if rival.strategy == lift.usual), Rival(lift.usual))
    setting = model.setting_of(lift)
    played = (each.launches for each in run.measurements if each.case.setting == setting)
    launches = max(map(len, played), default=0)
    advice = LiftAdvice(
        lift, seconds=written.seconds, rivals=rivals, launches=launches, lost=written.lost
    )
    others = [
        rival
        for rival in rivals
        if rival.seconds and not rival.means and rival.strategy != lift.usual
    ]
    if worthwhile := [rival for rival in others if _is_worth_a_try(rival, written, launches)]:
        best = _recommended(run, setting, worthwhile)
        return replace(advice, strategy=best.strategy, gain=best.gain)
    if broken := [rival for rival in others if rival.broke]:
        last = broken[-1]
        return replace(advice, verdict=Advice.KEEP, strategy=last.strategy, gain=last.gain)
    is_known = launches >= MIN_LAUNCHES and not any(_may_be_faster(rival) for rival in others)
    has_none = written.seconds and (is_known or not others)
    return replace(advice, verdict=Advice.KEEP if has_none else Advice.UNDECIDED)


def _is_worth_a_try(rival: Rival, written: Rival, launches: int) -> bool:
    """True if a rival is shown faster, or looks it by too few launches; the whole model judges.

    Where the code as written has no figures, whatever has them is.
    """
    if rival.broke:
        return False
    is_likely = launches < MIN_LAUNCHES and rival.gain.is_likely
    return written.seconds is None or rival.gain.is_shown or is_likely


def _may_be_faster(rival: Rival) -> bool:
    """True if the interval of a gain leaves one that would be tried by one launch."""
    return rival.gain.speed_up is not None and not rival.gain.speed_up.high < LIKELY


def _recommended(run: Run, setting: Setting, rivals: Sequence[Rival]) -> Rival:
    """Return the recommended one of some rivals; each of them has figures."""
    by_case = {Case(setting, rival.strategy): rival for rival in rivals}
    measurements = tuple(each for each in run.measurements if each.case in by_case)
    best = recommend(rank_run(replace(run, measurements=measurements)))
    return by_case[Case(setting, best.strategy)] if best else rivals[0]


def _rivals(model: UserModel, lift: ModelLift, run: Run) -> tuple[Rival, ...]:
    """Return what was measured of a lift, the fastest first, and then what has no figures."""
    setting = model.setting_of(lift)
    declared = {name: entry.meaning for name, entry in run.header.strategies.items()}
    rankings = (each for each in rank_run(run, (lift.usual,)) if each.setting == setting)
    rows = {row.case.strategy: row for ranking in rankings for row in ranking.rows}
    lost = {
        each.case.strategy: _end(each)
        for each in run.without_result
        if each.case.setting == setting
    }
    written = lift.meaning(declared.get(lift.usual, {}))

    def means(name: str) -> dict[str, tuple[str, str]]:
        after = lift.meaning(declared.get(name, {}))
        return {key: (word, after[key]) for key, word in written.items() if word != after[key]}

    def gain(name: str) -> Gain:
        speed_up = rows[name].speed_up if lift.usual in rows else None
        return _gain(run, speed_up, Case(setting, lift.usual), Case(setting, name))

    measured = (Rival(name, row.seconds_per_call, gain(name)) for name, row in rows.items())
    others = (Rival(name, lost=end) for name, end in lost.items() if name not in rows)
    return tuple(replace(rival, means=means(rival.strategy)) for rival in (*measured, *others))


def advise_whole(model: UserModel, changes: Mapping[int, str], run: Run) -> WholeAdvice:
    """Return what a race of the whole model with these changes shows."""
    labels = {lift.alone: lift.label for lift in model.lifts}
    labels |= {AS_WRITTEN: AS_WRITTEN, CHANGED: CHANGED}
    ranked = [row for ranking in rank_run(run, (AS_WRITTEN,)) for row in ranking.rows]
    rows = {labels[row.case.strategy]: row for row in ranked}
    ends = {labels[each.case.strategy]: each for each in run.measurements}
    lost = {label: _end(each) for label, each in ends.items() if _end(each)}
    written = Case(model.setting, AS_WRITTEN)
    gains = {label: _gain(run, row.speed_up, written, row.case) for label, row in rows.items()}
    single = {number: label_of(number) if len(changes) > 1 else CHANGED for number in changes}
    return WholeAdvice(
        changes=dict(changes),
        seconds=rows[AS_WRITTEN].seconds_per_call if AS_WRITTEN in rows else None,
        gain=gains.get(CHANGED, Gain()),
        alone={
            label: gains[label] for label in single.values() if label in gains.keys() - {CHANGED}
        },
        law_error=fact(ends[CHANGED], "law_error") if CHANGED in ends else None,
        lost=lost,
        slower=frozenset(label for label, row in rows.items() if row.verdict is Verdict.SLOWER),
        broke={
            number: lost[label]
            for number, label in single.items()
            if label in lost and ends[label].status not in SKIPPED
        },
        run=run,
    )


def _end(rival: Measurement) -> str:
    """Return how a rival without figures ended, and why; '' of one that was measured."""
    return "" if rival.status is Status.MEASURED else f"{rival.status}: {rival.reason}"


def _gain(run: Run, speed_up: SpeedUp | None, before: Case, after: Case) -> Gain:
    def pair(name: str) -> tuple[float, float] | None:
        first, second = (
            fact(run.measured[case], name) if case in run.measured else None
            for case in (before, after)
        )
        return None if first is None or second is None else (first, second)

    return Gain(speed_up, pair("first_call_seconds"), pair("peak_bytes"))
