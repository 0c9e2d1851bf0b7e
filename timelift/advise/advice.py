"""From the runs of a user's model to advice: what to change, and what each change brings.

A model is changed only where the whole of it is shown faster. A lift stays as it is where at most a
few per cent can be gained, where the whole is shown slower with it, or where every strategy breaks
the law of the whole. It is undecided while its intervals hold a gain that is worth a change.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from timelift.advise.user_model import Changes, ModelLift, UserModel, rivals_of_whole
from timelift.analyse.meaning import OtherWords, TrainedMeanings
from timelift.analyse.ranking import RankedCase, SpeedUp, rank_run
from timelift.analyse.results import Run
from timelift.analyse.stopping import CLEAR
from timelift.analyse.verdicts import MIN_LAUNCHES, WORTHWHILE, Verdict
from timelift.case import Case, Setting, Status
from timelift.journal.lines import AS_WRITTEN
from timelift.measure.header import journal_path
from timelift.measurement import fact

#: A speed-up of this many times is tried in the whole model even if a verdict would need more
#: launches: those of the whole model judge it.
LIKELY = math.exp(CLEAR)
_NOT_COMPARED = SpeedUp(math.nan, verdict=Verdict.UNDECIDED)
#: A figure of what is written and one of its rival, None where it is unknown.
Pair = tuple[float | None, float | None]


class Advice(StrEnum):
    """The verdict on a model, or on a lift in it."""

    CHANGE = "change"
    KEEP = "keep"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Outcome:
    """The result of a rival beside the code as written, for a lift alone or for the whole model.

    `speed_up` is NaN if the two were not compared. `seconds` of a call, seconds of the `first_call`
    and `peak_bytes` are pairs: before and after. `law_error` is the largest relative difference of
    outputs and gradients. `slower` is True if the rival is shown slower than the fastest. A rival
    without figures has another `status`, and a `reason`. `meaning`, of a lift, has the words for
    what training does differently, before and after, by the name of the declaration.
    """

    speed_up: SpeedUp = _NOT_COMPARED
    seconds: Pair = (None, None)
    first_call: Pair = (None, None)
    peak_bytes: Pair = (None, None)
    law_error: float | None = None
    launches: int = 0
    slower: bool = False
    status: Status = Status.MEASURED
    reason: str = ""
    meaning: OtherWords = field(default_factory=dict)

    @property
    def is_compared(self) -> bool:
        return not math.isnan(self.speed_up.value)

    @property
    def is_faster(self) -> bool:
        return self.speed_up.verdict is Verdict.FASTER

    @property
    def is_loss(self) -> bool:
        return self.speed_up.verdict is Verdict.SLOWER

    @property
    def gains_little(self) -> bool:
        """True if less can be gained than is worth a change; False where that is not known."""
        return self.launches >= MIN_LAUNCHES and self.speed_up.high <= 1 + WORTHWHILE

    @property
    def is_worth_a_try(self) -> bool:
        """True if it is faster, or undecided and likely worth a change, or has figures alone."""
        least = LIKELY if self.launches < MIN_LAUNCHES else 1 + WORTHWHILE
        is_open = self.speed_up.verdict is Verdict.UNDECIDED and self.speed_up.value >= least
        is_only = self.launches > 0 and not self.is_compared
        return self.is_faster or is_open or is_only

    @property
    def is_broken(self) -> bool:
        """True if it broke the law or failed; slow tracing may be that of the code as written."""
        return self.status not in {Status.MEASURED, Status.TRACING_LIMIT}

    @property
    def end(self) -> str:
        """How it ended without figures, and why, or ''."""
        return "" if self.status is Status.MEASURED else f"{self.status}: {self.reason}"


@dataclass(frozen=True)
class LiftAdvice:
    """What to write instead of one lift: the fastest `strategy` of the same meaning, or nothing.

    `strategy` was tried last if the verdict is not to change; it is '' if none was worth a try.
    `rivals`, among them the lift as written, were measured alone; they are sorted by time, those
    without figures last.
    """

    lift: ModelLift
    verdict: Advice
    strategy: str = ""
    rivals: Mapping[str, Outcome] = field(default_factory=dict)

    @property
    def gain(self) -> Outcome:
        """What the strategy gains alone."""
        return self.rivals.get(self.strategy, Outcome())

    @property
    def is_change(self) -> bool:
        return self.verdict is Advice.CHANGE

    @property
    def is_open(self) -> bool:
        """True if launches may decide it: a rival of its meaning has figures, or none was tried."""
        rivals = self.rivals.values()
        has_ended = rivals and all(gain.end or gain.meaning for gain in rivals)
        return self.lift.can_change and not has_ended


@dataclass(frozen=True)
class WholeRace:
    """A race of the model as written against all `changes`, and against each of several alone.

    The keys of `outcomes` are the changes made: () for the model as written.
    """

    changes: Changes
    outcomes: Mapping[Changes, Outcome]
    run: Run = field(repr=False)

    @classmethod
    def of(cls, model: UserModel, changes: Changes, run: Run) -> "WholeRace":
        by_name, names = outcomes(run, model.setting, AS_WRITTEN), rivals_of_whole(changes)
        own = {rival: by_name[name] for name, rival in names.items() if name in by_name}
        return cls(changes, own, run)


@dataclass(frozen=True)
class ModelAdvice:
    """The measurements of a model, as fields, and the advice that follows, as properties.

    The `run` of its lifts alone is None if none was measured; `races` of the whole follow. It is
    `interrupted` if Ctrl-C came where no run records it.
    """

    model: UserModel
    run: Run | None = None
    races: tuple[WholeRace, ...] = ()
    interrupted: bool = False

    @property
    def was_interrupted(self) -> bool:
        """True if it rests on the launches until Ctrl-C."""
        return self.interrupted or any(run.is_provisional for run in self.runs)

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        return (*([self.run] if self.run else []), *(race.run for race in self.races))

    @property
    def run_names(self) -> list[str]:
        """The names of its runs, as `timelift report` takes them."""
        return [journal_path(Path(), run.header).stem for run in self.runs if run.measurements]

    @cached_property
    def raced(self) -> dict[Changes, Outcome]:
        """The outcome of each set of changes in its last race; () is the model as written."""
        return {key: outcome for race in self.races for key, outcome in race.outcomes.items()}

    # What to race next ----------------------------------------------------------------------------

    @cached_property
    def tried(self) -> tuple[LiftAdvice, ...]:
        """What is known of each lift: undecided with a strategy that is worth a try."""
        return tuple(map(self._try, self.model.lifts))

    @cached_property
    def worthwhile(self) -> Changes:
        """The changes that are worth a try, without those that make the whole model slower."""
        return tuple(
            (advice.lift.number, advice.strategy)
            for advice in self.tried
            if advice.verdict is Advice.UNDECIDED and advice.strategy
        )

    @property
    def to_race(self) -> Changes:
        """What to race next in the whole model; empty if the races so far are enough.

        The gain by a single change is known from a race of several.
        """
        is_known = self.raced.get(self.worthwhile, Outcome()).speed_up.is_known
        was_raced = any(race.changes == self.worthwhile for race in self.races)
        return () if is_known or was_raced or self.was_interrupted else self.worthwhile

    def _try(self, lift: ModelLift) -> LiftAdvice:
        if self.run is None or not lift.can_change:
            return LiftAdvice(lift, Advice.UNDECIDED if lift.steps else Advice.KEEP)
        rivals = rivals_of_lift(self.model, lift, self.run)
        faster = [name for name, gain in rivals.items() if gain.is_worth_a_try and not gain.meaning]
        if not faster:
            open_ones = [gain for gain in rivals.values() if not (gain.end or gain.meaning)]
            is_kept = open_ones and all(gain.gains_little for gain in open_ones)
            return LiftAdvice(lift, Advice.KEEP if is_kept else Advice.UNDECIDED, rivals=rivals)
        raced = {} if self.raced.get((), Outcome()).end else self.raced  # what fails as written too
        whole = {name: raced.get(((lift.number, name),), Outcome()) for name in faster}
        best = next((name for name in faster if not whole[name].is_broken), faster[-1])
        is_kept = whole[best].is_broken or whole[best].is_loss
        return LiftAdvice(lift, Advice.KEEP if is_kept else Advice.UNDECIDED, best, rivals)

    # What is decided ------------------------------------------------------------------------------

    @cached_property
    def advised(self) -> Changes:
        """The changes to advise: the fewest that were not shown slower than the fastest.

        Nothing is advised if the inputs would not show a change of meaning.
        """
        for race in () if self.model.constant or self.model.unpadded else reversed(self.races):
            shown = [
                (outcome.slower, len(changes), -outcome.speed_up.value, changes)
                for changes, outcome in race.outcomes.items()
                if outcome.is_faster and {*changes} <= {*self.worthwhile}
            ]
            if shown:
                return min(shown)[-1]
        return ()

    @property
    def judged(self) -> Changes:
        """The changes of the verdict: advised, else worth a try; if not raced, the last raced."""
        judged = self.advised or self.worthwhile
        is_raced = judged and judged in self.raced
        return self.races[-1].changes if self.races and not is_raced else judged

    @property
    def gain(self) -> Outcome:
        return self.raced.get(self.judged, Outcome())

    @cached_property
    def lifts(self) -> tuple[LiftAdvice, ...]:
        """The verdict on each lift, which the whole model decides."""
        return tuple(map(self._judge, self.tried))

    def _judge(self, advice: LiftAdvice) -> LiftAdvice:
        change = advice.lift.number, advice.strategy
        if change in self.advised:
            return replace(advice, verdict=Advice.CHANGE)
        worthwhile = {*self.worthwhile}
        with_it = [own for key, own in self.raced.items() if change in key and {*key} <= worthwhile]
        is_nothing = with_it and all(own.gains_little for own in with_it)
        is_kept = change in worthwhile and (self.advised or is_nothing)
        return replace(advice, verdict=Advice.KEEP) if is_kept else advice

    @property
    def verdict(self) -> Advice:
        verdicts = {advice.verdict for advice in self.lifts}
        if Advice.CHANGE in verdicts:
            return Advice.CHANGE
        return Advice.UNDECIDED if Advice.UNDECIDED in verdicts else Advice.KEEP

    @property
    def wants_launches(self) -> bool:
        """True if nothing but the number of launches keeps it from an answer."""
        undecided = [one for one in self.lifts if one.verdict is Advice.UNDECIDED]
        is_open = self.verdict is Advice.UNDECIDED and any(one.is_open for one in undecided)
        has_ended = any(outcome.end for outcome in self.raced.values()) or self.was_interrupted
        return is_open and bool(self.runs) and not has_ended


# What the runs show ------------------------------------------------------------------------------


def rivals_of_lift(model: UserModel, lift: ModelLift, run: Run) -> dict[str, Outcome]:
    """Return what was measured of a lift, the fastest first, and then what has no figures."""
    meanings, alone = TrainedMeanings(run), model.setting_of(lift)
    rivals, written = outcomes(run, alone, lift.usual), meanings.words(Case(alone, lift.usual))
    for name in (name for name, outcome in rivals.items() if not outcome.end):
        changes = lift.differences(written, meanings.words(Case(alone, name)))
        rivals[name] = replace(rivals[name], meaning=changes)
    return rivals


def outcomes(run: Run, setting: Setting, written: str) -> dict[str, Outcome]:
    """Return what each strategy shows beside that written, by its name, sorted by time."""
    rankings = (each for each in rank_run(run, (written,)) if each.setting == setting)
    rows = {row.case: row for ranking in rankings for row in ranking.all_rows}
    ended = [each.case for each in run.without_result if each.case.setting == setting]
    usual = Case(setting, written)
    return {case.strategy: _outcome(run, usual, case, rows) for case in (*rows, *ended)}


def _outcome(run: Run, written: Case, case: Case, rows: Mapping[Case, RankedCase]) -> Outcome:
    def pair(value: Callable[[Case], float | None]) -> Pair:
        first, second = (value(each) if each in rows else None for each in (written, case))
        return first, second

    end, row = run.by_case[case], rows.get(case)
    if row is None:
        return Outcome(status=end.status, reason=end.reason)
    return Outcome(
        speed_up=row.speed_up or _NOT_COMPARED,
        seconds=pair(lambda each: rows[each].seconds_per_call.value),
        first_call=pair(lambda each: fact(run.by_case[each], "first_call_seconds")),
        peak_bytes=pair(lambda each: fact(run.by_case[each], "peak_bytes")),
        law_error=fact(end, "law_error"),
        launches=row.launches,
        slower=row.verdict is Verdict.SLOWER,
    )
