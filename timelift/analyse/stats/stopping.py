"""When to stop: which cases need another launch, and which are settled.

Looking again and again and stopping at the first "significant" finds differences that are none.
Here looks are few, and each may spend a part of the error that the campaign has: almost none at
first, most at the last (the O'Brien-Fleming-like spending function of Lan and DeMets 1983,
Biometrika 70(3), 659-663). Importing this imports no scipy, for the sake of pytest's process.
"""

from collections.abc import Callable, Collection, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from timelift.analyse.runs.measurement import Measurement, Samples, Warnings, merge
from timelift.analyse.stats import verdicts
from timelift.analyse.stats.aligned_samples import AlignedSamples, aligned_samples
from timelift.analyse.stats.effects import Effects, all_pairs, fit_scores, stack
from timelift.analyse.stats.estimates import estimate
from timelift.analyse.stats.robust_mean import mean_and_variance
from timelift.analyse.stats.verdicts import CONFIDENCE, RANK_MARGIN, Families, Verdict
from timelift.case import Case, Setting, Status
from timelift.journal import CaseInLaunch
from timelift.planted import COPY_SEPARATOR, PLANTS

#: A rival this much slower (or faster, a log ratio) needs no such care: noise among equals is never
#: so large, and every launch that a clear loser plays is lost to the others.
CLEAR = float(np.log(1.5))
#: The numbers of launches at which it is decided whether to go on.
LOOKS = (3, 5, 8, 12)
#: Chances of a false "different" (both sides) and of a false "same" (each side) that a look may
#: take, so that all looks together take 5 %; tests/test_stopping.py computes them again.
DIFFERENT_LEVELS = (8.86e-05, 0.00236, 0.01545, 0.04377)
SAME_LEVELS = (0.000501, 0.00522, 0.01989, 0.04136)


def unsettled(
    measurements: Iterable[Measurement],
    least_difference: float = RANK_MARGIN,
    precision: float | None = RANK_MARGIN,
    anchor: Callable[[AlignedSamples], int] | None = None,
) -> dict[Setting, tuple[Case, ...]]:
    """Return the cases that need more launches, by setting.

    Those are the fastest and the rivals whose comparison with it is not settled; instead of the
    fastest, the rival at the position that `anchor` returns. Between looks every rival plays on;
    after the last look none does. `least_difference` and `precision` are shares, as in `settled`.
    """
    going = [one for one in aligned_samples(measurements) if _launches(one) < LOOKS[-1]]
    if not going:
        return {}
    sizes = [len(one.pairs) for one in going]
    effects = stack([all_pairs(one.seconds) for one in going])
    done = settled(effects, np.repeat(np.arange(len(going)), sizes), least_difference, precision)
    parts = np.split(np.arange(len(done)), np.cumsum(sizes)[:-1])
    cases = [
        _to_play(one, done[part], anchor(one) if anchor else _fastest(one, effects.effect[part]))
        for one, part in zip(going, parts, strict=True)
    ]
    return {one.setting: some for one, some in zip(going, cases, strict=True) if some}


def _launches(samples: AlignedSamples) -> int:
    return int(np.isfinite(samples.seconds).any((0, 2)).sum())


def _to_play(samples: AlignedSamples, done: NDArray[np.bool_], anchor: int) -> tuple[Case, ...]:
    if _launches(samples) not in LOOKS:
        return samples.cases
    doubtful = [pair for pair, over in zip(samples.pairs, done, strict=True) if not over]
    rivals = {i for pair in doubtful if anchor in pair for i in pair}
    return tuple(samples.cases[i] for i in sorted(rivals))


def _fastest(samples: AlignedSamples, effect: Samples) -> int:
    count = np.isfinite(effect).sum(-1).astype(float)
    scores = fit_scores(mean_and_variance(effect)[0], count, len(samples.cases))
    return int(np.argmin(scores))


def settled(
    effects: Effects,
    families: Families,
    least_difference: float = RANK_MARGIN,
    precision: float | None = RANK_MARGIN,
) -> NDArray[np.bool_]:
    """Return which comparisons have a verdict that a look at their number of launches may find.

    A comparison known to within `precision` to either side, a share, is settled too, whatever its
    verdict; None asks for a verdict. So is one with a `CLEAR` loser, at the level of a single look.
    `families` is as in `verdicts.compare`.
    """
    estimates = estimate(effects, verdicts.independence(families))
    look = np.searchsorted(LOOKS, estimates.launches, side="right")
    different, same = (_at(levels, look) for levels in (DIFFERENT_LEVELS, SAME_LEVELS))
    p = verdicts.holm(verdicts.p_values(estimates), families)
    words = verdicts.verdicts(estimates, p, float(np.log1p(least_difference)), different, same)
    width = 0.0 if precision is None else np.log1p(precision)
    narrow = (look > 0) & (estimates.half_width((1 - CONFIDENCE) / 2) < width)
    with np.errstate(invalid="ignore"):
        clear = (p < 1 - CONFIDENCE) & (np.abs(estimates.effect) >= CLEAR) & (look > 0)
    return np.asarray(
        narrow | clear | np.array([word is not Verdict.UNDECIDED for word in words], bool)
    )


def _at(levels: Sequence[float], look: NDArray[np.int_]) -> Samples:
    """Return the level of each look, the first being 1; before it, none."""
    return np.asarray([0.0, *levels])[look]


class Referee:
    """Reads the lines of a journal as they are written, and asks for launches by `unsettled`.

    `precision` is a share; in a self-test, where twins are `planted`, each is compared with the
    strategy that it copies. The strategies `aside` are no answer: they only play along.
    """

    decision_points: Sequence[int] = LOOKS

    def __init__(
        self,
        precision: float = RANK_MARGIN,
        *,
        planted: bool = False,
        aside: Collection[str] = (),
    ) -> None:
        self._precision, self._planted, self._aside = precision, planted, aside
        self._records: list[tuple[str, CaseInLaunch]] = []

    def take(self, line: CaseInLaunch) -> None:
        was_played = any(line.seconds_per_call) or line.facts.same_program
        if line.status is not Status.MEASURED or was_played:
            self._records.append(("", line))

    def to_play(self) -> frozenset[Case]:
        measured = self.measurements()
        # A twin that is slow in some launches only plays along, and must not inform the variances.
        steady = [one for one in measured if not self._plays_along(one.case)]
        anchor = _untouched if self._planted else None
        doubtful = unsettled(steady, precision=self._precision, anchor=anchor)
        along = [one.case for one in measured if self._plays_along(one.case)]
        wanted = frozenset(case for case in along if case.setting in doubtful)
        return wanted.union(*doubtful.values())

    def _plays_along(self, case: Case) -> bool:
        return case.strategy in self._aside or (self._planted and _is_unsteady(case))

    def measurements(self) -> tuple[Measurement, ...]:
        return merge(self._records, Warnings())


_UNSTEADY = {plant.word for plant in PLANTS if plant.one_launch_in > 1}


def _is_unsteady(case: Case) -> bool:
    return case.strategy.partition(COPY_SEPARATOR)[2] in _UNSTEADY


def _untouched(samples: AlignedSamples) -> int:
    """Return the position of the strategy that is no twin, 0 where there is none."""
    untouched = [COPY_SEPARATOR not in case.strategy for case in samples.cases]
    return untouched.index(True) if any(untouched) else 0
