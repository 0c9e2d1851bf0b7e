"""From launch effects to estimates: a mean over launches, with a moderated variance.

Three launches say little about a variance. Two thousand comparisons of three launches say much
about the variances of a run, and the other comparisons of a setting about those of the setting.
Each comparison's own variance is drawn towards what they say (empirical Bayes).
Source: Smyth 2004, "Linear models and empirical Bayes methods for assessing differential
expression", Statistical Applications in Genetics and Molecular Biology 3(1), section 6.2; a prior
that follows a covariate: Sartor et al. 2006, BMC Bioinformatics 7:538. The second covariate, the
other pairs of a setting, is this project's own idea, tried by `python -m studies.ladder`.

scipy is imported at the first Student's t: its import takes twice as long as numpy's, and the
process that collects a campaign's cases must start at once.
"""

import dataclasses
import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from timelift.analyse.effects import BATCHES, AlignedSamples, Effects, mean_and_variance, stack
from timelift.analyse.results import Samples
from timelift.case import Case
from timelift.measurement import Measurement

T = TypeVar("T")
#: The confidence of every interval and every family of verdicts, and the chance of an error.
CONFIDENCE = 0.95
ALPHA = 1 - CONFIDENCE
#: The sd between launches, of log ratios, that is assumed where a run has one launch alone.
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


# Variances drawn towards what the run expects of them ---------------------------------------------

#: With fewer independent comparisons a prior is no better than noise.
MIN_COMPARISONS = 3
#: With fewer the prior is one variance for all instead of a line over the covariate.
MIN_FOR_TREND = 30
#: The upper limit of the prior's degrees of freedom.
MAX_PRIOR_DF = 30.0
#: Degrees of freedom that are taken off the fitted prior. Where quiet and loud rivals mix, the fit
#: lends the loud ones some of the others' quiet: 89 % coverage of theirs (3 launches), not 95.
CAUTION = 2.0
#: Standard errors by which the spread of log variances is taken to be larger, since a few
#: comparisons can look alike by luck and a prior is then believed too much.
DOUBT = 0.5
#: No ratio of two times repeats itself more closely than this: a sd of log ratios.
RESOLUTION = 1e-4
_BISECTIONS = 60


@dataclass(frozen=True)
class Spread:
    """Variances of comparisons with their degrees of freedom, each array (comparisons,).

    Variances may follow the `covariate`, and `others`, as by `others_log_variance`; both are NaN
    where unknown. `independence` is the number of independent comparisons that each is worth: the
    pairs of 5 rivals are 10, but only 4 independent ones.
    """

    variance: Samples
    df: Samples
    covariate: Samples
    independence: Samples
    others: Samples | None = None

    def only(self, rows: NDArray[np.bool_]) -> "Spread":
        """Return some rows, without `others`."""
        parts = (self.variance, self.df, self.covariate, self.independence)
        return Spread(*(values[rows] for values in parts))

    @property
    def known(self) -> NDArray[np.bool_]:
        """True where there is a variance, as there is not of one launch."""
        return self.df > 0

    @property
    def independent_comparisons(self) -> float:
        return float(self.independence[self.known].sum())


@dataclass(frozen=True)
class Prior:
    """The variance that a run expects of each comparison, worth `df` degrees of freedom."""

    df: Samples
    variance: Samples


def shrink_variances(spread: Spread) -> tuple[Samples, Samples]:
    """Return each variance averaged with the prior's, weighted by degrees, and its new degrees.

    The degrees never exceed those that the run has in all. The variance is NaN where neither it nor
    the prior has a degree.
    """
    prior = fit_prior(spread)
    own = np.where(spread.known, spread.df * np.nan_to_num(spread.variance), 0.0)
    total = spread.df + prior.df
    with np.errstate(invalid="ignore"):
        mixed = (own + prior.df * prior.variance) / total
    pooled = np.maximum(spread.df, (spread.df * spread.independence).sum())
    return np.maximum(mixed, RESOLUTION**2), np.minimum(total, pooled)


def fit_prior(spread: Spread) -> Prior:
    """Fit the prior by moments of the log variances, along the covariate where that can be done.

    Comparisons of one launch do not inform the prior but receive its variance. Where enough
    comparisons have `others`, and variances rise with those, their prior follows both.
    """
    if spread.independent_comparisons < MIN_COMPARISONS:
        return Prior(np.zeros_like(spread.variance), np.zeros_like(spread.variance))
    prior, _ = _fit(spread, _design(spread))
    if spread.others is None:
        return prior
    rows = np.isfinite(spread.others)
    informed = spread.only(rows)
    if informed.independent_comparisons < MIN_FOR_TREND:
        return prior
    closer, slopes = _fit(informed, np.column_stack([_design(informed), spread.others[rows]]))
    if slopes[-1] > 0:
        df, variance = prior.df.copy(), prior.variance.copy()
        df[rows], variance[rows] = closer.df, closer.variance
        return Prior(df, variance)
    return prior


def _fit(spread: Spread, design: Samples) -> tuple[Prior, Samples]:
    """Return the prior along the columns of a design, and the slope of each."""
    from scipy import special  # noqa: PLC0415

    known, weight = spread.known, spread.independence[spread.known]
    logs, noise = centred_logs(spread.variance[known], spread.df[known])
    root = np.sqrt(weight)
    slopes = np.linalg.lstsq(design[known] * root[:, None], logs * root, rcond=None)[0]
    squares = float(weight @ (logs - design[known] @ slopes) ** 2)
    df = spread.independent_comparisons - design.shape[1]
    seen = squares / df * (1 + DOUBT * (2 / df) ** 0.5)
    beyond_sampling = float(seen - np.average(noise, weights=weight))
    half = trigamma_inverse(max(beyond_sampling, float(special.polygamma(1, MAX_PRIOR_DF / 2))))
    variance = np.exp(design @ slopes + special.digamma(half) - np.log(half))
    prior = Prior(np.full_like(variance, max(2 * half - CAUTION, 0.0)), variance)
    return prior, np.asarray(slopes)


def centred_logs(variance: Samples, df: Samples) -> tuple[Samples, Samples]:
    """Return log variances without their bias, and the sampling variance of each."""
    from scipy import special  # noqa: PLC0415

    logs = np.log(np.maximum(variance, RESOLUTION**2))
    return logs - special.digamma(df / 2) + np.log(df / 2), special.polygamma(1, df / 2)


def _design(spread: Spread) -> Samples:
    """Return a column of ones, and the centred covariate where enough comparisons have one."""
    ones = np.ones(len(spread.variance))
    usable = spread.known & np.isfinite(spread.covariate)
    if spread.independence[usable].sum() < MIN_FOR_TREND:
        return ones[:, None]
    centred = spread.covariate - spread.covariate[usable].mean()
    return np.column_stack([ones, np.where(np.isfinite(centred), centred, 0.0)])


def trigamma_inverse(value: float) -> float:
    """Return the x > 0 whose trigamma, ψ'(x), is `value` > 0, by bisection on log x."""
    from scipy import special  # noqa: PLC0415

    low, high = -20.0, 20.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        below = special.polygamma(1, math.exp(middle)) < value
        low, high = (low, middle) if below else (middle, high)
    return math.exp(high)


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


def others_log_variance(variance: Samples, df: Samples, families: Families) -> Samples:
    """Return the mean log variance of the pairs of a row's family that share no rival with it.

    `df` are the degrees of freedom of each variance. It is a mean of logs, so that one loud rival
    does not make all look loud. NaN where there is no such pair, as among fewer than four rivals.
    """
    known = np.isfinite(variance) & (df > 0)
    logs = np.zeros(len(variance))
    logs[known], _ = centred_logs(variance[known], df[known])
    rivals, order = rivals_in(families), np.argsort(families, kind="stable")
    mean = np.full(len(variance), np.nan)
    for size in np.unique(rivals).tolist():
        first, second = np.triu_indices(size, 1)
        rows = order[rivals[order] == size].reshape(-1, len(first))
        total, count = (
            _sum_of_others(values[rows], first, second) for values in (logs, known.astype(float))
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            mean[rows] = np.where(count > 0, total / count, np.nan)
    return mean


def _sum_of_others(values: Samples, first: NDArray[np.int_], second: NDArray[np.int_]) -> Samples:
    """Return for each pair the sum over those that share no rival with it, (families, pairs)."""
    of_rival = np.zeros((len(values), second[-1] + 1))
    for side in (first, second):
        np.add.at(of_rival.T, side, values.T)
    total = values.sum(-1, keepdims=True)
    return np.asarray(total - of_rival[:, first] - of_rival[:, second] + values)


# Estimates ---------------------------------------------------------------------------------------


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

    def part(self, rows: slice) -> "Estimates":
        """Return the estimates of some comparisons."""
        columns = (self.effect, self.standard_error, self.df, self.launches, self.agreeing)
        return Estimates(*(column[rows] for column in columns))

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

    Rows that are all pairs of the same rivals, and so not independent, share a number in
    `families`.
    """
    launches = np.isfinite(effects.effect).sum(-1)
    mean, variance = mean_and_variance(effects.effect)
    df, independence, others = np.maximum(launches - 1.0, 0.0), np.ones(len(launches)), None
    if families is not None:
        independence = 2 / rivals_in(families)
        others = others_log_variance(variance, df, families)
    spread = Spread(variance, df, _log_within(effects), independence, others)
    moderated, moderated_df = _moderated(spread, launches)
    with np.errstate(invalid="ignore", divide="ignore"):
        standard_error = np.sqrt(moderated / launches)
        agreeing = (effects.effect * np.sign(mean)[:, None] > 0).sum(-1)
    known = np.isfinite(standard_error)
    return Estimates(
        mean,
        np.where(known, standard_error, np.nan),
        np.where(known, moderated_df, 0),
        launches,
        agreeing,
    )


def _log_within(effects: Effects) -> Samples:
    """Return the log of the mean variance by the rounds of a launch alone, NaN where unknown."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(mean_and_variance(effects.standard_error**2)[0]))


def _moderated(spread: Spread, launches: Samples) -> tuple[Samples, Samples]:
    """Return the variance between launches, assumed for a single one, and its degrees."""
    moderated, df = shrink_variances(spread)
    is_assumed = (launches == 1) & (df < 1)
    assumed = np.exp(spread.covariate) + ASSUMED_LAUNCH_SD**2
    return np.where(is_assumed, assumed, moderated), np.where(is_assumed, BATCHES - 1.0, df)


def by_row(kind: type[T], **columns: Iterable[Any]) -> list[T]:
    """Return an object of a kind for each row of its fields' columns, without numpy's scalars."""
    lists = [
        column.tolist() if isinstance(column, np.ndarray) else column for column in columns.values()
    ]
    return [kind(**dict(zip(columns, row, strict=True))) for row in zip(*lists, strict=True)]


def t_tail(statistic: Samples, df: Samples) -> Samples:
    """Return the chance that Student's t with `df` degrees of freedom exceeds `statistic`."""
    from scipy import special  # noqa: PLC0415

    return np.asarray(special.stdtr(df, -np.asarray(statistic)))


def t_quantile(chance: float, df: Samples | float) -> Samples:
    """Return the t that is exceeded with `chance` (at most one half) at each of `df`."""
    from scipy import special  # noqa: PLC0415

    return np.asarray(-special.stdtrit(df, chance))


# Absolute times: seconds of a call and of the first call ------------------------------------------


def absolute_times(settings: Sequence[AlignedSamples]) -> list[Estimates]:
    """Estimate every rival's log seconds per call from its launch medians, a part for each setting.

    Variances are moderated over all rivals. One launch alone bounds no time: its `df` is 0.
    """
    medians = [setting.launch_medians() for setting in settings]
    estimates = _estimate_logs(medians)
    ends = itertools.accumulate(map(len, medians))
    return [
        estimates.part(slice(end - len(logs), end)) for logs, end in zip(medians, ends, strict=True)
    ]


def first_calls(measurements: Iterable[Measurement]) -> dict[Case, Interval]:
    """Return the seconds of every case's first call: the geometric mean over launches.

    Variances of the logs are moderated over all cases. Launches that built beside another
    process keep no first call in their facts.
    """
    launches = {
        measurement.case: seconds
        for measurement in measurements
        if (seconds := _first_call_seconds(measurement))
    }
    if not launches:
        return {}
    logs = _estimate_logs([np.log([seconds]) for seconds in launches.values()])
    half_width = logs.half_width(ALPHA / 2)
    ends = (logs.effect, logs.effect - half_width, logs.effect + half_width)
    intervals = (Interval(*row) for row in np.exp(ends).T.tolist())
    return dict(zip(launches, intervals, strict=True))


def _first_call_seconds(measurement: Measurement) -> list[float]:
    facts = [launch.facts.number("first_call_seconds") for launch in measurement.launches]
    return [seconds for seconds in facts if seconds is not None and 0 < seconds < math.inf]


def _estimate_logs(parts: Sequence[Samples]) -> Estimates:
    """Estimate log seconds, each part as (cases, launches); of one launch alone `df` is 0.

    Their errors within a launch are not known.
    """
    estimates = estimate(stack([Effects(logs, np.full_like(logs, np.nan)) for logs in parts]))
    return dataclasses.replace(estimates, df=np.where(estimates.launches > 1, estimates.df, 0.0))
