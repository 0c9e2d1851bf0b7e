"""From the runs of a user's model to advice: what to change, and what each change brings.

A model is changed only where the whole of it is shown faster, or where its first call gets much
shorter and no other is shown slower. A lift stays as it is where at most a few per cent can be
gained, where the whole is shown slower with it, or where every strategy breaks the law of the
whole. It is undecided while its intervals hold a gain that is worth a change.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from pathlib import Path

from timelift.advise.user_model import NO_CHANGE, Changes, ModelLift, UserModel, rivals_of_whole
from timelift.analyse.in_fit import gain_in_fit
from timelift.analyse.meaning import OtherWords, TrainedMeanings
from timelift.analyse.ranking import RankedCase, SpeedUp, rank_run
from timelift.analyse.results import Run
from timelift.analyse.stopping import CLEAR
from timelift.analyse.verdicts import MIN_LAUNCHES, WORTHWHILE, Verdict, first_call_decides
from timelift.axis_values import UNSERVED, Status
from timelift.case import Case, Setting
from timelift.journal.lines import AS_WRITTEN
from timelift.measure.header import journal_path
from timelift.measurement import fact
from timelift.source import ADDED

#: A speed-up of this many times is tried in the whole model even if a verdict would need more
#: launches: those of the whole model judge it.
LIKELY = math.exp(CLEAR)
#: Strategies that call the very layer inside of a lift, so that its weights stay where they are,
#: the plainest code first.
IN_PLACE = ("native", "fold_time", "vectorized_map")
#: Those that fold a few steps at a time, and need less memory: without and with computing again
#: what backpropagation needs, which draws noise once more.
_CHUNKS, _CHUNKS_ANEW = IN_CHUNKS = ("fold_chunks[k=8]", "fold_chunks[k=8,remat=True]")
#: Share by which plainer code may look slower than the fastest, where that is not shown.
_MOST_OF_NOISE = 0.15
#: A change that takes more times the peak memory of what is written is tried in chunks, too.
_MOST_PEAK = 2.0
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

    `speed_up` is NaN if the two were not compared, and that `in_fit` if it is unknown. `seconds` of
    a call, seconds of the `first_call` and `peak_bytes` are pairs: before and after. `law_error` is
    the largest relative difference of outputs and gradients. `slower` is True if the rival is shown
    slower than the fastest. A rival without figures has another `status`, and a `reason`.
    `meaning`, of a lift, has the words for what training does differently, before and after, by the
    name of the declaration.
    """

    speed_up: SpeedUp = _NOT_COMPARED
    in_fit: float = math.nan
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
    def starts_sooner(self) -> bool:
        """True if a first call that counts gets shorter, and a call is not shown slower."""
        before, after = self.first_call
        if before is None or after is None or before <= after or self.is_loss:
            return False
        return self.launches >= MIN_LAUNCHES and first_call_decides(before, after)

    @property
    def is_better(self) -> bool:
        return self.is_faster or self.starts_sooner

    @property
    def is_loss(self) -> bool:
        return self.speed_up.verdict is Verdict.SLOWER

    @property
    def gains_little(self) -> bool:
        """True if less can be gained than is worth a change; False where that is not known."""
        return self.launches >= MIN_LAUNCHES and self.speed_up.high <= 1 + WORTHWHILE

    @property
    def is_worth_a_try(self) -> bool:
        """True if it is better, or undecided and likely worth a change, or has figures alone."""
        least = LIKELY if self.launches < MIN_LAUNCHES else 1 + WORTHWHILE
        is_open = self.speed_up.verdict is Verdict.UNDECIDED and self.speed_up.value >= least
        is_only = self.launches > 0 and not self.is_compared
        return self.is_better or is_open or is_only

    @property
    def is_broken(self) -> bool:
        """True if it broke the law or failed; slow tracing may be that of the code as written."""
        return self.status not in {Status.MEASURED, Status.TRACING_LIMIT}

    @property
    def is_unusable(self) -> bool:
        """True if a runtime does not run it, or computes something else."""
        return self.status in UNSERVED | {Status.LAW_BROKEN}

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

    The keys of `outcomes` are the changes made: `NO_CHANGE` for the model as written.
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
    """What `decide` makes of the measurements of a model.

    The `run` of its lifts alone is None if none was measured; `races` of the whole follow. `raced`
    has the outcome of each set of changes in its last race. `worthwhile` are the changes that are
    worth a try, `advised` those to make, and `judged` those of the verdict.
    """

    model: UserModel
    run: Run | None
    races: tuple[WholeRace, ...]
    runs: tuple[Run, ...]
    #: True if it rests on the launches until Ctrl-C.
    was_interrupted: bool
    raced: Mapping[Changes, Outcome]
    worthwhile: Changes
    advised: Changes
    judged: Changes
    lifts: tuple[LiftAdvice, ...]

    @property
    def run_names(self) -> list[str]:
        """The names of its runs, as `timelift report` takes them."""
        return [journal_path(Path(), run.header).stem for run in self.runs if run.measurements]

    @property
    def to_race(self) -> Changes:
        """What to race next in the whole model; empty if the races so far are enough.

        The gain by a single change is known from a race of several. Where the change that is
        advised takes much memory, it is raced in chunks, too.
        """
        is_known = self.raced.get(self.worthwhile, Outcome()).speed_up.is_known
        were_raced = [NO_CHANGE, *(race.changes for race in self.races)]
        to_race = NO_CHANGE if is_known else self.worthwhile
        if to_race in were_raced:
            to_race = self._in_chunks
        return NO_CHANGE if to_race in were_raced or self.was_interrupted else to_race

    @property
    def _in_chunks(self) -> Changes:
        """The changes that are advised, in chunks; empty if they take no more memory."""
        before, after = self.gain.peak_bytes
        if not (self.advised and before and after and after > _MOST_PEAK * before):
            return NO_CHANGE
        own = {one.lift.number: _in_chunks(one.lift) for one in self.lifts}
        return tuple((number, own[number] or name) for number, name in self.advised)

    @property
    def gain(self) -> Outcome:
        return self.raced.get(self.judged, Outcome())

    @property
    def as_written(self) -> Outcome:
        """How the whole model as it is written did in the last race, if there was one."""
        return self.raced.get(NO_CHANGE, Outcome())

    @property
    def verdict(self) -> Advice:
        verdicts = [Advice.KEEP, *(lift.verdict for lift in self.lifts)]
        return max(verdicts, key=[Advice.KEEP, Advice.UNDECIDED, Advice.CHANGE].index)

    @property
    def wants_launches(self) -> bool:
        """True if nothing but the number of launches keeps it from an answer."""
        has_ended = any(outcome.end for outcome in self.raced.values()) or self.was_interrupted
        return (
            self.verdict is Advice.UNDECIDED
            and any(lift.is_open for lift in self.lifts if lift.verdict is Advice.UNDECIDED)
            and bool(self.runs)
            and not has_ended
        )


# The decision ------------------------------------------------------------------------------------


def decide(
    model: UserModel,
    run: Run | None = None,
    races: Iterable[WholeRace] = (),
    *,
    interrupted: bool = False,
) -> ModelAdvice:
    """Decide what to change by the run of the lifts alone and the races of the whole model.

    It is `interrupted` if Ctrl-C came where no run records it.
    """
    races = tuple(races)
    runs = (*([run] if run else []), *(race.run for race in races))
    raced = {changes: one for race in races for changes, one in race.outcomes.items()}
    tried = [_try(model, lift, run, raced) for lift in model.lifts]
    worthwhile = tuple(
        (advice.lift.number, advice.strategy)
        for advice in tried
        if advice.verdict is Advice.UNDECIDED and advice.strategy
    )
    is_blind = model.constant or model.unpadded  # its outputs would show no change of meaning
    advised = () if is_blind else _fastest(races, worthwhile)
    judged = advised or worthwhile
    if races and not (judged and judged in raced):
        judged = races[-1].changes
    return ModelAdvice(
        model=model,
        run=run,
        races=races,
        runs=runs,
        was_interrupted=interrupted or any(own.is_provisional for own in runs),
        raced=raced,
        worthwhile=worthwhile,
        advised=advised,
        judged=judged,
        lifts=tuple(_judge(advice, worthwhile, advised, raced) for advice in tried),
    )


def _try(
    model: UserModel, lift: ModelLift, run: Run | None, raced: Mapping[Changes, Outcome]
) -> LiftAdvice:
    """Return what is known of a lift alone: undecided with a strategy that is worth a try.

    A strategy with which the whole model is broken or slower is not. Where a model is served, the
    fastest strategy is tried in any case, since the model as written may not be.
    """
    if run is None or not lift.can_change:
        return LiftAdvice(lift, Advice.UNDECIDED if lift.steps else Advice.KEEP)
    rivals = rivals_of_lift(model, lift, run)
    faster = [name for name, gain in rivals.items() if gain.is_worth_a_try and not gain.meaning]
    ended = (*rivals.values(), *(raced.get(((lift.number, name),), Outcome()) for name in rivals))
    if any(one.status is Status.OUT_OF_MEMORY for one in ended) and (chunked := _in_chunks(lift)):
        faster.append(chunked)
    if model.runtime and not faster:  # which may not serve the whole model as it is written
        faster = [name for name, gain in rivals.items() if gain.launches and name != lift.usual]
    if not faster:
        open_ones = [gain for gain in rivals.values() if not (gain.end or gain.meaning)]
        is_kept = open_ones and all(gain.gains_little for gain in open_ones)
        return LiftAdvice(lift, Advice.KEEP if is_kept else Advice.UNDECIDED, rivals=rivals)
    fails = bool(raced.get(NO_CHANGE, Outcome()).end)
    if fails and not model.runtime:
        raced = {}  # the model fails as it is written, too
    whole = {name: raced.get(((lift.number, name),), Outcome()) for name in faster}
    faster.sort(key=partial(_place, rivals, faster[0]))
    tried = faster[0 if fails else -1]  # the last one, or the best where none is to blame
    best = next((name for name in faster if not whole[name].is_broken), tried)
    is_kept = whole[best].is_loss or (whole[best].is_broken and not fails)
    return LiftAdvice(lift, Advice.KEEP if is_kept else Advice.UNDECIDED, best, rivals)


def _place(rivals: Mapping[str, Outcome], fastest: str, name: str) -> tuple[int, int]:
    """Return the place of a rival among those to try, the least first: of a tie, plainer code."""
    if name in IN_CHUNKS:
        return 2, 0
    own, least = (rivals[each].seconds[1] or math.inf for each in (name, fastest))
    is_tie = not rivals[name].slower and own <= least * (1 + _MOST_OF_NOISE)
    return (0, IN_PLACE.index(name)) if is_tie else (1, 0)


def _in_chunks(lift: ModelLift) -> str:
    """Return the strategy that folds a few steps at a time, or '' if it would train otherwise."""
    added = {*lift.added}
    if added - {ADDED["DROPOUT"]}:
        return ""
    return _CHUNKS if added else _CHUNKS_ANEW


def _fastest(races: Sequence[WholeRace], worthwhile: Changes) -> Changes:
    """Return the fastest changes of the last race which shows any better; of a tie, the fewest.

    Where the runtime does not serve the model as written, they need not be shown faster than that.
    """
    tried = {name for _, name in worthwhile}
    for race in reversed(races):
        if any(name in IN_CHUNKS and name not in tried for _, name in race.changes):
            continue  # for its memory
        runs = {key: one for key, one in race.outcomes.items() if one.launches}
        if runs and race.outcomes.get(NO_CHANGE, Outcome()).is_unusable:
            return _fastest_of(runs)
        shown = {
            changes: outcome
            for changes, outcome in race.outcomes.items()
            if outcome.is_better and {*changes} <= {*worthwhile}
        }
        if shown:
            return _fastest_of(shown)
    return NO_CHANGE


def _fastest_of(raced: Mapping[Changes, Outcome]) -> Changes:
    """Return the fastest of several changes; of those that are hardly slower, the fewest."""
    seconds = {changes: one.seconds[1] or math.inf for changes, one in raced.items()}
    most = min(seconds.values()) * (1 + WORTHWHILE)
    ties = [each for each in raced if not raced[each].slower and seconds[each] <= most]
    return min(ties or raced, key=lambda changes: (len(changes), seconds[changes], changes))


def _judge(
    advice: LiftAdvice, worthwhile: Changes, advised: Changes, raced: Mapping[Changes, Outcome]
) -> LiftAdvice:
    """Return the verdict on a lift that was tried, which the whole model decides."""
    change = advice.lift.number, advice.strategy
    if change in advised:
        return replace(advice, verdict=Advice.CHANGE)
    if change not in worthwhile:
        return advice
    with_it = [one for key, one in raced.items() if change in key and {*key} <= {*worthwhile}]
    is_kept = advised or (with_it and all(one.gains_little for one in with_it))
    return replace(advice, verdict=Advice.KEEP) if is_kept else advice


# What the runs show ------------------------------------------------------------------------------


def rivals_of_lift(model: UserModel, lift: ModelLift, run: Run) -> dict[str, Outcome]:
    """Return what was measured of a lift, the fastest first, and then what has no figures."""
    meanings, alone = TrainedMeanings(run), model.setting_of(lift)
    rivals, written = outcomes(run, alone, lift.usual), meanings.words(Case(alone, lift.usual))
    for name, outcome in rivals.items():
        if not outcome.end:
            changes = lift.differences(written, meanings.words(Case(alone, name)))
            rivals[name] = replace(outcome, meaning=changes)
    return rivals


def outcomes(run: Run, setting: Setting, written: str) -> dict[str, Outcome]:
    """Return what each strategy shows beside that written, by its name, sorted by time."""
    rankings = (each for each in rank_run(run, (written,)) if each.setting == setting)
    rows = {row.case: row for ranking in rankings for row in ranking.all_rows}
    ended = [each for each in run.without_result if each.case.setting == setting]
    before = rows.get(Case(setting, written))
    timed = {case.strategy: _outcome(run, before, row) for case, row in rows.items()}
    without = {
        each.case.strategy: Outcome(status=each.status, reason=each.reason) for each in ended
    }
    return timed | without


def _outcome(run: Run, before: RankedCase | None, row: RankedCase) -> Outcome:
    """Return the outcome of a rival beside the code as written, None where that has no figures."""
    seconds, first_call, peak_bytes = zip(_figures(run, before), _figures(run, row), strict=True)
    return Outcome(
        speed_up=row.speed_up or _NOT_COMPARED,
        in_fit=gain_in_fit(run, row),
        seconds=seconds,
        first_call=first_call,
        peak_bytes=peak_bytes,
        law_error=fact(run.by_case[row.case], "law_error"),
        launches=row.launches,
        slower=row.verdict is Verdict.SLOWER,
    )


def _figures(run: Run, row: RankedCase | None) -> tuple[float | None, float | None, float | None]:
    """Return seconds of a call, seconds of the first call, and peak bytes."""
    if row is None:
        return None, None, None
    own = run.by_case[row.case]
    return row.seconds_per_call.value, fact(own, "first_call_seconds"), fact(own, "peak_bytes")
