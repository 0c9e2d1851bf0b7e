"""From estimates to comparisons and verdicts.

Everything is in log ratios: the effect of b over a is log(seconds of b / seconds of a), so 0 is
equal, and swapping a and b changes the sign and nothing else. The launch is the unit of evidence.
"""

import dataclasses
import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from timelift.analyse.effects import AlignedSamples, Effects
from timelift.analyse.estimates import ALPHA, Estimates, Interval, by_row, estimate
from timelift.analyse.evidence import pairs_by_setting
from timelift.analyse.results import Samples
from timelift.analyse.variances import Families, special
from timelift.measurement import ENOUGH_LAUNCHES

#: One error rate for all comparisons, or one for each.
Level = float | Samples

#: Margins: a smaller difference is no difference, in a ranking and between two versions.
RANK_MARGIN = 0.02
CHANGE_MARGIN = 0.03
#: A share that is worth a change of code: what gains less at most is kept as it is.
WORTHWHILE = 0.05
#: A pair is called different only if its own, unadjusted p (two-sided) is below this, too. Few
#: rivals make a small family: without this rule, identical code would be called different in 1 of
#: 50 comparisons of two rivals, and with it in fewer than 1 of 1,000.
PAIR_LEVEL = 0.004
#: No verdict rests on fewer launches.
MIN_LAUNCHES = ENOUGH_LAUNCHES
#: One launch may contradict a difference, or one in this many launches.
CONTRARY = 4
#: The power that `Comparison.detectable` is stated for.
POWER = 0.9
#: First calls count beside a gain if they differ by more times than this, and more seconds.
_FIRST_CALL_TIMES, _FIRST_CALL_SECONDS = 3.0, 1.0


def first_call_decides(before: float, after: float) -> bool:
    """Return whether two first calls differ so much that they count beside the gain of a call."""
    least, most = sorted((before, after))
    return most > _FIRST_CALL_TIMES * least and most - least > _FIRST_CALL_SECONDS


class Verdict(StrEnum):
    """Whether b is faster or slower than a."""

    FASTER = "faster"
    SLOWER = "slower"
    SAME = "same"
    UNDECIDED = "undecided"

    def swapped(self) -> "Verdict":
        """Return whether a is faster or slower than b."""
        opposite = {Verdict.FASTER: Verdict.SLOWER, Verdict.SLOWER: Verdict.FASTER}
        return opposite.get(self, self)

    @property
    def is_shown(self) -> bool:
        """True of a difference; nothing else is called shown anywhere (see `verdicts`)."""
        return self in {Verdict.FASTER, Verdict.SLOWER}


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison(Interval):
    """Two rivals compared: a log ratio with its interval and its verdict.

    The interval holds for this comparison alone; that of `family_half_width` for all of its family
    at once, as does `p`, which is two-sided. `standard_error` is that of `value`, with `df` degrees
    of freedom. `detectable` is the log ratio that as many launches would call different with a
    chance of `POWER`. The interval of one launch rests on an assumed variance between launches.
    """

    family_half_width: float
    p: float
    standard_error: float
    df: float
    launches: int
    detectable: float
    verdict: Verdict

    @property
    def is_over_launches(self) -> bool:
        """True if it rests on several launches, which show how much launches differ."""
        return self.launches > 1

    def half_width(self, chance: float) -> float:
        """Return the half-width of an interval missed on a side by `chance`; NaN of one launch."""
        if not self.is_over_launches:
            return math.nan
        return -float(special().stdtrit(self.df, chance)) * self.standard_error

    def swapped(self) -> "Comparison":
        return dataclasses.replace(
            self, value=-self.value, low=-self.high, high=-self.low, verdict=self.verdict.swapped()
        )


#: Comparisons of one setting's rivals by position: [i, j] is j beside i.
Comparisons = dict[tuple[int, int], Comparison]


def compare(effects: Effects, families: Families | Sequence[int] | None = None) -> list[Comparison]:
    """Compare every row of `effects`; a difference counts from `RANK_MARGIN` on.

    `families` has the number of each row's family: all pairs of some rivals in the order of
    `np.triu_indices`. The chance of any wrong faster or slower in a family is `ALPHA`. Without
    `families` each row is a family. Variances are moderated over all rows: pass all comparisons
    of a run at once.
    """
    family = np.asarray(range(len(effects.effect)) if families is None else families, dtype=int)
    estimates = estimate(effects, family)
    log_margin = float(np.log1p(RANK_MARGIN))
    p = holm(p_values(estimates), family)
    effect, half_width = estimates.effect, estimates.half_width(ALPHA / 2)
    _, place, sizes = np.unique(family, return_inverse=True, return_counts=True)
    family_half_width = estimates.half_width(ALPHA / (2 * sizes[place]))  # Bonferroni
    margin = np.full_like(effect, log_margin)
    bars = [family_half_width, estimates.half_width(PAIR_LEVEL / 2), margin]
    return by_row(
        Comparison,
        value=effect,
        low=effect - half_width,
        high=effect + half_width,
        family_half_width=family_half_width,
        p=p,
        standard_error=estimates.standard_error,
        df=estimates.df,
        launches=estimates.launches,
        detectable=np.maximum.reduce(bars) + estimates.half_width(1 - POWER),
        verdict=verdicts(estimates, p, log_margin, ALPHA, ALPHA),
    )


def compare_pairs(settings: Sequence[AlignedSamples]) -> Iterator[Comparisons]:
    """Yield the comparisons of all pairs of a setting's rivals, each pair once: i < j.

    The pairs of a setting are a family. Variances are moderated over all settings.
    """
    effects, families = pairs_by_setting(settings)
    comparisons = iter(compare(effects, families=families))
    for rivals in settings:
        yield {pair: next(comparisons) for pair in rivals.pairs}


def p_values(estimates: Estimates) -> Samples:
    """Return the two-sided chance of so large an effect between equals; NaN of few launches."""
    two_sided = 2 * estimates.chance(np.abs(estimates.effect))
    return np.where(estimates.launches >= MIN_LAUNCHES, two_sided, np.nan)


def verdicts(
    estimates: Estimates, p: Samples, log_margin: float, different: Level, same: Level
) -> list[Verdict]:
    """Return the verdict of each comparison: shown different, shown the same, or neither.

    Different needs the adjusted `p` under its level, the pair's own p under `PAIR_LEVEL`, an effect
    of at least the margin, and at most one launch, or one in `CONTRARY`, of the other sign. Same
    needs two one-sided tests at its level (Schuirmann 1987, Journal of Pharmacokinetics and
    Biopharmaceutics 15(6), 657-680). Under `MIN_LAUNCHES` all is undecided.

    This is the one rule of *shown*. An interval without 1 shows nothing: it misses the truth in 1
    of 20 settings, and in more where a run looks several times. It would call one of two equal
    rivals faster in 4 of 100 runs (`python -m studies.ladder`, its table of changes).
    """
    size, enough = np.abs(estimates.effect), estimates.launches >= MIN_LAUNCHES
    contrary = estimates.launches - estimates.agreeing
    guarded = enough & (contrary <= np.maximum(estimates.launches // CONTRARY, 1))
    with np.errstate(invalid="ignore"):
        sure = (p < different) & (p_values(estimates) < PAIR_LEVEL)
        differs = guarded & sure & (size >= log_margin)
        alike = enough & (estimates.chance(log_margin - size) < same)
    return in_verdicts(estimates.effect, differs, alike)


def in_verdicts(
    effect: Samples, differs: NDArray[np.bool_], alike: NDArray[np.bool_]
) -> list[Verdict]:
    sides = np.where(effect < 0, Verdict.FASTER, Verdict.SLOWER)
    words = np.where(differs, sides, np.where(alike, Verdict.SAME, Verdict.UNDECIDED))
    return [Verdict(word) for word in words.tolist()]


def holm(p: Samples, family: Families) -> Samples:
    """Adjust p-values within their families; NaN is not tested.

    Source: Holm 1979, Scandinavian Journal of Statistics 6(2), 65-70.
    """
    adjusted = np.full(len(p), np.nan)
    order = np.lexsort((p, family))
    order = order[np.isfinite(p[order])]
    for members in np.split(order, np.flatnonzero(np.diff(family[order])) + 1):
        steps = p[members] * np.arange(len(members), 0, -1)
        adjusted[members] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


# Intervals beside the shown best that hold for all rows of a setting at once ----------------------
#
# A table of rows needs wider intervals than a single pair, for two reasons. Any of several rows may
# miss. And the same data picked the row beside which the others are shown, as the one that looked
# fastest. Both are corrected here by the quantile of the largest error of all pairs that may be
# shown: those of every rival that may be the best with every other.
#
# If one rival alone may be the best, this is the quantile of Dunnett (1955, Journal of the
# American Statistical Association 50, 1096-1121); if any may, that of Tukey's studentized range.
# The rival that looks fastest tends to look too fast. So the others are seldom nearer to it than
# they seem, and only lower ends need the correction for the choice of the best.

#: The seed of the simulated noise: the same rivals have the same levels in every report.
_SEED = 0
#: How many numbers are drawn: widths of up to 20 rivals are then right to 0.5 %.
_DRAWN = 500_000


class PairLevels(NamedTuple):
    """The chances with which one pair may miss the lower and the upper end of its interval."""

    below: float
    above: float


@functools.lru_cache(maxsize=256)
def simultaneous_levels(rivals: int, candidates: int, alpha: float) -> PairLevels:
    """Return the levels of single pairs that make all intervals of a setting hold at once.

    Any of the first `candidates` of the `rivals` may be the best; some interval misses its truth
    with chance `alpha`. Levels are those of normal noise; each pair applies them to Student's t
    with its own degrees of freedom.
    """
    if rivals < 3:  # noqa: PLR2004 - a single pair is its own family
        return PairLevels(alpha / 2, alpha / 2)
    errors = _largest_errors(rivals, alpha)
    return PairLevels(below=_tail(errors[candidates - 1]), above=_tail(errors[0]))


@functools.lru_cache(maxsize=64)
def _largest_errors(rivals: int, alpha: float) -> tuple[float, ...]:
    """Return the quantile of the largest error, in standard errors, for 1, 2, ... candidates."""
    draws = max(_DRAWN // rivals, 1000)
    error = np.random.default_rng(_SEED).standard_normal((draws, rivals))
    high, low = np.maximum.accumulate(error, axis=1), np.minimum.accumulate(error, axis=1)
    largest = np.maximum(high[:, -1:] - low, high - low[:, -1:]) / math.sqrt(2)
    return tuple(np.quantile(largest, 1 - alpha, axis=0).tolist())


def _tail(error: float) -> float:
    return 0.5 * math.erfc(error / math.sqrt(2))
