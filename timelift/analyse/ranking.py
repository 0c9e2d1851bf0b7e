"""Rankings: from the measurements of a run to the order of the rivals in every setting.

Every rival stands beside two others: the one that looks fastest, and the baseline, which is the
usual code. The first was picked by the same data, the second was not.

`rank_run` alone decides which strategies may be named fastest, for every report. A look-alike
declares `DIFFERS`: it does not compute what the inner layer computes at every step. A twin is a
copy of a strategy, planted or from another side. Both are timed and shown beside the
lifts, but neither is an answer, so no ranking has them among its `rows`. The same is true of a
strategy whose meaning in training is unknown.
"""

import dataclasses
import functools
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from timelift.analyse import verdicts
from timelift.analyse.effects import AlignedSamples, aligned_samples, fit_scores
from timelift.analyse.estimates import ALPHA, Estimates, Interval, absolute_times
from timelift.analyse.meaning import USUAL_CODE, TrainedMeanings
from timelift.analyse.results import Run, Samples
from timelift.analyse.verdicts import Comparison, Comparisons, PairLevels, Verdict
from timelift.case import Case, Setting
from timelift.measurement import Measurement

#: The usual code. Speed-ups are told against the first of these that was measured in a setting.
BASELINES = (*USUAL_CODE, "fold_time")
_UNKNOWN = Interval(math.nan)
#: Log seconds that are equal to so many digits are a tie, which names decide.
_DIGITS = 9
#: Half of the largest log of a float, since two launches may differ a millionfold.
LARGEST_LOG = 350.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedUp(Interval):
    """How many times as fast a rival is as the baseline, from the rounds that both played.

    The intervals of all rivals of a setting hold at once (Bonferroni). `verdict` is that of the
    rival beside the baseline. `further` is the 95 % prediction interval, for this rival alone, of
    one more unit of evidence: a launch, a run or a machine.
    """

    verdict: Verdict
    further: Interval = _UNKNOWN


@dataclass(frozen=True, slots=True)
class RankedCase:
    """One row of a ranking.

    `ratio` is to the first row: the intervals of all rows hold at once, though the same data picked
    the first row. `half_width`, a log ratio, is that of an interval for this pair alone. `verdict`
    compares this rival with the first row; `p` is two-sided and adjusted for all pairs of the
    setting. The true rank lies from `rank_low` to `rank_high`. `cost_over_best` is the ratio of its
    time to that of the best rival: the estimate, and bounds that hold whichever rival is the best.
    `detectable` is the ratio to the first row that would be called different 9 in 10 times.
    `speed_up` is over the baseline of the setting: 1 for the baseline, None for a look-alike.
    """

    case: Case
    seconds_per_call: Interval
    ratio: Interval
    verdict: Verdict
    rank_low: int
    rank_high: int
    launches: int
    p: float = math.nan
    cost_over_best: Interval = _UNKNOWN
    detectable: float = math.nan
    half_width: float = math.nan
    speed_up: SpeedUp | None = None

    @property
    def cost_at_most(self) -> float:
        """The most that it costs over the best, or what was seen where launches bound nothing."""
        cost = self.cost_over_best
        return cost.high if cost.is_known else cost.value

    @property
    def first_costs(self) -> float:
        """The most that the first row costs over this one, as a ratio."""
        return self.ratio.high / self.ratio.value**2


@dataclass(frozen=True, slots=True)
class Ranking:
    """The measured rivals of one setting, sorted by time.

    `unranked` are no answers (`not_ranked`): they have a ratio to the first row, but no rank (0)
    and no cost over the best. `baseline` is the strategy that speed-ups are told against, empty
    where none of those asked for was measured.
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
        rows = (*self.rows, *self.unranked)
        return tuple(sorted(rows, key=lambda row: row.seconds_per_call.value))

    @property
    def not_shown_slower(self) -> tuple[str, ...]:
        """The strategies that no rival was shown to beat."""
        return tuple(row.case.strategy for row in self.rows if row.rank_low == 1)

    @property
    def undecided(self) -> tuple[RankedCase, ...]:
        """The undecided rows whose detectable ratio is known."""
        undecided = (row for row in self.rows[1:] if row.verdict is Verdict.UNDECIDED)
        return tuple(row for row in undecided if math.isfinite(row.detectable))

    def row(self, strategy: str) -> RankedCase:
        return next(row for row in self.rows if row.case.strategy == strategy)


# Which strategies are ranked ----------------------------------------------------------------------


def declared(run: Run, field: str) -> Iterator[tuple[str, str]]:
    for name, entry in run.header.strategies.items():
        if isinstance(text := getattr(entry, field), str):
            yield name, text


def look_alikes(run: Run) -> dict[str, str]:
    """Return why a strategy is compared although it is no lift, by name."""
    return {name: why for name, why in declared(run, "differs") if why}


def not_ranked(run: Run) -> set[Case]:
    """Return the cases of look-alikes, of twins, and of an unknown meaning in training."""
    strategies, meanings = run.header.strategies.items(), TrainedMeanings(run)
    aside = {name for name, entry in strategies if entry.differs or entry.copy_of}
    return {case for case in run.by_case if case.strategy in aside or meanings.why_unknown(case)}


def rank_run(run: Run, relative_to: Sequence[str] = BASELINES) -> list[Ranking]:
    """Rank the lifts of every setting, in setting order, with what is no answer `unranked`.

    Where only that was measured a ranking has no rows. The first of `relative_to` that was
    measured in a setting is its baseline.
    """
    aside = not_ranked(run)
    lifts = [rival for rival in run.measurements if rival.case not in aside]
    ranked = {ranking.setting: ranking for ranking in rank(lifts, relative_to)}
    unranked: dict[Setting, list[RankedCase]] = defaultdict(list)
    for name in sorted({case.strategy for case in aside}):
        own = [
            each for case, each in run.by_case.items() if case.strategy == name and case in aside
        ]
        settings = [rival.case.setting for rival in own if rival.case.setting in ranked]
        fastest = [run.measured[ranked[setting].rows[0].case] for setting in settings]
        for pair in rank([*own, *fastest], relative_to=()):
            row = _beside_fastest(name, pair, ranked.get(pair.setting))
            unranked[pair.setting] += [row] if row else []
    return [
        dataclasses.replace(
            ranked.get(setting, Ranking(setting, ())), unranked=tuple(unranked[setting])
        )
        for setting in sorted({*ranked, *unranked})
    ]


def _beside_fastest(name: str, pair: Ranking, lifts: Ranking | None) -> RankedCase | None:
    """Return the row of what is no answer beside the fastest lift; None if it was not timed.

    `pair` ranks the two, in either order.
    """
    own = next((row for row in pair.rows if row.case.strategy == name), None)
    if own is None:
        return None
    own = dataclasses.replace(own, rank_low=0, rank_high=0, p=math.nan, cost_over_best=_UNKNOWN)
    if lifts is None:
        return dataclasses.replace(own, ratio=_UNKNOWN, verdict=Verdict.UNDECIDED)
    lift = next(row for row in pair.rows if row.case != own.case)
    if lift is not pair.rows[0]:
        own = dataclasses.replace(
            own,
            ratio=lift.ratio.inverse(),
            verdict=lift.verdict.swapped(),
            detectable=lift.detectable,
            half_width=lift.half_width,
        )
    seconds = lifts.rows[0].seconds_per_call.value * own.ratio.value
    factor = seconds / own.seconds_per_call.value
    return dataclasses.replace(own, seconds_per_call=own.seconds_per_call.times(factor))


def rank(
    measurements: Iterable[Measurement], relative_to: Sequence[str] = BASELINES
) -> list[Ranking]:
    """Rank all measured rivals of every setting, lifts or not, in setting order.

    Any wrong faster or slower in a setting has a chance of at most `ALPHA`. The first of
    `relative_to` that was measured in a setting is its baseline.
    """
    settings = aligned_samples(measurements)
    if not settings:
        return []
    comparisons = (
        pairs | {(j, i): pair.swapped() for (i, j), pair in pairs.items()}
        for pairs in verdicts.compare_pairs(settings)
    )
    parts = zip(settings, comparisons, absolute_times(settings), strict=True)
    return [_Rivals(*part, relative_to).ranking() for part in parts]


# One setting --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Rivals:
    """One setting's rivals by position: all ordered pairs compared, and log seconds per call.

    Some interval, or some cost over the best, is wrong with a chance of `ALPHA`.
    """

    samples: AlignedSamples
    comparisons: Comparisons
    absolute: Estimates
    relative_to: Sequence[str]

    def ranking(self) -> Ranking:
        half_widths = self.absolute.half_width(ALPHA / 2).tolist()
        rows = [self._row(i, half_widths[i]) for i in self.order]
        name = "" if self.baseline is None else self.samples.cases[self.baseline].strategy
        return Ranking(self.samples.setting, tuple(rows), baseline=name)

    @functools.cached_property
    def baseline(self) -> int | None:
        """The position of the rival that speed-ups are told against, or None."""
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

        Rivals that pairs connect keep their mean time, and their differences are those of the
        pairs, so launches in busy minutes make no rival slower.
        """
        pairs = [self.comparisons[pair] for pair in self.samples.pairs]
        effects = np.array([pair.value for pair in pairs])
        weights = np.array([float(pair.launches) for pair in pairs])
        mean = self.absolute.effect
        first, second = np.triu_indices(len(mean), 1)
        surplus = effects - (mean[second] - mean[first])
        return mean + fit_scores(surplus, weights, len(mean))

    @functools.cached_property
    def levels(self) -> PairLevels:
        """The levels at which the intervals of all rows hold at once.

        A rival that is surely slower than the first cannot be the best, however little slower.
        """
        others = [self.comparisons[self.best, j] for j in self.order[1:]]
        known = [comparison for comparison in others if comparison.is_over_launches]
        beaten = [comparison.p < ALPHA and comparison.value > 0 for comparison in known]
        return verdicts.simultaneous_levels(1 + len(known), 1 + beaten.count(False), ALPHA)

    def _row(self, i: int, half_width: float) -> RankedCase:
        """Return a row; `half_width` is that of its log seconds, NaN of one launch."""
        rivals = [self.comparisons[j, i] for j in range(len(self.samples.cases)) if j != i]
        verdicts = [comparison.verdict for comparison in rivals]
        row = RankedCase(
            case=self.samples.cases[i],
            seconds_per_call=_interval(float(self.times[i]), half_width, half_width),
            ratio=Interval(1.0, 1.0, 1.0),
            verdict=Verdict.SAME,
            rank_low=1 + verdicts.count(Verdict.SLOWER),
            rank_high=len(verdicts) + 1 - verdicts.count(Verdict.FASTER),
            launches=int(np.isfinite(self.samples.seconds[i]).any(-1).sum()),
            speed_up=self._speed_up(i),
        )
        if i != self.best:
            comparison, log_ratio = self._comparison(self.best, i)
            row = dataclasses.replace(
                row,
                ratio=_interval(log_ratio, *map(comparison.half_width, self.levels)),
                verdict=comparison.verdict,
                p=comparison.p,
                detectable=_exp(comparison.detectable),
                half_width=comparison.half_width(ALPHA / 2),
            )
        return dataclasses.replace(row, cost_over_best=self._cost_over_best(row, rivals))

    def _speed_up(self, i: int) -> SpeedUp | None:
        if self.baseline is None:
            return None
        if i == self.baseline:
            return SpeedUp(1.0, 1.0, 1.0, verdict=Verdict.SAME)
        comparison, log_ratio = self._comparison(i, self.baseline)
        width = comparison.half_width(ALPHA / (2 * (len(self.samples.cases) - 1)))
        ends = _exp(log_ratio - width), _exp(log_ratio + width)
        verdict = comparison.swapped().verdict
        # the variance of one is n times that of the mean: Hahn and Meeker 1991, section 4.7
        spread = comparison.half_width(ALPHA / 2) * math.sqrt(comparison.launches + 1)
        further = _interval(log_ratio, spread, spread)
        return SpeedUp(_exp(log_ratio), *ends, verdict=verdict, further=further)

    def _comparison(self, i: int, j: int) -> tuple[Comparison, float]:
        """Return the comparison of `j` with `i`, and its log ratio, of times if they never met."""
        comparison = self.comparisons[i, j]
        apart = float(self.times[j] - self.times[i])
        return comparison, comparison.value if comparison.launches else apart

    def _cost_over_best(self, row: RankedCase, rivals: Sequence[Comparison]) -> Interval:
        """Return the cost of a row over the best: the estimate, a lower and an upper bound.

        The lower bound needs the intervals of all pairs to hold, the upper bound only those of the
        best with each other rival (Hsu 1984, Annals of Statistics 12(3), 1136-1144). Both hold for
        all rows at once, since the same data picked the best.
        """
        if row.launches < 2 or not all(rival.is_over_launches for rival in rivals):  # noqa: PLR2004
            return Interval(row.ratio.value)
        lows = [0.0, *(rival.value - rival.family_half_width for rival in rivals)]
        highs = [0.0, *(rival.value + rival.half_width(self.levels.above) for rival in rivals)]
        return Interval(row.ratio.value, _exp(max(lows)), _exp(max(highs)))


def _interval(log: float, below: float, above: float) -> Interval:
    return Interval(_exp(log), _exp(log - below), _exp(log + above))


def _exp(log: float) -> float:
    return math.exp(max(min(log, LARGEST_LOG), -LARGEST_LOG))
