"""From launch effects to one estimate a comparison, and the absolute times of cases.

scipy is imported at the first Student's t: importing it costs twice as much as numpy itself, and
the process that collects a campaign's cases must start at once.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from timelift.analyse.effects import BATCHES, AlignedSamples, Effects, mean_and_variance, stack
from timelift.analyse.measurement import Measurement, Samples
from timelift.analyse.shrink_variances import Spread, centred_logs, shrink_variances
from timelift.case import Case

# Comparisons that belong together: all pairs of the rivals of one setting -------------------------

#: The number of each row's family, which is all pairs of its rivals in the order of
#: `np.triu_indices`.
Families = NDArray[np.int_]


def rivals_in(families: Families) -> NDArray[np.int_]:
    """Return how many rivals each row's family has; raises ValueError where it is not all pairs."""
    _, place, pairs = np.unique(families, return_inverse=True, return_counts=True)
    rivals = np.array([(1 + math.isqrt(1 + 8 * size)) // 2 for size in pairs.tolist()], int)
    if (rivals * (rivals - 1) != 2 * pairs).any():
        raise ValueError(f"expected families of all pairs of rivals, received {pairs.tolist()}")
    return np.asarray(rivals[place])


def independence_in(families: Families) -> Samples:
    """Return each row's share of an independent comparison."""
    return 2 / rivals_in(families)


def variance_beside(variance: Samples, df: Samples, families: Families) -> Samples:
    """Return the mean log variance of the pairs of a row's family that share no rival with it.

    `df` are the degrees of freedom of each variance. It is a mean of logs, so that one loud rival
    does not make all look loud. NaN where there is no such pair, as among fewer than four rivals.
    """
    known = np.isfinite(variance) & (df > 0)
    logs = np.zeros(len(variance))
    logs[known], _ = centred_logs(variance[known], df[known])
    count, order = rivals_in(families), np.argsort(families, kind="stable")
    beside = np.full(len(variance), np.nan)
    for rivals in np.unique(count).tolist():
        first, second = np.triu_indices(rivals, 1)
        rows = order[count[order] == rivals].reshape(-1, len(first))
        total, number = (
            _apart(values[rows], first, second) for values in (logs, known.astype(float))
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            beside[rows] = np.where(number > 0, total / number, np.nan)
    return beside


def _apart(values: Samples, first: NDArray[np.int_], second: NDArray[np.int_]) -> Samples:
    """Sum over the pairs that share no rival with a pair; `values` are (families, pairs)."""
    of_rival = np.zeros((len(values), second[-1] + 1))
    for side in (first, second):
        np.add.at(of_rival.T, side, values.T)
    total = values.sum(-1, keepdims=True)
    return np.asarray(total - of_rival[:, first] - of_rival[:, second] + values)


# Estimates ---------------------------------------------------------------------------------------

#: What every interval and family of verdicts is of, and the chance that is left.
CONFIDENCE = 0.95
ALPHA = 1 - CONFIDENCE
#: What one launch is assumed to miss where a run has no second one, as a sd of log ratios.
ASSUMED_LAUNCH_SD = 0.02


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its 95 % interval from `low` to `high`, NaN where one launch bounds none."""

    value: float
    low: float = math.nan
    high: float = math.nan

    @property
    def is_known(self) -> bool:
        return math.isfinite(self.low) and math.isfinite(self.high)

    def times(self, factor: float) -> "Interval":
        return Interval(self.value * factor, self.low * factor, self.high * factor)

    def inverse(self) -> "Interval":
        """Return the interval of a ratio's inverse."""
        return Interval(1 / self.value, 1 / self.high, 1 / self.low)


@dataclass(frozen=True)
class Estimates:
    """Effects over launches with their standard errors, each array (comparisons,).

    `df` are the degrees of freedom of `standard_error`, `launches` how many launches an effect
    rests on, `agreeing` how many of those lie on its side of zero. What is unknown is NaN, with
    `df` 0.
    """

    effect: Samples
    standard_error: Samples
    df: Samples
    launches: Samples
    agreeing: Samples

    @cached_property
    def two_sided(self) -> Samples:
        """The chance of so large an effect, to either side, between equals."""
        return 2 * self.chance(np.abs(self.effect))

    def half_width(self, chance: float) -> Samples:
        """Return the half-width of an interval that is missed on each side with `chance`."""
        known = self.df > 0
        half_width = t_quantile(chance, np.where(known, self.df, 1.0)) * self.standard_error
        return np.where(known, half_width, np.nan)

    def chance(self, distance: Samples) -> Samples:
        """Return the chance that an estimate misses the truth by `distance` or more to one side."""
        known = self.df > 0
        statistic = np.where(known, distance / self.standard_error, 0.0)
        return np.where(known, t_tail(statistic, np.where(known, self.df, 1.0)), np.nan)


def estimate(effects: Effects, families: Families | None = None) -> Estimates:
    """Estimate each comparison over its launches; its variance is moderated over all of them.

    Where rows are not independent of each other, `families` says which are all pairs of the same
    rivals.
    """
    count = np.isfinite(effects.effect).sum(-1)
    centre, variance = mean_and_variance(effects.effect)
    known, independence, beside = np.maximum(count - 1.0, 0.0), np.ones(len(count)), None
    if families is not None:
        independence = independence_in(families)
        beside = variance_beside(variance, known, families)
    spread = Spread(variance, known, _log_within(effects), independence, beside)
    moderated, df = _moderated(spread, count)
    with np.errstate(invalid="ignore", divide="ignore"):
        standard_error = np.sqrt(moderated / count)
        agreeing = (effects.effect * np.sign(centre)[:, None] > 0).sum(-1)
    known = np.isfinite(standard_error)
    return Estimates(
        centre, np.where(known, standard_error, np.nan), np.where(known, df, 0), count, agreeing
    )


def _log_within(effects: Effects) -> Samples:
    """Return the log of the variance that the rounds of a launch explain, NaN where unknown."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(mean_and_variance(effects.standard_error**2)[0]))


def _moderated(spread: Spread, count: Samples) -> tuple[Samples, Samples]:
    """Return the variance between launches and its degrees; for one launch, an assumed one."""
    moderated, total = shrink_variances(spread)
    is_assumed = (count == 1) & (total < 1)
    assumed = np.exp(spread.covariate) + ASSUMED_LAUNCH_SD**2
    return np.where(is_assumed, assumed, moderated), np.where(is_assumed, BATCHES - 1.0, total)


def t_tail(statistic: Samples, df: Samples) -> Samples:
    """Return the chance that Student's t with `df` degrees of freedom exceeds `statistic`."""
    from scipy import special  # noqa: PLC0415

    return np.asarray(special.stdtr(df, -np.asarray(statistic)))


def t_quantile(chance: float, df: Samples | float) -> Samples:
    """Return the t that is exceeded with `chance` (at most one half) at each of `df`."""
    from scipy import special  # noqa: PLC0415

    return np.asarray(-special.stdtrit(df, chance))


# Absolute times: seconds of a call and of the first call ------------------------------------------


@dataclass(frozen=True)
class AbsoluteTimes:
    """Log seconds of cases with the half-widths of their intervals, each array (cases,).

    A half-width is NaN where the case has one launch alone.
    """

    centre: Samples
    half_width: Samples
    launches: Samples

    def part(self, rows: slice) -> "AbsoluteTimes":
        return AbsoluteTimes(self.centre[rows], self.half_width[rows], self.launches[rows])


def absolute_times(settings: Sequence[AlignedSamples]) -> Iterator[AbsoluteTimes]:
    """Estimate the time of every rival from its launch medians, by setting.

    Variances are moderated over all rivals.
    """
    medians = [setting.launch_medians() for setting in settings]
    times = _estimated([_without_standard_errors(logs) for logs in medians])
    start = 0
    for logs in medians:
        yield times.part(slice(start, start := start + len(logs)))


def first_calls(measurements: Iterable[Measurement]) -> dict[Case, Interval]:
    """Return the seconds of every case's first call: the geometric mean over launches.

    Variances of the logs are moderated over all cases. Launches that built beside another
    process keep no first call in their facts.
    """
    launches = {one.case: seconds for one in measurements if (seconds := _first_call_seconds(one))}
    if not launches:
        return {}
    logs = [_without_standard_errors(np.log([seconds])) for seconds in launches.values()]
    times = _estimated(logs)
    ends = (times.centre, times.centre - times.half_width, times.centre + times.half_width)
    intervals = (Interval(*row) for row in np.exp(ends).T.tolist())
    return dict(zip(launches, intervals, strict=True))


def _first_call_seconds(measurement: Measurement) -> list[float]:
    facts = [launch.facts.number("first_call_seconds") for launch in measurement.launches]
    return [seconds for seconds in facts if seconds is not None and 0 < seconds < math.inf]


def _without_standard_errors(logs: Samples) -> Effects:
    """Return log seconds as (cases, launches); their errors within a launch are not known."""
    return Effects(logs, np.full_like(logs, np.nan))


def _estimated(parts: Sequence[Effects]) -> AbsoluteTimes:
    estimates = estimate(stack(parts))
    half_width = np.where(estimates.launches > 1, estimates.half_width(ALPHA / 2), np.nan)
    return AbsoluteTimes(estimates.effect, half_width, estimates.launches)
