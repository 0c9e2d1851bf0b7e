"""From the runs of a user's model to advice: what to change, and what each change brings."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from timelift.advise.user_model import AS_WRITTEN, CHANGED, ModelLift, UserModel
from timelift.analyse.estimates import Interval
from timelift.analyse.ranking import Ranking, SpeedUp, rank_run
from timelift.analyse.recommend import recommend
from timelift.analyse.results import Run
from timelift.analyse.stopping import CLEAR
from timelift.analyse.verdicts import MIN_LAUNCHES
from timelift.case import Case, Setting, Status
from timelift.measurement import fact

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
    `in_whole` is the gain of the whole model by this change alone. If the strategy as written has
    no figures, `lost` tells how it ended and why; else it is ''.
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
    def is_known(self) -> bool:
        """True if there are enough launches for a verdict, or the lift is not called at all."""
        return self.launches >= MIN_LAUNCHES or not self.lift.steps


@dataclass(frozen=True)
class WholeAdvice:
    """The `gain` of the whole model by `changes`, and that of each of them `alone`.

    `changes` are the strategies that were raced together, by the number of a lift. `seconds` are
    those of a call as written. `alone` has gains by the label of the lift. `law_error` is the
    largest relative difference of outputs and gradients. `lost` tells how rivals without figures
    ended and why, by the label of a lift, or `AS_WRITTEN` or `CHANGED`.
    """

    changes: Mapping[int, str]
    seconds: Interval | None
    gain: Gain
    alone: Mapping[str, Gain]
    law_error: float | None
    lost: Mapping[str, str]


@dataclass(frozen=True)
class ModelAdvice:
    """What to change in a model; `cores` of the machine are None if nothing was measured.

    An `interrupted` one rests on the launches until then. `runs` are the names of its runs, and
    `budget` has the seconds that would have done where it is undecided for want of time.
    """

    model: UserModel
    verdict: Advice
    lifts: tuple[LiftAdvice, ...]
    whole: WholeAdvice | None = None
    cores: int | None = None
    interrupted: bool = False
    runs: tuple[str, ...] = ()
    budget: float | None = None

    @property
    def advised(self) -> dict[int, str]:
        """The strategy to write instead of each lift that should change, by its number."""
        return {advice.lift.number: advice.strategy for advice in self.lifts if advice.is_change}


def advise_model(
    model: UserModel,
    lifts: tuple[LiftAdvice, ...],
    whole: WholeAdvice | None = None,
    *,
    interrupted: bool = False,
) -> ModelAdvice:
    """Advise on a model by what is known of its lifts and of the whole."""
    verdict = Advice.KEEP if all(advice.is_known for advice in lifts) else Advice.UNDECIDED
    if any(advice.is_change for advice in lifts):
        verdict = Advice.CHANGE
    return ModelAdvice(model, verdict, lifts, whole, interrupted=interrupted)


def advise_lifts(model: UserModel, run: Run | None) -> tuple[LiftAdvice, ...]:
    """Advise on each lift of a model; `run` is that of its inner layers, None if none is called."""
    return tuple(
        _advise_lift(model, lift, run) if run and lift.steps else LiftAdvice(lift, Advice.KEEP)
        for lift in model.lifts
    )


def _advise_lift(model: UserModel, lift: ModelLift, run: Run) -> LiftAdvice:
    """Advise the fastest strategy of the same meaning in training."""
    setting = model.setting_of(lift)
    rivals = _rivals(lift, setting, run)
    changed = {rival.strategy for rival in rivals if rival.means}
    same_meaning = tuple(
        measurement
        for measurement in run.measurements
        if measurement.case.setting == setting and measurement.case.strategy not in changed
    )
    advice = _fastest(setting, lift, replace(run, measurements=same_meaning))
    seconds = next((rival.seconds for rival in rivals if rival.strategy == lift.usual), None)
    return replace(advice, seconds=seconds, rivals=rivals)


def _rivals(lift: ModelLift, setting: Setting, run: Run) -> tuple[Rival, ...]:
    """Return what was measured of a lift, the fastest first, and then what has no figures."""
    declared = {name: entry.meaning for name, entry in run.header.strategies.items()}
    ranking = _ranking(run, setting, lift.usual)
    rows = {row.case.strategy: row for row in ranking.rows} if ranking else {}
    lost = _without_figures(run, setting)
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


def _ranking(run: Run, setting: Setting, usual: str) -> Ranking | None:
    rankings = rank_run(run, (usual,))
    return next((ranking for ranking in rankings if ranking.setting == setting), None)


def _fastest(setting: Setting, lift: ModelLift, run: Run) -> LiftAdvice:
    """Advise the fastest strategy of a run in this setting, whatever its meaning in training."""
    ranking = _ranking(run, setting, lift.usual)
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
        verdict = Advice.KEEP if launches >= MIN_LAUNCHES else Advice.UNDECIDED
        return LiftAdvice(lift, verdict, gain=gain, launches=launches)
    lost = "" if has_usual else lost
    return LiftAdvice(
        lift, Advice.CHANGE, row.case.strategy, gain=gain, launches=launches, lost=lost
    )


def advise_whole(model: UserModel, changes: Mapping[int, str], run: Run) -> WholeAdvice:
    """Advise on the whole model by the run of its changes."""
    written, changed = (Case(model.setting, name) for name in (AS_WRITTEN, CHANGED))
    ranking = next(iter(rank_run(run, (AS_WRITTEN,))), None)
    rows = {row.case: row for row in ranking.rows} if ranking else {}

    def gain(case: Case) -> Gain:
        return _gain(run, rows[case].speed_up if case in rows else None, written, case)

    alone = {lift.label: Case(model.setting, lift.alone) for lift in model.lifts}
    measured = run.by_case.get(changed)
    labels = {lift.alone: lift.label for lift in model.lifts}
    lost = _without_figures(run, model.setting)
    return WholeAdvice(
        dict(changes),
        rows[written].seconds_per_call if written in rows else None,
        gain(changed),
        {label: gain(case) for label, case in alone.items() if case in rows},
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
