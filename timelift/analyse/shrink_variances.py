"""Variances moderated across the comparisons of one run (empirical Bayes).

Three launches say little about a variance; two thousand comparisons of three launches say much
about what variances look like here, and the other comparisons of a setting much about those of this
setting. Each comparison's own variance is drawn towards that.
Source: Smyth 2004, "Linear models and empirical Bayes methods for assessing differential
expression", Statistical Applications in Genetics and Molecular Biology 3(1), section 6.2; a prior
that follows a covariate: Sartor et al. 2006, BMC Bioinformatics 7:538. That other pairs of a
setting are a second covariate is this project's own idea, tried by `python -m studies.ladder`.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timelift.analyse.measurement import Samples

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

    `covariate` is whatever a variance may follow, NaN where unknown, and so is `beside`, the mean
    log variance of other comparisons of the setting; `independence` is how much of an independent
    comparison each is worth: the pairs of 5 rivals are 10, but only 4 independent ones.
    """

    variance: Samples
    df: Samples
    covariate: Samples
    independence: Samples
    beside: Samples | None = None

    def only(self, rows: NDArray[np.bool_]) -> "Spread":
        """Return some rows, without what is `beside` them."""
        parts = (self.variance, self.df, self.covariate, self.independence)
        return Spread(*(values[rows] for values in parts))

    @property
    def known(self) -> NDArray[np.bool_]:
        """True where there is a variance; one launch has none."""
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
    """Average each variance with the prior's, weighted by degrees; return it and its new degrees.

    The degrees never pass those that the run has in all. The variance is NaN where neither side
    has a degree.
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
    comparisons have others `beside` them, and variances rise with theirs, their prior follows both.
    """
    if spread.independent_comparisons < MIN_COMPARISONS:
        return Prior(np.zeros_like(spread.variance), np.zeros_like(spread.variance))
    prior, _ = _fit(spread, _design(spread))
    if spread.beside is None:
        return prior
    rows = np.isfinite(spread.beside)
    some = spread.only(rows)
    if some.independent_comparisons < MIN_FOR_TREND:
        return prior
    nearer, slopes = _fit(some, np.column_stack([_design(some), spread.beside[rows]]))
    if slopes[-1] > 0:
        df, variance = prior.df.copy(), prior.variance.copy()
        df[rows], variance[rows] = nearer.df, nearer.variance
        return Prior(df, variance)
    return prior


def _fit(spread: Spread, design: Samples) -> tuple[Prior, Samples]:
    """Return the prior along the columns of a design, and the slope of each."""
    known, weight = spread.known, spread.independence[spread.known]
    logs, noise = centred_logs(spread.variance[known], spread.df[known])
    root = np.sqrt(weight)
    line = np.linalg.lstsq(design[known] * root[:, None], logs * root, rcond=None)[0]
    squares = float(weight @ (logs - design[known] @ line) ** 2)
    freedom = spread.independent_comparisons - design.shape[1]
    seen = squares / freedom * (1 + DOUBT * (2 / freedom) ** 0.5)
    prior = _prior(design @ line, float(seen - np.average(noise, weights=weight)))
    return prior, np.asarray(line)


def centred_logs(variance: Samples, df: Samples) -> tuple[Samples, Samples]:
    """Return log variances freed of their bias, and the variance that each has by sampling."""
    from scipy import special  # noqa: PLC0415 - see `estimates`

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


def _prior(fitted: Samples, excess: float) -> Prior:
    """Return the prior whose log variances have this height, and this variance beyond sampling."""
    from scipy import special  # noqa: PLC0415

    half = trigamma_inverse(max(excess, float(special.polygamma(1, MAX_PRIOR_DF / 2))))
    variance = np.exp(fitted + special.digamma(half) - np.log(half))
    return Prior(np.full_like(variance, max(2 * half - CAUTION, 0.0)), variance)


def trigamma_inverse(value: float) -> float:
    """Return the x > 0 whose trigamma, ψ'(x), is `value` > 0, by bisection on log x."""
    from scipy import special  # noqa: PLC0415

    low, high = -20.0, 20.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        below = special.polygamma(1, math.exp(middle)) < value
        low, high = (low, middle) if below else (middle, high)
    return math.exp(high)
