"""From the runs of a user's model to what is raced next, and to the verdicts on it and its lifts.

A model is changed only where the whole of it is shown faster. A lift with which it is shown slower
stays as it is, and so does one of which every strategy breaks the law of the whole model.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from timelift.advise.advice import (
    Advice,
    Gain,
    LiftAdvice,
    ModelAdvice,
    WholeAdvice,
    advise_lifts,
)
from timelift.advise.user_model import UserModel
from timelift.analyse.results import Run
from timelift.analyse.stopping import LOOKS, ranking_plan, unsettled
from timelift.analyse.verdicts import MIN_LAUNCHES
from timelift.measure.request import RunOptions

#: Strategies by the numbers of the lifts that they are written instead of.
Changes = Mapping[int, str]
#: How much longer than a launch of this advice one of the next may take.
_MARGIN = 1.25
#: Seconds above which a budget is told in minutes.
_MOST_IN_TENS = 100


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
        return advise_lifts(self.model, self.run, broke)

    @cached_property
    def worthwhile(self) -> Changes:
        """The changes that are worth a try, without those that make the whole model slower."""
        losers = {
            number
            for race in self.races
            for number, name in race.changes.items()
            if (gain := race.gain_by({number: name})) and gain.is_loss
        }
        return {
            advice.lift.number: advice.strategy
            for advice in self.lifts
            if advice.verdict is Advice.UNDECIDED
            and advice.strategy
            and advice.lift.number not in losers
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
        gains = (race.gain_by(changes) for race in reversed(self.races))
        return next(filter(None, gains), None)

    @cached_property
    def decided(self) -> tuple[WholeAdvice | None, Changes]:
        """The changes to advise, and the race in which the model is shown faster by them.

        Of the sets of a race it is the smallest that was not shown slower than the fastest. Outputs
        that are constant are no evidence that a change keeps them.
        """
        for race in () if self.model.constant else reversed(self.races):
            usable = [
                raced
                for raced in race.sets
                if raced.gain.is_shown and raced.changes.items() <= self.worthwhile.items()
            ]
            if usable:
                return race, min(usable, key=lambda raced: raced.preference).changes
        return None, {}

    def advice(self, options: RunOptions, *, interrupted: bool = False) -> ModelAdvice:
        """Return the verdicts on the model and on each lift of it; `options` are those of a run."""
        race, advised = self.decided
        lifts = tuple(map(self._judged, self.lifts))
        verdicts = {advice.verdict for advice in lifts}
        order = (Advice.CHANGE, Advice.UNDECIDED)
        runs = [self.run, *(each.run for each in self.races)]
        advice = ModelAdvice(
            self.model,
            next((verdict for verdict in order if verdict in verdicts), Advice.KEEP),
            lifts,
            whole=race or next(reversed(self.races), None),
            gain=self.gain_by(advised or self.worthwhile) or Gain(),
            cores=self.run.header.machine.identity.get("cores") if self.run else None,
            interrupted=interrupted,
            runs=tuple(run.header.id for run in runs if run and run.header.id),
        )
        return replace(advice, budget=self._budget(advice, options))

    def _judged(self, advice: LiftAdvice) -> LiftAdvice:
        """Return the advice on a lift with its verdict, which the whole model decides."""
        number, (_, advised) = advice.lift.number, self.decided
        gain, verdict = self.gain_by(self.worthwhile), advice.verdict
        is_settled = number not in self.worthwhile or advised or (gain and gain.is_nothing)
        if number in advised:
            verdict = Advice.CHANGE
        elif advice.strategy and is_settled:
            verdict = Advice.KEEP
        in_whole = self.gain_by({number: advice.strategy})
        return replace(advice, verdict=verdict, in_whole=in_whole)

    def _budget(self, advice: ModelAdvice, options: RunOptions) -> float | None:
        """Return the seconds in which all runs would have the launches that they lack, or None.

        The lifts have half of a budget, and the whole model what they leave. Where that was not
        raced, its launches are taken to be as long as those of the lifts.
        """
        open_lifts = [each for each in advice.lifts if each.verdict is Advice.UNDECIDED]
        last = next(reversed(self.races), None)
        has_failed = last is not None and bool(last.lost)
        if not open_lifts or advice.interrupted or self.model.constant or has_failed:
            return None
        race = last.run if last else None
        lifts_lack = not all(each.strategy for each in open_lifts)
        whole_lacks = any(each.strategy for each in open_lifts)
        of_lifts = _seconds_of(self.run, _launches_needed(self.run, options, lacks=lifts_lack))
        of_whole = _seconds_of(race or self.run, _launches_needed(race, options, lacks=whole_lacks))
        seconds = _MARGIN * max(2 * of_lifts, of_lifts + of_whole)
        unit = 60 if seconds > _MOST_IN_TENS else 10
        return math.ceil(seconds / unit) * unit if math.isfinite(seconds) else None


def _launches(run: Run | None) -> int:
    return max((len(each.launches) for each in run.measurements), default=0) if run else 0


def _seconds_of(run: Run | None, launches: float) -> float:
    """Return how long so many launches of a run take; infinite if unknown."""
    played = _launches(run)
    return launches * run.seconds / played if run and run.seconds and played else math.inf


def _launches_needed(run: Run | None, options: RunOptions, *, lacks: bool) -> float:
    """Return how many launches a run would need; infinite if it lacks some and had use for none."""
    played = _launches(run)
    if run and not lacks:
        return max(played, MIN_LAUNCHES)
    is_unsettled = (
        run is None
        or played < options.launches.fewest
        or unsettled(run.measurements, ranking_plan(options.precision))
    )
    looks = (look for look in LOOKS if played < look <= options.launches.most)
    return next(looks, math.inf) if is_unsettled else math.inf
