"""When to stop: which cases need another launch, and which are settled.

A setting of a ranking stops by price: when choosing the rival that looks fastest is known to cost
at most the precision asked for, whichever rival is the best (see `ranking` for that price). Until
then a rival drops out when its verdict or its ratio is known; if it dropped out for its own price,
those that looked slow by bad luck would, and 95 % intervals would hold 91 %. A self-test, where the
verdict on every twin is asked for, knows no price.

Looking again and again and stopping at the first "significant" finds differences that are none.
Looks are few, and each may spend a part of the error that the campaign has (Lan and DeMets 1983,
Biometrika 70(3), 659-663).
Importing this imports no scipy, for the sake of pytest's process.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timelift.analyse import verdicts
from timelift.analyse.effects import (
    AlignedSamples,
    aligned_samples,
    fit_scores,
    mean_and_variance,
    pairs_by_setting,
)
from timelift.analyse.estimates import ALPHA, Estimates, Families, estimate, rivals_in
from timelift.analyse.results import Samples
from timelift.analyse.verdicts import RANK_MARGIN, Verdict
from timelift.case import COPY_SEPARATOR, Case, Setting, Status
from timelift.measurement import CaseInLaunch, Measurement, merge

#: A rival this much slower (or faster, a log ratio) needs no such care: noise among equals is never
#: so large, and every launch that a clear loser plays is lost to the others.
CLEAR = float(np.log(1.5))
#: The numbers of launches at which it is decided whether to go on.
LOOKS = (3, 5, 8, 12)
#: Chances of a false "different" (both sides) and of a false "same" (each side) that a look may
#: take, so that all looks together take 5 %: almost none at first, most at the last (O'Brien and
#: Fleming's); tests/test_stopping.py computes them again.
DIFFERENT_LEVELS = (8.86e-05, 0.00236, 0.01545, 0.04377)
SAME_LEVELS = (0.000501, 0.00522, 0.01989, 0.04136)
#: The same of a price that is told too low, spent evenly (Pocock's): a rival that is no more than
#: the precision faster than the one chosen is worth no launches, and most are told so at first.
PRICE_LEVELS = (0.01787, 0.01505, 0.01923, 0.02301)
#: An estimate that ends the looking by being large is too large by luck, the more so the less is
#: known: a price is believed where the ratio is known to so many times the precision. Without that
#: the intervals of two rivals whose launches differ by 10 % hold 90 %, and no launch is saved.
BELIEVED = 2.5
#: True for the comparisons that are settled, from their estimates and families as in
#: `verdicts.compare`, and how much slower the rival of each is than the anchor, as a log ratio.
Rule = Callable[[Estimates, Families, Samples], NDArray[np.bool_]]


@dataclass(frozen=True)
class Plan:
    """The rules by which it is decided at each of `LOOKS` whether to go on.

    A rival plays on until it is `settled`, or until all of its setting are by the rule that `ends`
    it. The anchor, with which the others of a setting are compared, is the fastest; in a self-test,
    with `untouched_anchor`, the strategy that is no twin.
    """

    settled: Rule
    ends: Rule | None = None
    untouched_anchor: bool = False


def by_price(precision: float = RANK_MARGIN) -> Rule:
    """Return the rule that choosing the anchor costs at most `precision`, a share, over a rival.

    Any rival may be the best, so those of a setting share the chance of an error equally. A ratio
    that is hardly known is not `BELIEVED`. A `CLEAR` loser is settled at a single look's level.
    """

    def settled(estimates: Estimates, families: Families, slower: Samples) -> NDArray[np.bool_]:
        look = _look(estimates)
        level, others = _at(PRICE_LEVELS, look), rivals_in(families) - 1
        known = estimates.half_width(ALPHA / 2) <= BELIEVED * np.log1p(precision)
        with np.errstate(invalid="ignore"):
            surely = estimates.chance(slower + np.log1p(precision)) < level / others
        return np.asarray((surely & known & (look > 0)) | _clear(estimates, families))

    return settled


def by_verdict(precision: float | None = RANK_MARGIN) -> Rule:
    """Return the rule that a comparison has a verdict that a look may find, or is known closely.

    Closely is to within `precision` to either side, a share; None asks for a verdict. A `CLEAR`
    loser is settled, too, at the level of a single look.
    """

    def settled(estimates: Estimates, families: Families, _: Samples) -> NDArray[np.bool_]:
        look = _look(estimates)
        different, same = (_at(levels, look) for levels in (DIFFERENT_LEVELS, SAME_LEVELS))
        p = verdicts.holm(verdicts.p_values(estimates), families)
        words = verdicts.verdicts(estimates, p, float(np.log1p(RANK_MARGIN)), different, same)
        width = 0.0 if precision is None else np.log1p(precision)
        narrow = (look > 0) & (estimates.half_width(ALPHA / 2) < width)
        decided = np.array([word is not Verdict.UNDECIDED for word in words], bool)
        return np.asarray(narrow | _clear(estimates, families) | decided)

    return settled


def ranking_plan(precision: float = RANK_MARGIN) -> Plan:
    """Return the plan of a ranking, whose choice may cost `precision`, a share, over the best."""
    return Plan(by_verdict(precision), ends=by_price(precision))


def _clear(estimates: Estimates, families: Families) -> NDArray[np.bool_]:
    p = verdicts.holm(verdicts.p_values(estimates), families)
    with np.errstate(invalid="ignore"):
        sure = (p < ALPHA) & (np.abs(estimates.effect) >= CLEAR)
    return np.asarray(sure & (_look(estimates) > 0))


def _look(estimates: Estimates) -> NDArray[np.int_]:
    """Return at which look each comparison is, the first being 1; before it, 0."""
    return np.searchsorted(LOOKS, estimates.launches, side="right")


def _at(levels: Sequence[float], look: NDArray[np.int_]) -> Samples:
    """Return the level of each look, the first being 1; before it, none."""
    return np.asarray([0.0, *levels])[look]


def unsettled(
    measurements: Iterable[Measurement], plan: Plan | None = None
) -> dict[Setting, tuple[Case, ...]]:
    """Return the cases that need more launches, by setting; without a plan, as `ranking_plan` says.

    Those are the anchor and the rivals whose comparison with it is not settled. Between looks every
    rival plays on; after the last look none does.
    """
    plan = plan or ranking_plan()
    playing = [rivals for rivals in aligned_samples(measurements) if _launches(rivals) < LOOKS[-1]]
    if not playing:
        return {}
    effects, families = pairs_by_setting(playing)
    estimates = estimate(effects, families)
    ends = np.cumsum([len(rivals.pairs) for rivals in playing])[:-1]
    anchors = [
        _untouched(rivals) if plan.untouched_anchor else _fastest(rivals, effect)
        for rivals, effect in zip(playing, np.split(effects.effect, ends), strict=True)
    ]
    sides = [_side(*pair) for pair in zip(playing, anchors, strict=True)]
    slower = np.concatenate(sides) * estimates.effect
    settled = plan.settled(estimates, families, slower)
    over = plan.ends(estimates, families, slower) if plan.ends else np.zeros_like(settled)
    parts = zip(playing, anchors, np.split(settled, ends), np.split(over, ends), strict=True)
    cases = {part[0].setting: _to_play(*part) for part in parts}
    return {setting: to_play for setting, to_play in cases.items() if to_play}


def _launches(samples: AlignedSamples) -> int:
    return int(np.isfinite(samples.seconds).any((0, 2)).sum())


def _fastest(samples: AlignedSamples, effect: Samples) -> int:
    count = np.isfinite(effect).sum(-1).astype(float)
    scores = fit_scores(mean_and_variance(effect)[0], count, len(samples.cases))
    return int(np.argmin(scores))


def _untouched(samples: AlignedSamples) -> int:
    """Return the position of the strategy that is no twin, 0 where there is none."""
    untouched = [COPY_SEPARATOR not in case.strategy for case in samples.cases]
    return untouched.index(True) if any(untouched) else 0


def _side(samples: AlignedSamples, anchor: int) -> Samples:
    """Return the sign that makes a pair's effect how much slower its other is than the anchor."""
    return np.array([1.0 if first == anchor else -1.0 for first, _ in samples.pairs])


def _to_play(
    samples: AlignedSamples,
    anchor: int,
    settled: NDArray[np.bool_],
    over: NDArray[np.bool_],
) -> tuple[Case, ...]:
    if _launches(samples) not in LOOKS:
        return samples.cases
    beside = np.array([anchor in pair for pair in samples.pairs], bool)
    if over[beside].all():
        return ()
    doubtful = np.flatnonzero(beside & ~settled)
    rivals = {rival for place in doubtful for rival in samples.pairs[place]}
    return tuple(samples.cases[rival] for rival in sorted(rivals))


class Referee:
    """Reads the lines of a journal as they are written, and asks for launches by `unsettled`.

    `precision` is a share. In a self-test, where twins are `planted`, each is compared with the
    strategy that it copies, and plays for its verdict. The strategies `aside` are no answer: they
    only play along.
    """

    decision_points: Sequence[int] = LOOKS

    def __init__(
        self,
        precision: float = RANK_MARGIN,
        *,
        planted: bool = False,
        aside: Collection[str] = (),
    ) -> None:
        of_twins = Plan(by_verdict(precision), untouched_anchor=True)
        self._aside = aside
        self._plan = of_twins if planted else ranking_plan(precision)
        self._records: list[CaseInLaunch] = []

    def take(self, line: CaseInLaunch) -> None:
        if line.status is not Status.MEASURED or line.was_timed:
            self._records.append(line)

    def to_play(self) -> frozenset[Case]:
        rivals: list[Measurement] = []
        aside: list[Measurement] = []
        for measurement in self.measurements():
            (aside if measurement.case.strategy in self._aside else rivals).append(measurement)
        doubtful = unsettled(rivals, self._plan)
        along = (measurement.case for measurement in aside)
        playing = frozenset(case for case in along if case.setting in doubtful)
        return playing.union(*doubtful.values())

    def doubts_peak_of(self) -> frozenset[Case]:
        """Return the cases whose peak memory is to be read again: none, for no peak is ranked."""
        return frozenset()

    def measurements(self) -> tuple[Measurement, ...]:
        return merge(self._records)
