"""When to stop: which rivals another launch could still teach something about.

Who looks again and again and stops at the first "significant" finds differences that are none.
Here looks are few, and each may spend a part of the error that the campaign has: almost none at
first, most at the last (the O'Brien-Fleming-like spending function of Lan and DeMets 1983,
Biometrika 70(3), 659-663). All of this needs numpy alone, for the sake of pytest's process.
"""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from timelift.analyse.runs.measurement import Measurement, Samples
from timelift.analyse.stats import verdicts
from timelift.analyse.stats.aligned_samples import AlignedSamples, aligned_samples
from timelift.analyse.stats.effects import Effects, all_pairs, fit_scores, stack
from timelift.analyse.stats.estimates import estimate
from timelift.analyse.stats.robust_mean import mean_and_variance
from timelift.analyse.stats.verdicts import CONFIDENCE, RANK_MARGIN, Families, Verdict
from timelift.case import Case, Setting

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
    theta: float = RANK_MARGIN,
    precision: float | None = RANK_MARGIN,
    anchor: Callable[[AlignedSamples], int] | None = None,
) -> dict[Setting, tuple[Case, ...]]:
    """Name the settings that need more launches, each with the cases to play in them.

    Those are the fastest and the rivals whose comparison with it is not settled; instead of the
    fastest, the rival that `anchor` finds. Between looks every rival plays on; after the last look
    none does. `theta` and `precision` are shares, as in `settled`.
    """
    going = [board for board in aligned_samples(measurements) if _launches(board) < LOOKS[-1]]
    if not going:
        return {}
    sizes = [len(board.pairs) for board in going]
    effects = stack([all_pairs(board.seconds) for board in going])
    done = settled(effects, np.repeat(np.arange(len(going)), sizes), theta, precision)
    parts = np.split(np.arange(len(done)), np.cumsum(sizes)[:-1])
    cases = [
        _to_play(board, done[part], anchor(board) if anchor else _fastest(board, effects, part))
        for board, part in zip(going, parts, strict=True)
    ]
    return {board.setting: some for board, some in zip(going, cases, strict=True) if some}


def _launches(board: AlignedSamples) -> int:
    """Count the launches that any rival of a setting has."""
    return int(np.isfinite(board.seconds).any((0, 2)).sum())


def _to_play(board: AlignedSamples, done: NDArray[np.bool_], anchor: int) -> tuple[Case, ...]:
    """Give the cases of one setting that another launch should play."""
    if _launches(board) not in LOOKS:
        return board.cases
    doubtful = [pair for pair, over in zip(board.pairs, done, strict=True) if not over]
    rivals = {i for pair in doubtful if anchor in pair for i in pair}
    return tuple(board.cases[i] for i in sorted(rivals))


def _fastest(board: AlignedSamples, effects: Effects, part: NDArray[np.int_]) -> int:
    """Find the rival that its pairs make the fastest."""
    effect = effects.effect[part]
    count = np.isfinite(effect).sum(-1).astype(float)
    scores = fit_scores(mean_and_variance(effect)[0], count, len(board.cases))
    return int(np.argmin(scores))


def settled(
    effects: Effects,
    families: Families,
    theta: float = RANK_MARGIN,
    precision: float | None = RANK_MARGIN,
) -> NDArray[np.bool_]:
    """Say which comparisons have a verdict that a look at this many launches may give.

    A comparison known to within `precision` to either side, a share, is settled too, whatever its
    verdict; None asks for a verdict. So is one with a `CLEAR` loser, at the level of a single look.
    `families` is as in `verdicts.compare`.
    """
    estimates = estimate(effects, verdicts.independence(families))
    look = np.searchsorted(LOOKS, estimates.launches, side="right")
    different, same = (_at(levels, look) for levels in (DIFFERENT_LEVELS, SAME_LEVELS))
    p = verdicts.holm(verdicts.p_values(estimates), families)
    words = verdicts.verdicts(estimates, p, float(np.log1p(theta)), different, same)
    width = 0.0 if precision is None else np.log1p(precision)
    narrow = (look > 0) & (estimates.half_width((1 - CONFIDENCE) / 2) < width)
    with np.errstate(invalid="ignore"):
        clear = (p < 1 - CONFIDENCE) & (np.abs(estimates.effect) >= CLEAR) & (look > 0)
    return np.asarray(
        narrow | clear | np.array([word is not Verdict.UNDECIDED for word in words], bool)
    )


def _at(levels: Sequence[float], look: NDArray[np.int_]) -> Samples:
    """Give the level of each look, the first being 1; before it, none."""
    return np.asarray([0.0, *levels])[look]
