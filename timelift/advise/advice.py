"""What to change in a user's model: of each lift alone, and of the model whole."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from timelift.advise.told_model import AS_WRITTEN, CHANGED, ToldLift, ToldModel
from timelift.analyse.ranking import SpeedUp, rank_run
from timelift.analyse.recommend import recommend
from timelift.analyse.results import Run
from timelift.analyse.stopping import CLEAR
from timelift.analyse.verdicts import MIN_LAUNCHES
from timelift.case import Case, Setting, Status
from timelift.measurement import fact

#: So many times as fast by fewer launches than a verdict needs is worth trying in the whole model,
#: whose launches judge it.
LIKELY = math.exp(CLEAR)


@dataclass(frozen=True)
class ChangeGain:
    """What a change brings beside what was there: how many times as fast, and two facts.

    A pair of facts is before and after, None where one is not known. `speed_up` is None where there
    is nothing to compare with.
    """

    speed_up: SpeedUp | None
    first_call: tuple[float, float] | None
    peak_bytes: tuple[float, float] | None

    @property
    def is_shown(self) -> bool:
        """True if it is faster by the interval that is told, whose intervals hold at once.

        A verdict wants more launches than the choice does, which ends a run (`analyse.stopping`).
        """
        one = self.speed_up
        return one is not None and one.is_known and one.low > 1

    @property
    def is_loss(self) -> bool:
        one = self.speed_up
        return one is not None and one.is_known and one.high < 1


@dataclass(frozen=True)
class OtherMeaning:
    """A strategy that is faster than what is advised, and means another thing in training.

    `means` has what training adds to the inner layer and it treats otherwise than what is written:
    before and after, by the declaration.
    """

    strategy: str
    gain: ChangeGain | None
    means: Mapping[str, tuple[str, str]]


@dataclass(frozen=True)
class LiftAdvice:
    """What to write instead of one lift: a strategy that means the same, or nothing.

    It is the fastest of those. `faster` is one that means another thing in training, None where
    none is faster. `lost` says how a lift without figures ended.
    """

    lift: ToldLift
    strategy: str = ""
    gain: ChangeGain | None = None
    lost: tuple[Status, str] | None = None
    launches: int = 0
    faster: OtherMeaning | None = None

    @property
    def is_change(self) -> bool:
        return bool(self.strategy)

    @property
    def is_known(self) -> bool:
        """True if its launches are as many as a verdict needs, or it is not called at all."""
        return self.launches >= MIN_LAUNCHES or not self.lift.steps


@dataclass(frozen=True)
class WholeAdvice:
    """The whole model with every lift changed, and with one alone, by its label.

    `law_error` is the largest relative difference of outputs and gradients. `lost` is why it has
    no figures in one of these ways: by label, or `AS_WRITTEN` or `CHANGED`.
    """

    gain: ChangeGain
    alone: Mapping[str, ChangeGain]
    law_error: float | None
    lost: Mapping[str, tuple[Status, str]]


@dataclass(frozen=True)
class ModelAdvice:
    """What to change in a model; `cores` are those of the machine, where a run tells them.

    Of one that was `interrupted`, what is told is that of the launches until then.
    """

    model: ToldModel
    lifts: tuple[LiftAdvice, ...]
    whole: WholeAdvice | None = None
    cores: int | None = None
    interrupted: bool = False

    @property
    def changes(self) -> dict[int, str]:
        """The strategy to put in the place of each lift that should change, by its number."""
        return {one.lift.number: one.strategy for one in self.lifts if one.is_change}


def advise_lifts(model: ToldModel, run: Run | None) -> tuple[LiftAdvice, ...]:
    """Advise on each lift of a model by the run of its inner layers; None where none was called."""
    if run is None:
        return tuple(LiftAdvice(one) for one in model.lifts)
    return tuple(_lift(model, one, run) for one in model.lifts)


def _lift(model: ToldModel, lift: ToldLift, run: Run) -> LiftAdvice:
    """Advise what means the same; beside it what is faster than that and does not, if anything."""
    setting = model.setting_of(lift)
    names = {lift.usual, *(one.case.strategy for one in run.measurements)}
    declared = {name: one.meaning for name, one in run.header.strategies.items()}
    meanings = {name: lift.meaning(declared.get(name, {})) for name in names}
    written = meanings[lift.usual]
    same = tuple(
        one
        for one in run.measurements
        if one.case.setting != setting or meanings[one.case.strategy] == written
    )
    advice = _fastest(model, lift, replace(run, measurements=same))
    of_all = _fastest(model, lift, run)
    after = meanings.get(of_all.strategy, written)
    means = {name: (old, after[name]) for name, old in written.items() if old != after[name]}
    if not means:
        return advice
    return replace(advice, faster=OtherMeaning(of_all.strategy, of_all.gain, means))


def _fastest(model: ToldModel, lift: ToldLift, run: Run) -> LiftAdvice:
    """Advise on a lift whatever its strategies mean in training."""
    setting, usual = model.setting_of(lift), lift.usual
    ranking = next((one for one in rank_run(run, (usual,)) if one.setting == setting), None)
    lost = _ends(run, setting).get(usual)
    if ranking is None or not ranking.rows:
        return LiftAdvice(lift, lost=lost)
    launches = max(len(run.measured[one.case].launches) for one in ranking.rows)
    best = recommend([ranking])
    row = ranking.row(best.strategy) if best else ranking.rows[0]
    known = any(one.case.strategy == usual for one in ranking.rows)
    gain = _gain(run, row.speed_up if known else None, Case(setting, usual), row.case)
    few = launches < MIN_LAUNCHES
    is_likely = few and gain.speed_up is not None and gain.speed_up.value >= LIKELY
    if known and not (gain.is_shown or is_likely):
        return LiftAdvice(lift, gain=gain, launches=launches)
    return LiftAdvice(lift, row.case.strategy, gain, None if known else lost, launches)


def advise_whole(model: ToldModel, run: Run) -> WholeAdvice:
    """Advise on the whole model by the run of its changes."""
    written = Case(model.setting, AS_WRITTEN)
    ranking = next(iter(rank_run(run, (AS_WRITTEN,))), None)
    speed_ups = {row.case.strategy: row.speed_up for row in ranking.rows} if ranking else {}

    def gain(name: str) -> ChangeGain:
        return _gain(run, speed_ups.get(name), written, Case(model.setting, name))

    alone = {one.label: gain(one.alone) for one in model.lifts if one.alone in speed_ups}
    changed = run.by_case.get(Case(model.setting, CHANGED))
    error = fact(changed, "law_error") if changed and changed.launches else None
    labels = {one.alone: one.label for one in model.lifts}
    ends = {labels.get(name, name): end for name, end in _ends(run, model.setting).items()}
    return WholeAdvice(gain(CHANGED), alone, error, ends)


def _ends(run: Run, setting: Setting) -> dict[str, tuple[Status, str]]:
    return {
        one.case.strategy: (one.status, one.reason)
        for one in run.measurements
        if one.case.setting == setting and one.status is not Status.MEASURED
    }


def _gain(run: Run, speed_up: SpeedUp | None, before: Case, after: Case) -> ChangeGain:
    both = [run.measured.get(one) for one in (before, after)]

    def pair(name: str) -> tuple[float, float] | None:
        values = [None if one is None else fact(one, name) for one in both]
        first, second = values
        return None if first is None or second is None else (first, second)

    return ChangeGain(speed_up, pair("first_call_seconds"), pair("peak_bytes"))
