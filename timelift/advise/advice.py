"""From the runs of a user's model to advice: what to change, and what each change brings."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from timelift.advise.user_model import AS_WRITTEN, CHANGED, ModelLift, UserModel
from timelift.analyse.ranking import SpeedUp, rank_run
from timelift.analyse.recommend import recommend
from timelift.analyse.results import Run
from timelift.analyse.stopping import CLEAR
from timelift.analyse.verdicts import MIN_LAUNCHES
from timelift.case import Case, Setting, Status
from timelift.measurement import fact

#: A speed-up of this many times is tried in the whole model even if a verdict would need more
#: launches: those of the whole model judge it.
LIKELY = math.exp(CLEAR)


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


@dataclass(frozen=True)
class OtherMeaning:
    """A strategy that is faster than the advised one, and means another thing in training.

    `means` has the declared words that differ, before and after, by the name of the declaration.
    """

    strategy: str
    gain: Gain
    means: Mapping[str, tuple[str, str]]


@dataclass(frozen=True)
class LiftAdvice:
    """What to write instead of one lift: the fastest `strategy` of the same meaning, or nothing.

    A strategy that is not shown to be faster is not advised, but `gain` is its gain. If the
    strategy as written has no figures, `lost` tells how it ended and why; else it is ''.
    """

    lift: ModelLift
    strategy: str = ""
    gain: Gain = Gain()
    lost: str = ""
    launches: int = 0
    faster: OtherMeaning | None = None

    @property
    def is_change(self) -> bool:
        return bool(self.strategy)

    @property
    def is_known(self) -> bool:
        """True if there are enough launches for a verdict, or the lift is not called at all."""
        return self.launches >= MIN_LAUNCHES or not self.lift.steps


@dataclass(frozen=True)
class WholeAdvice:
    """The `gain` of the whole model by all changes, and that of each change `alone`.

    `alone` has it by the label of the lift. `law_error` is the largest relative difference of
    outputs and gradients. `lost` tells how rivals without figures ended and why, by the label of a
    lift, or `AS_WRITTEN` or `CHANGED`.
    """

    gain: Gain
    alone: Mapping[str, Gain]
    law_error: float | None
    lost: Mapping[str, str]


@dataclass(frozen=True)
class ModelAdvice:
    """What to change in a model; `cores` of the machine are None if nothing was measured.

    An `interrupted` one rests on the launches until then.
    """

    model: UserModel
    lifts: tuple[LiftAdvice, ...]
    whole: WholeAdvice | None = None
    cores: int | None = None
    interrupted: bool = False

    @property
    def changes(self) -> dict[int, str]:
        """The strategy to put in the place of each lift that should change, by its number."""
        return {advice.lift.number: advice.strategy for advice in self.lifts if advice.is_change}


def advise_lifts(model: UserModel, run: Run | None) -> tuple[LiftAdvice, ...]:
    """Advise on each lift of a model; `run` is that of its inner layers, None if none is called."""
    return tuple(
        _advise_lift(model, lift, run) if run else LiftAdvice(lift) for lift in model.lifts
    )


def _advise_lift(model: UserModel, lift: ModelLift, run: Run) -> LiftAdvice:
    """Advise the fastest strategy of the same meaning, and name a faster one of another meaning."""
    setting = model.setting_of(lift)
    declared = {name: entry.meaning for name, entry in run.header.strategies.items()}
    names = {lift.usual, *(measurement.case.strategy for measurement in run.measurements)}
    meanings = {name: lift.meaning(declared.get(name, {})) for name in names}
    written = meanings[lift.usual]
    same_meaning = tuple(
        measurement
        for measurement in run.measurements
        if measurement.case.setting != setting or meanings[measurement.case.strategy] == written
    )
    advice = _fastest(setting, lift, replace(run, measurements=same_meaning))
    fastest = _fastest(setting, lift, run)
    after = meanings.get(fastest.strategy, written)
    means = {name: (word, after[name]) for name, word in written.items() if word != after[name]}
    if not means:
        return advice
    return replace(advice, faster=OtherMeaning(fastest.strategy, fastest.gain, means))


def _fastest(setting: Setting, lift: ModelLift, run: Run) -> LiftAdvice:
    """Advise the fastest strategy of a run in this setting, whatever its meaning in training."""
    rankings = rank_run(run, (lift.usual,))
    ranking = next((ranking for ranking in rankings if ranking.setting == setting), None)
    lost = _without_figures(run, setting).get(lift.usual, "")
    if ranking is None or not ranking.rows:
        return LiftAdvice(lift, lost=lost)
    launches = max(len(run.measured[row.case].launches) for row in ranking.rows)
    best = recommend([ranking])
    row = ranking.row(best.strategy) if best else ranking.rows[0]
    has_usual = any(row.case.strategy == lift.usual for row in ranking.rows)
    speed_up = row.speed_up if has_usual else None
    gain = _gain(run, speed_up, Case(setting, lift.usual), row.case)
    is_likely = launches < MIN_LAUNCHES and speed_up is not None and speed_up.value >= LIKELY
    if has_usual and not (gain.is_shown or is_likely):
        return LiftAdvice(lift, gain=gain, launches=launches)
    return LiftAdvice(lift, row.case.strategy, gain, "" if has_usual else lost, launches)


def advise_whole(model: UserModel, run: Run) -> WholeAdvice:
    """Advise on the whole model by the run of its changes."""
    written, changed = (Case(model.setting, name) for name in (AS_WRITTEN, CHANGED))
    ranking = next(iter(rank_run(run, (AS_WRITTEN,))), None)
    speed_ups = {row.case: row.speed_up for row in ranking.rows} if ranking else {}

    def gain(case: Case) -> Gain:
        return _gain(run, speed_ups.get(case), written, case)

    alone = {lift.label: Case(model.setting, lift.alone) for lift in model.lifts}
    measured = run.by_case.get(changed)
    labels = {lift.alone: lift.label for lift in model.lifts}
    lost = _without_figures(run, model.setting)
    return WholeAdvice(
        gain(changed),
        {label: gain(case) for label, case in alone.items() if case in speed_ups},
        fact(measured, "law_error") if measured and measured.launches else None,
        {labels.get(name, name): end for name, end in lost.items()},
    )


def _without_figures(run: Run, setting: Setting) -> dict[str, str]:
    """Return how each strategy without figures ended in a setting, and why, by name."""
    return {
        measurement.case.strategy: f"{measurement.status}: {measurement.reason}"
        for measurement in run.measurements
        if measurement.case.setting == setting and measurement.status is not Status.MEASURED
    }


def _gain(run: Run, speed_up: SpeedUp | None, before: Case, after: Case) -> Gain:
    def pair(name: str) -> tuple[float, float] | None:
        first, second = (
            fact(run.measured[case], name) if case in run.measured else None
            for case in (before, after)
        )
        return None if first is None or second is None else (first, second)

    return Gain(speed_up, pair("first_call_seconds"), pair("peak_bytes"))
