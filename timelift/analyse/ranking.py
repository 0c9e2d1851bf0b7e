"""Rankings: from the measurements of a run to the order of the rivals in every setting.

Every rival stands beside two others: the one that looks fastest, and the baseline, which is what
people write. The first was picked by the same data, the second was not.
"""

import functools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from timelift.analyse import verdicts
from timelift.analyse.effects import AlignedSamples, aligned_samples, fit_scores, pairs_by_setting
from timelift.analyse.estimates import ALPHA, AbsoluteTimes, Interval, absolute_times
from timelift.analyse.measurement import Measurement, Samples
from timelift.analyse.verdicts import Comparison, Verdict
from timelift.case import Case, Setting
from timelift.errors import UserError

#: What speed-ups are told against, in this order: the first that was measured in a setting.
BASELINES = ("time_distributed", "loop_slice", "loop_unstack", "rnn_cell", "fold_time")
#: A cost over the best that is not known.
UNKNOWN = (math.nan, math.nan)

#: The digits to which the log seconds of a tie agree; names decide ties.
_DIGITS = 9
#: Half of what the exponential function takes: two launches may differ a millionfold.
LARGEST_LOG = 350.0
#: All ordered pairs of one setting's rivals, by position: [i, j] is j beside i.
Comparisons = Mapping[tuple[int, int], Comparison]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedUp(Interval):
    """How many times as fast a rival is as the baseline, from the rounds that both played.

    The intervals of all rivals of a setting hold at once (Bonferroni). `verdict` is that of the
    rival beside the baseline.
    """

    verdict: Verdict


@dataclass(frozen=True, slots=True)
class RankedCase:
    """One row of a ranking.

    `ratio` is to the first row: the intervals of all rows hold at once, though the first was picked
    by the same data.
    `half_width` is the half-width, a log ratio, of the interval that the pair would have by itself.
    `verdict` is that of this rival beside the first row, `p` that of their difference, two-sided
    and adjusted for all pairs of the setting. The true rank lies from `rank_low` to `rank_high`.
    `cost_over_best` is the least and the most that choosing this rival costs over the best,
    whichever that is, as ratios. `detectable` is the ratio to the first row that would have been
    called different 9 in 10 times. `speed_up` is over the baseline of the setting, 1 for the
    baseline itself, and None of a look-alike.
    """

    case: Case
    seconds_per_call: Interval
    ratio: Interval
    verdict: Verdict
    rank_low: int
    rank_high: int
    launches: int
    p: float = math.nan
    cost_over_best: tuple[float, float] = UNKNOWN
    detectable: float = math.nan
    half_width: float = math.nan
    speed_up: SpeedUp | None = None

    @property
    def cost_is_known(self) -> bool:
        return math.isfinite(self.cost_over_best[1])

    @property
    def surely_costs(self) -> bool:
        return self.cost_over_best[0] > 1

    @property
    def first_costs(self) -> float:
        """What the first row costs over this one, at most, as a ratio: its part in that price."""
        return self.ratio.high / self.ratio.value**2

    @property
    def may_cost(self) -> bool:
        return self.cost_over_best[1] > 1


@dataclass(frozen=True, slots=True)
class Ranking:
    """The measured rivals of one setting, sorted by time.

    `unranked` are look-alikes or twins, measured beside the rivals and no answer: they have a ratio
    to the first row, but neither rank (0) nor a cost over the best. `baseline` is the
    strategy that speed-ups are told against, empty where none of those asked for was measured.
    """

    setting: Setting
    rows: tuple[RankedCase, ...]
    unranked: tuple[RankedCase, ...] = ()
    baseline: str = ""

    @property
    def is_contest(self) -> bool:
        return len(self.rows) > 1

    @property
    def all_rows(self) -> tuple[RankedCase, ...]:
        if not self.unranked:
            return self.rows
        both = (*self.rows, *self.unranked)
        return tuple(sorted(both, key=lambda row: row.seconds_per_call.value))

    @property
    def not_shown_slower(self) -> tuple[str, ...]:
        """The strategies that no rival was shown to beat."""
        return tuple(row.case.strategy for row in self.rows if row.rank_low == 1)

    @property
    def undecided(self) -> tuple[RankedCase, ...]:
        """The undecided rows whose detectable ratio is known."""
        still = (row for row in self.rows[1:] if row.verdict is Verdict.UNDECIDED)
        return tuple(row for row in still if math.isfinite(row.detectable))

    def row(self, strategy: str) -> RankedCase:
        """Return the row of `strategy`; raises UserError where it was not measured."""
        rows = {row.case.strategy: row for row in self.rows}
        if strategy in rows:
            return rows[strategy]
        raise UserError(
            f"expected a strategy measured in {self.setting.label}, received {strategy!r}; "
            f"choose one of {', '.join(rows)}"
        )


def rank(
    measurements: Iterable[Measurement], relative_to: Sequence[str] = BASELINES
) -> list[Ranking]:
    """Rank the measured rivals of every setting, in setting order.

    Any wrong faster or slower in a setting has a chance of at most `ALPHA`. The first of
    `relative_to` that was measured in a setting is its baseline.
    """
    settings = aligned_samples(measurements)
    if not settings:
        return []
    parts = zip(
        settings,
        _comparisons(settings),
        absolute_times(settings),
        strict=True,
    )
    return [_Rivals(*part, relative_to).ranking() for part in parts]


def _comparisons(settings: Sequence[AlignedSamples]) -> Iterator[Comparisons]:
    effects, families = pairs_by_setting(settings)
    results = iter(verdicts.compare(effects, families=families))
    for one in settings:
        forward = {pair: next(results) for pair in one.pairs}
        yield forward | {(j, i): seen.swapped() for (i, j), seen in forward.items()}


# Intervals beside the shown best that hold for all rows of a setting at once ----------------------
#
# Two things stand between an interval of one pair and a table of rows. There are several rows, each
# of which may miss; and the row that they are shown beside was picked by the same data, as the one
# that looked fastest. Both are paid for here, by the quantile of the largest error of all pairs
# that may be shown: those of every rival that may be the best with every other.
#
# Where one rival alone may be the best, that is the quantile of Dunnett (1955, Journal of the
# American Statistical Association 50, 1096-1121); where any may, that of Tukey's studentized range.
# The rival that looks fastest looks too fast rather than too slow, so that the others are seldom
# nearer to it than they seem: only lower ends have to pay for the choice of the best.

#: Where the simulated noise starts: the same rivals have the same levels in every report.
_SEED = 0
#: How many numbers are drawn: widths of up to 20 rivals are then right to 0.5 %.
_DRAWN = 500_000


@dataclass(frozen=True)
class PairLevels:
    """The chances with which one pair may miss the lower and the upper end of its interval."""

    below: float
    above: float


@functools.lru_cache(maxsize=256)
def simultaneous_levels(rivals: int, candidates: int, alpha: float) -> PairLevels:
    """Return the levels of single pairs that make all intervals of a setting hold at once.

    Of the `rivals`, the first among them, `candidates` may be the best (1 is the first alone);
    some interval misses its truth with chance `alpha`. Levels are those of normal noise; the pair
    takes them to Student's t with its own degrees of freedom.
    """
    if rivals < 3:  # noqa: PLR2004 - a single pair is its own family
        return PairLevels(alpha / 2, alpha / 2)
    one, some = (_largest_errors(rivals, alpha)[place - 1] for place in (1, candidates))
    return PairLevels(below=_tail(some), above=_tail(one))


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


# One setting --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Rivals:
    """One setting's rivals by position, with their comparisons and times.

    Some interval, or some cost over the best, is wrong with a chance of `ALPHA`.
    """

    samples: AlignedSamples
    comparisons: Comparisons
    absolute: AbsoluteTimes
    relative_to: Sequence[str]

    def ranking(self) -> Ranking:
        rows = [self._row(i) for i in self.order]
        name = "" if self.baseline is None else self.samples.cases[self.baseline].strategy
        return Ranking(self.samples.setting, tuple(rows), baseline=name)

    @functools.cached_property
    def baseline(self) -> int | None:
        """The position of the rival that speed-ups are told against, None where none was asked."""
        places = {case.strategy: place for place, case in enumerate(self.samples.cases)}
        return next((places[name] for name in self.relative_to if name in places), None)

    @functools.cached_property
    def order(self) -> list[int]:
        times = np.round(self.times, _DIGITS)
        return [int(i) for i in np.lexsort((np.arange(len(times)), times))]

    @property
    def best(self) -> int:
        return self.order[0]

    @functools.cached_property
    def times(self) -> Samples:
        """Log seconds per call that agree with the paired effects, where there are any.

        A rival whose launches fell on busy minutes is no slower for it: rivals that pairs connect
        keep their mean time, and their differences are those of the pairs.
        """
        pairs = [self.comparisons[pair] for pair in self.samples.pairs]
        effects = np.array([pair.effect for pair in pairs])
        weights = np.array([float(pair.launches) for pair in pairs])
        centre = self.absolute.centre
        first, second = np.triu_indices(len(centre), 1)
        surplus = effects - (centre[second] - centre[first])
        return centre + fit_scores(surplus, weights, len(centre))

    @functools.cached_property
    def levels(self) -> PairLevels:
        """The levels at which the intervals of all rows hold at once.

        A rival that is surely slower than the first cannot be the best, however little slower.
        """
        others = [self.comparisons[self.best, j] for j in self.order[1:]]
        known = [one for one in others if one.df > 0 and not one.within_one_launch]
        beaten = [one.p < ALPHA and one.effect > 0 for one in known]
        return simultaneous_levels(1 + len(known), 1 + beaten.count(False), ALPHA)

    def _row(self, i: int) -> RankedCase:
        rivals = [self.comparisons[j, i] for j in range(len(self.samples.cases)) if j != i]
        words = [comparison.verdict for comparison in rivals]
        launches, width = int(self.absolute.launches[i]), float(self.absolute.half_width[i])
        is_bound = launches > 1 and not any(one.within_one_launch for one in rivals)
        return RankedCase(
            case=self.samples.cases[i],
            seconds_per_call=_interval(float(self.times[i]), width, width),
            rank_low=1 + words.count(Verdict.SLOWER),
            rank_high=len(words) + 1 - words.count(Verdict.FASTER),
            launches=launches,
            cost_over_best=self._cost_over_best(rivals) if is_bound else UNKNOWN,
            speed_up=self._speed_up(i),
            **self._beside(i),
        )

    def _speed_up(self, i: int) -> SpeedUp | None:
        if self.baseline is None:
            return None
        if i == self.baseline:
            return SpeedUp(1.0, 1.0, 1.0, verdict=Verdict.SAME)
        seen, effect = self._effect(i, self.baseline)
        chance = ALPHA / (2 * (len(self.samples.cases) - 1))
        width = math.nan if seen.within_one_launch else seen.half_width(chance)
        ends = _exp(effect - width), _exp(effect + width)
        return SpeedUp(_exp(effect), *ends, verdict=seen.swapped().verdict)

    def _effect(self, i: int, j: int) -> tuple[Comparison, float]:
        """Return the comparison of `j` beside `i`, and its log ratio from times if it has none."""
        seen = self.comparisons[i, j]
        return seen, seen.effect if seen.launches else float(self.times[j] - self.times[i])

    def _beside(self, i: int) -> dict[str, Any]:
        if i == self.best:
            return {"ratio": Interval(1.0, 1.0, 1.0), "verdict": Verdict.SAME}
        seen, effect = self._effect(self.best, i)
        below, above, alone = (
            math.nan if seen.within_one_launch else seen.half_width(chance)
            for chance in (self.levels.below, self.levels.above, ALPHA / 2)
        )
        return {
            "ratio": _interval(effect, below, above),
            "verdict": seen.verdict,
            "p": seen.p,
            "detectable": _exp(seen.detectable),
            "half_width": alone,
        }

    def _cost_over_best(self, rivals: Sequence[Comparison]) -> tuple[float, float]:
        """Return the least and most that a rival costs over the best, from its comparisons.

        The least may be wrong about any pair, the most only about the best and another, since the
        best's own bound must hold (Hsu 1984, Annals of Statistics 12(3), 1136-1144). Both hold for
        all rows at once, since the best was picked by the same data.
        """
        lows = np.array([0.0, *(one.family_low for one in rivals)])
        highs = np.array([0.0, *(one.effect + one.half_width(self.levels.above) for one in rivals)])
        return _exp(float(lows.max())), _exp(float(highs.max()))


def _interval(log: float, below: float, above: float) -> Interval:
    return Interval(_exp(log), _exp(log - below), _exp(log + above))


def _exp(log: float) -> float:
    return math.exp(max(min(log, LARGEST_LOG), -LARGEST_LOG))
