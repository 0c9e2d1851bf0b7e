"""From launch effects to one estimate a comparison, with its standard error.

scipy is imported at the first Student's t: importing it costs twice as much as numpy itself, and
the process that collects a campaign's cases must start at once.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from timelift.analyse.runs.measurement import Samples
from timelift.analyse.stats.effects import Effects
from timelift.analyse.stats.families import Families, independence_in, variance_beside
from timelift.analyse.stats.robust_mean import BATCHES, mean_and_variance
from timelift.analyse.stats.shrink_variances import Spread, shrink_variances

#: What one launch is assumed to miss where a run has no second one, as a sd of log ratios.
ASSUMED_LAUNCH_SD = 0.02


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
