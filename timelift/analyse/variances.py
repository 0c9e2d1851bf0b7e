"""Variances that are drawn towards what a run expects of them (empirical Bayes).

Three launches say little about a variance. Two thousand comparisons of three launches say much
about the variances of a run, and the other comparisons of a setting about those of the setting. So
each comparison's own variance is drawn towards the one that these predict. The louder a rival is
than predicted, the less its variance is drawn.
Source: Smyth 2004, "Linear models and empirical Bayes methods for assessing differential
expression", Statistical Applications in Genetics and Molecular Biology 3(1), section 6.2; a prior
that follows a covariate: Sartor et al. 2006, BMC Bioinformatics 7:538. The second covariate, the
other pairs of a setting, is this project's own idea, tried by `python -m studies.ladder`.

scipy is imported when it is used (`special`): its import takes twice as long as numpy's, and the
process that collects a campaign's cases must start at once.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from timelift.analyse.results import Samples

#: The number of each row's family, which is all pairs of its rivals in the order of
#: `np.triu_indices`.
Families = NDArray[np.int_]
#: With fewer independent comparisons a prior is no better than noise.
MIN_COMPARISONS = 3
#: With fewer the prior is one variance for all instead of a line over the covariate.
MIN_FOR_TREND = 30
#: The upper limit of the prior's degrees of freedom.
MAX_PRIOR_DF = 30.0
#: Degrees of freedom subtracted from those of the fitted prior: where quiet and loud rivals mix,
#: the fit makes the loud ones look quieter than they are.
CAUTION = 2.0
#: A loud rival has a variance whose chance among quiet ones is below this number over its degrees
#: of freedom; its prior then weighs in proportion to that chance. The cost to quiet rivals
#: and the gain of loud ones are in the table of rare loud rivals of `python -m studies.ladder`.
LOUD_CHANCE = 0.3
#: Standard errors by which the spread of log variances is taken to be larger, since a few
#: comparisons can look alike by luck and a prior is then believed too much.
DOUBT = 0.5
#: The upper limit of a `typical_prior`'s degrees of freedom: the largest at which the 95 % interval
#: of the mean of two values contains both of them, however far apart they lie.
TYPICAL_DF = 4.0
#: The efficiency of the median of variances of one degree of freedom, relative to their mean.
MEDIAN_WORTH = 0.37
#: No ratio of two times repeats itself more closely than this: a sd of log ratios.
RESOLUTION = 1e-4
_BISECTIONS = 60


@dataclass(frozen=True)
class Spread:
    """Variances of comparisons with their degrees of freedom, each array (comparisons,).

    Variances may follow the `covariate`, NaN where unknown. `independence` is the number of
    independent comparisons that each is worth: the pairs of 5 rivals are 10, but only 4 independent
    ones. With `families` they may follow those of other rivals, and a rival may be loud.
    """

    variance: Samples
    df: Samples
    covariate: Samples
    independence: Samples
    families: Families | None = None

    @property
    def known(self) -> NDArray[np.bool_]:
        """True where there is a variance, as there is not of one launch."""
        return self.df > 0

    @property
    def independent_comparisons(self) -> float:
        return float(self.independence[self.known].sum())


@cache
def special() -> Any:
    """The functions of `scipy.special`, imported at the first use."""
    from scipy import special as functions  # noqa: PLC0415

    return functions


class Prior(NamedTuple):
    """The variance that a run expects of each comparison, worth `df` degrees of freedom."""

    df: Samples
    variance: Samples


#: Returns what a run expects of each variance.
FitPrior = Callable[[Spread], Prior]


def shrink_variances(spread: Spread, fit: FitPrior | None = None) -> tuple[Samples, Samples]:
    """Return each variance averaged with the prior's, weighted by degrees, and its new degrees.

    The prior is by default that of `fit_prior`. Its degrees are multiplied by its
    `belief`. The degrees never exceed those that the run has in all. The variance is NaN where
    neither it nor the prior has a degree.
    """
    prior = (fit or fit_prior)(spread)
    prior_df = prior.df * belief(spread, prior)
    own = np.where(spread.known, spread.df * np.nan_to_num(spread.variance), 0.0)
    total = spread.df + prior_df
    with np.errstate(invalid="ignore"):
        mixed = (own + prior_df * prior.variance) / total
    pooled = np.maximum(spread.df, (spread.df * spread.independence).sum())
    return np.maximum(mixed, RESOLUTION**2), np.minimum(total, pooled)


def belief(spread: Spread, prior: Prior) -> Samples:
    """Return the weight of the prior in each comparison, from 0 to 1: less if a rival is loud.

    Otherwise a rival that is loud in few settings would be treated like the quiet ones. The weight
    falls with the chance, by Snedecor's F, of such a variance under the prior. Source: Phipson et
    al. 2016, Annals of Applied Statistics 10(2), 946-963. Their method also divides the chance by
    the share of rows in the run that are as loud, so that single loud rows stay unnoticed.
    """
    if spread.families is None:
        return np.ones_like(prior.df)
    rows = spread.known & (prior.df > 0)
    df, (ratio, believed) = spread.df[rows], np.ones((2, len(rows)))
    ratio[rows] = spread.variance[rows] / prior.variance[rows]
    louder = np.maximum(of_louder_rival(ratio, spread.families)[rows], 0.0)
    believed[rows] = np.minimum(special().fdtrc(df, prior.df[rows], louder) * df / LOUD_CHANCE, 1.0)
    return believed


def fit_prior(spread: Spread) -> Prior:
    """Fit the prior by moments of the log variances, along the covariate where that can be done.

    Comparisons of one launch do not inform the prior but receive its variance. Where variances rise
    with those of other rivals of a family, and enough families have others, it follows both.
    """
    if spread.independent_comparisons < MIN_COMPARISONS:
        return Prior(np.zeros_like(spread.variance), np.zeros_like(spread.variance))
    prior, _ = _fit(spread, _design(spread))
    if spread.families is None:
        return prior
    others = others_log_variance(spread.variance, spread.df, spread.families)
    rows = np.isfinite(others)
    informed = replace(spread, df=np.where(rows, spread.df, 0.0))
    if informed.independent_comparisons < MIN_FOR_TREND:
        return prior
    closer, slopes = _fit(informed, np.column_stack([_design(informed), others]))
    if slopes[-1] <= 0:
        return prior
    return Prior(*(np.where(rows, *columns) for columns in zip(closer, prior, strict=True)))


def typical_prior(spread: Spread) -> Prior:
    """Return the prior of rows that vary alike except for outliers: the median of their variances.

    Each variance is divided by the median of its own chi-squared distribution: for rows of two
    values this is the median absolute difference (Rousseeuw and Croux 1993, Journal of the American
    Statistical Association 88, 1273-1283, the source of `MEDIAN_WORTH`). The degrees of a row's
    prior come from the other rows alone.
    """
    df, known = spread.df, spread.known
    if not known.any():
        return Prior(np.zeros_like(df), np.zeros_like(df))
    typical = np.median(spread.variance[known] * df[known] / special().chdtri(df[known], 0.5))
    others = np.maximum((df * spread.independence).sum() - df, 0.0)
    return Prior(np.minimum(MEDIAN_WORTH * others, TYPICAL_DF), np.full_like(df, typical))


def _fit(spread: Spread, design: Samples) -> tuple[Prior, Samples]:
    """Return the prior along the columns of a design, and the slope of each."""
    known, weight = spread.known, spread.independence[spread.known]
    logs, noise = centred_logs(spread.variance[known], spread.df[known])
    root = np.sqrt(weight)
    slopes = np.linalg.lstsq(design[known] * root[:, None], logs * root, rcond=None)[0]
    squares = float(weight @ (logs - design[known] @ slopes) ** 2)
    df = spread.independent_comparisons - design.shape[1]
    seen = squares / df * (1 + DOUBT * (2 / df) ** 0.5)
    beyond_sampling = float(seen - np.average(noise, weights=weight))
    half = trigamma_inverse(max(beyond_sampling, float(special().polygamma(1, MAX_PRIOR_DF / 2))))
    variance = np.exp(design @ slopes + special().digamma(half) - np.log(half))
    prior = Prior(np.full_like(variance, max(2 * half - CAUTION, 0.0)), variance)
    return prior, np.asarray(slopes)


def centred_logs(variance: Samples, df: Samples) -> tuple[Samples, Samples]:
    """Return log variances without their bias, and the sampling variance of each."""
    logs = np.log(np.maximum(variance, RESOLUTION**2))
    return logs - special().digamma(df / 2) + np.log(df / 2), special().polygamma(1, df / 2)


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
    low, high = -20.0, 20.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        below = special().polygamma(1, math.exp(middle)) < value
        low, high = (low, middle) if below else (middle, high)
    return math.exp(high)


# Comparisons that belong together: all pairs of the rivals of one setting -------------------------


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
    mean = np.full(len(variance), np.nan)
    for rows, sides in _same_sized(families):
        total, count = (
            _sum_of_others(values[rows], sides) for values in (logs, known.astype(float))
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            mean[rows] = np.where(count > 0, total / count, np.nan)
    return mean


def of_louder_rival(ratio: Samples, families: Families) -> Samples:
    """Return the variance of the louder rival in each pair, relative to the expected one.

    `ratio` is each pair's variance over the expected one: the mean of the variances of its two
    rivals. Least squares over all pairs of a family separates these (Grubbs 1948, Journal of the
    American Statistical Association 43, 243-264). In a family of two rivals both get the mean.
    """
    louder = np.empty(len(ratio))
    for rows, sides in _same_sized(families):
        pairs = ratio[rows]
        brought = _sums_of_rivals(pairs, sides)
        others = brought.shape[1] - 1
        if others > 1:
            brought = (brought - pairs.sum(-1, keepdims=True) / others) * 2 / (others - 1)
        louder[rows] = np.maximum(*(brought[:, side] for side in sides))
    return louder


#: The first and the second rivals of all pairs of a family.
Sides = tuple[NDArray[np.int_], ...]


def _same_sized(families: Families) -> Iterator[tuple[NDArray[np.int_], Sides]]:
    """Yield the rows of all families of one size, as (families, pairs), for each size."""
    rivals, order = rivals_in(families), np.argsort(families, kind="stable")
    for size in np.unique(rivals).tolist():
        sides = np.triu_indices(size, 1)
        yield order[rivals[order] == size].reshape(-1, len(sides[0])), sides


def _sum_of_others(values: Samples, sides: Sides) -> Samples:
    """Return for each pair the sum over those that share no rival with it, (families, pairs)."""
    first, second = (_sums_of_rivals(values, sides)[:, side] for side in sides)
    return np.asarray(values.sum(-1, keepdims=True) - first - second + values)


def _sums_of_rivals(values: Samples, sides: Sides) -> Samples:
    """Return for each rival the sum over its pairs, as (families, rivals)."""
    sums = np.zeros((len(values), sides[1][-1] + 1))
    for side in sides:
        np.add.at(sums.T, side, values.T)
    return sums
