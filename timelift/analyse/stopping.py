"""When to stop: which cases need another launch, and which are settled.

A setting of a ranking stops by price, under two conditions. The rival that looks fastest is known
to cost at most the requested precision, whichever rival is the best (see `ranking` for that price).
And its gain over the baseline is shown, or is too small for a change. Until then a rival drops out
when its verdict or its ratio is known, but not for its own price: rivals that look slow by bad luck
would drop out, and 95 % intervals would hold in 91 %. A race of planted twins asks for the verdict
on each, so it has no price. Nor has a race with a user's own code, which ends earlier where nothing
worth a change can be gained.

Looking again and again and stopping at the first "significant" finds differences between equals.
Looks are few, and each may spend a part of the campaign's error (Lan and DeMets 1983, Biometrika
70(3), 659-663). This module imports no scipy, so that pytest's process starts at once.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from timelift.analyse import verdicts
from timelift.analyse.effects import AlignedSamples, aligned_samples, fit_scores, mean_and_variance
from timelift.analyse.estimates import ALPHA, Estimates, estimate
from timelift.analyse.evidence import pairs_by_setting
from timelift.analyse.ranking import BASELINES
from timelift.analyse.results import Samples
from timelift.analyse.variances import Families, rivals_in
from timelift.analyse.verdicts import RANK_MARGIN, WORTHWHILE, Verdict
from timelift.axis_values import Status
from timelift.case import COPY_SEPARATOR, Case, Setting
from timelift.measurement import (
    CaseInLaunch,
    Measurement,
    is_again,
    merge,
    trained_meaning,
    without_disturbed,
)
from timelift.source import UNKNOWN

#: A verdict on a rival this much slower or faster, a log ratio, needs no levels of looks: noise
#: among equals is never so large, and a launch of a clear loser takes time from the others.
CLEAR = float(np.log(1.5))
#: The numbers of launches at which it is decided whether to go on.
LOOKS = (3, 5, 8, 12)
#: Chances of a false "different" (both sides) and of a false "same" (each side) that a look may
#: take, so that all looks together take 5 %: almost none at first, most at the last (O'Brien and
#: Fleming's); tests/test_stopping.py computes them again.
DIFFERENT_LEVELS = (8.86e-05, 0.00236, 0.01545, 0.04377)
SAME_LEVELS = (0.000501, 0.00522, 0.01989, 0.04136)
#: The same for a price that is too low, spent evenly (Pocock's): where choosing the fastest costs
#: at most the precision, more launches are worth nothing, and most settings end at the first look.
PRICE_LEVELS = (0.01787, 0.01505, 0.01923, 0.02301)
#: An estimate that is large enough to stop a campaign tends to be too large by luck, most of all
#: where little is known. So a price counts only if the half-width of the ratio is at most this many
#: times the precision. Without this rule the 95 % intervals of two rivals whose launches differ by
#: 10 % would hold in 90 %, and no launch would be saved.
BELIEVED = 2.5
#: Returns True for each settled comparison, given the estimates, their families as in
#: `verdicts.compare`, and how much slower the other rival is than the anchor, a log ratio.
Rule = Callable[[Estimates, Families, Samples], NDArray[np.bool_]]


@dataclass(frozen=True)
class Plan:
    """The rules that decide at each of `LOOKS` which rivals play on.

    A rival plays until its comparison with the anchor is `settled`, or until all those of a setting
    meet the rule `ends`; then only the baseline may play on. The anchor is the strategy that
    `is_anchor`, or else the fastest.
    """

    settled: Rule
    ends: Rule | None = None
    is_anchor: Callable[[str], bool] | None = None


def by_price(
    estimates: Estimates, families: Families, slower: Samples, precision: float = RANK_MARGIN
) -> NDArray[np.bool_]:
    """True where choosing the anchor costs at most `precision`, a share, over a rival.

    Any rival may be the best, so those of a setting share the chance of an error equally. A ratio
    of wide interval is not `BELIEVED`. A `CLEAR` loser is settled at a single look's level.
    """
    known = estimates.half_width(ALPHA / 2) <= BELIEVED * np.log1p(precision)
    surely = _gains_less(precision, estimates, families, slower)
    return np.asarray((surely & known) | _clear(estimates, families))


def by_verdict(
    estimates: Estimates, families: Families, _: Samples, precision: float = RANK_MARGIN
) -> NDArray[np.bool_]:
    """True where a comparison has a verdict at its look's level, or a narrow interval.

    A narrow one has a half-width under `precision`, a share. A `CLEAR` loser is settled at the
    level of a single look.
    """
    is_narrow = estimates.half_width(ALPHA / 2) < np.log1p(precision)
    narrow = (_look(estimates) > 0) & is_narrow
    return np.asarray(narrow | _clear(estimates, families) | _decided(estimates, families))


def by_gain(
    estimates: Estimates, families: Families, slower: Samples, least: float = WORTHWHILE
) -> NDArray[np.bool_]:
    """True where a rival has a verdict beside the anchor, or gains less than `least`.

    The level of a verdict is its look's, or a single look's if it is `CLEAR`; that of a gain is the
    level of a price.
    """
    small = _gains_less(least, estimates, families, slower)
    return np.asarray(small | _clear(estimates, families) | _decided(estimates, families))


def plan_of_twins(precision: float = RANK_MARGIN) -> Plan:
    """Return the plan of planted twins, each of which plays beside what it copies."""
    rule = partial(by_verdict, precision=precision)
    return Plan(rule, is_anchor=lambda name: COPY_SEPARATOR not in name)


def ranking_plan(precision: float = RANK_MARGIN) -> Plan:
    """Return the plan of a ranking whose fastest may cost `precision`, a share, over the best."""
    settled, ends = (partial(rule, precision=precision) for rule in (by_verdict, by_price))
    return Plan(settled, ends)


def _clear(estimates: Estimates, families: Families) -> NDArray[np.bool_]:
    large = np.abs(estimates.effect) >= CLEAR
    return large & _decided_at_once(estimates, families)


def _decided_at_once(estimates: Estimates, families: Families) -> NDArray[np.bool_]:
    """True where a comparison has a verdict at the level of a single look."""
    return _decided(estimates, families, [ALPHA] * len(LOOKS))


def _decided(
    estimates: Estimates, families: Families, different: Sequence[float] = DIFFERENT_LEVELS
) -> NDArray[np.bool_]:
    """True where a comparison has a verdict at the levels of its look."""
    levels = (_at(each, _look(estimates)) for each in (different, SAME_LEVELS))
    p = verdicts.holm(verdicts.p_values(estimates), families)
    words = verdicts.verdicts(estimates, p, float(np.log1p(RANK_MARGIN)), *levels)
    return np.array([word is not Verdict.UNDECIDED for word in words], bool)


def _gains_less(
    share: float, estimates: Estimates, families: Families, slower: Samples
) -> NDArray[np.bool_]:
    """True where a rival surely gains less than `share` over the anchor, at its look's level.

    Any rival may be the fastest, so those of a setting share the chance of an error equally.
    """
    look = _look(estimates)
    level = _at(PRICE_LEVELS, look) / (rivals_in(families) - 1)
    with np.errstate(invalid="ignore"):
        return np.asarray((estimates.chance(slower + np.log1p(share)) < level) & (look > 0))


def _look(estimates: Estimates) -> NDArray[np.int_]:
    """Return the number of the latest look of each comparison, from 1; 0 before the first."""
    return np.searchsorted(LOOKS, estimates.launches, side="right")


def _at(levels: Sequence[float], look: NDArray[np.int_]) -> Samples:
    """Return the level of each look, counted from 1; 0 before the first."""
    return np.asarray([0.0, *levels])[look]


def unsettled(
    measurements: Iterable[Measurement], plan: Plan | None = None
) -> dict[Setting, tuple[Case, ...]]:
    """Return the cases that need more launches, by setting: at a look, those of unsettled pairs.

    Between looks every rival plays on; after the last look none does. The number of a setting's
    last usual launch determines its look, since rivals may lack launches that they sat out or lost.
    `plan` is by default a `ranking_plan`.
    """
    plan, measured = plan or ranking_plan(), [*measurements]
    last = _last_launches(measured)
    playing = [rivals for rivals in aligned_samples(measured) if last[rivals.setting] < LOOKS[-1]]
    if not playing:
        return {}
    effects, families = pairs_by_setting(playing)
    estimates = estimate(effects, families)
    pairs = [len(rivals.pairs) for rivals in playing]
    usual = np.repeat([last[rivals.setting] for rivals in playing], pairs)
    estimates = estimates._replace(launches=np.minimum(estimates.launches, usual))
    ends = np.cumsum(pairs)[:-1]
    anchors = [
        _anchor(rivals, effect, plan.is_anchor)
        for rivals, effect in zip(playing, np.split(effects.effect, ends), strict=True)
    ]
    slower = _signs(playing, anchors) * estimates.effect
    settled = plan.settled(estimates, families, slower)
    cheap = plan.ends(estimates, families, slower) if plan.ends else np.zeros_like(settled)
    kept = _gains_less(WORTHWHILE, estimates, families, -slower)
    kept |= _decided_at_once(estimates, families)
    columns = (np.split(column, ends) for column in (settled, cheap, kept))
    cases = dict[Setting, tuple[Case, ...]]()
    for rivals, anchor, *of_pairs in zip(playing, anchors, *columns, strict=True):
        is_look = last[rivals.setting] in LOOKS
        if to_play := _to_play(rivals, anchor, *of_pairs) if is_look else rivals.cases:
            cases[rivals.setting] = to_play
    return cases


def _last_launches(measured: Iterable[Measurement]) -> dict[Setting, int]:
    """Return the number of the last usual launch of each setting, 0 where it has none."""
    last = dict[Setting, int]()
    for each in measured:
        numbers = (one.number for one in each.launches if not is_again(one.number))
        last[each.case.setting] = max(last.get(each.case.setting, 0), *numbers, 0)
    return last


def _anchor(
    samples: AlignedSamples, effect: Samples, is_anchor: Callable[[str], bool] | None
) -> int:
    """Return the position of the anchor, 0 where it was not measured."""
    if is_anchor:
        return next((n for n, case in enumerate(samples.cases) if is_anchor(case.strategy)), 0)
    count = np.isfinite(effect).sum(-1).astype(float)
    scores = fit_scores(mean_and_variance(effect)[0], count, len(samples.cases))
    return int(np.argmin(scores))


def _signs(playing: Iterable[AlignedSamples], anchors: Iterable[int]) -> Samples:
    """Return 1 for each pair whose effect is that over the anchor, and -1 for all others."""
    signs = [
        1.0 if first == anchor else -1.0
        for rivals, anchor in zip(playing, anchors, strict=True)
        for first, _ in rivals.pairs
    ]
    return np.array(signs)


def _to_play(
    samples: AlignedSamples,
    anchor: int,
    settled: NDArray[np.bool_],
    cheap: NDArray[np.bool_],
    kept: NDArray[np.bool_],
) -> tuple[Case, ...]:
    """Return the cases of pairs with the anchor that are not settled.

    Where all these are `cheap`, only the baseline's can be left, and is not if it is `kept`: the
    anchor's gain over it is shown, or too small for a change.
    """
    has_anchor = np.array([anchor in pair for pair in samples.pairs], bool)
    if cheap[has_anchor].all():
        settled = kept | ~_of_baseline(samples, anchor)
    doubtful = np.flatnonzero(has_anchor & ~settled)
    rivals = {rival for place in doubtful for rival in samples.pairs[place]}
    return tuple(samples.cases[rival] for rival in sorted(rivals))


def _of_baseline(samples: AlignedSamples, anchor: int) -> NDArray[np.bool_]:
    """True for the pair of another anchor with the baseline."""
    names = [case.strategy for case in samples.cases]
    baseline = next((names.index(name) for name in BASELINES if name in names), anchor)
    return np.array([{*pair} == {anchor, baseline} for pair in samples.pairs], bool)


class Referee:
    """Reads the lines of a journal as they are written, and asks for launches by `unsettled`.

    The `plan` is by default a `ranking_plan`. Strategies `aside`, and those of unknown meaning in a
    workload, are not ranked there: they play where others of their setting do.
    """

    decision_points: Sequence[int] = LOOKS

    def __init__(self, plan: Plan | None = None, *, aside: Collection[str] = ()) -> None:
        self._plan, self._aside = plan, aside
        self._lines: list[CaseInLaunch] = []

    def take(self, line: CaseInLaunch) -> None:
        if line.status is not Status.MEASURED or line.was_timed:
            self._lines.append(line)

    def to_play(self) -> frozenset[Case]:
        measured = self.measurements()
        unknown = {
            (measurement.case.setting.workload, measurement.case.strategy)
            for measurement in measured
            if UNKNOWN in trained_meaning(measurement).values()
        }
        aside = {
            case
            for case in (measurement.case for measurement in measured)
            if case.strategy in self._aside or (case.setting.workload, case.strategy) in unknown
        }
        rivals = [measurement for measurement in measured if measurement.case not in aside]
        doubtful = unsettled(rivals, self._plan)
        playing = frozenset(case for case in aside if case.setting in doubtful)
        return playing.union(*doubtful.values())

    def doubts_peak_of(self) -> frozenset[Case]:
        """Return the cases whose peak memory is to be read again: none, for no peak is ranked."""
        return frozenset()

    def measurements(self) -> tuple[Measurement, ...]:
        return merge(without_disturbed(self._lines))
