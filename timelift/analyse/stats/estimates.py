"""From launch effects to one estimate a comparison, with its standard error.

scipy is imported at the first Student's t: importing it costs twice as much as numpy itself, and
the process that collects a campaign's cases must start at once.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from timelift.analyse.runs.measurement import Samples
from timelift.analyse.stats.effects import Effects
from timelift.analyse.stats.robust_mean import BATCHES, mean_and_variance
from timelift.analyse.stats.shrink_variances import Spread, shrink_variances

#: What one launch is assumed to miss where a run has no second one, as a sd of log ratios.
ASSUMED_LAUNCH_SD = 0.02


@dataclass(frozen=True)
class Estimates:
    """Effects over launches, each array (comparisons,); `df` counts what `scale` rests on.

    `scale` is the standard error of `effect`; `launches` how many it rests on, `agreeing` how many
    of those lie on its side of zero. What is unknown is NaN, with `df` 0.
    """

    effect: Samples
    scale: Samples
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
        reach = t_quantile(chance, np.where(known, self.df, 1.0)) * self.scale
        return np.where(known, reach, np.nan)

    def chance(self, distance: Samples) -> Samples:
        """Return the chance that an estimate misses the truth by `distance` or more to one side."""
        known = self.df > 0
        statistic = np.where(known, distance / self.scale, 0.0)
        return np.where(known, t_tail(statistic, np.where(known, self.df, 1.0)), np.nan)


def estimate(effects: Effects, share: Samples | None = None) -> Estimates:
    """Estimate each comparison over its launches; its variance is moderated over all of them.

    `share` is how much of an independent comparison each row is worth, one by default.
    """
    count = np.isfinite(effects.effect).sum(-1)
    centre, variance = mean_and_variance(effects.effect)
    worth = np.ones(len(count)) if share is None else share
    moderated, df = _moderated(effects, variance, count, worth)
    with np.errstate(invalid="ignore", divide="ignore"):
        scale = np.sqrt(moderated / count)
        agreeing = (effects.effect * np.sign(centre)[:, None] > 0).sum(-1)
    return Estimates(centre, scale, np.where(np.isfinite(scale), df, 0), count, agreeing)


def _moderated(
    effects: Effects, variance: Samples, count: Samples, share: Samples
) -> tuple[Samples, Samples]:
    """Return the variance between launches and its degrees; for one launch, an assumed one."""
    within = mean_and_variance(effects.error**2)[0]
    df = np.maximum(count - 1, 0).astype(float)
    with np.errstate(divide="ignore"):
        moderated, total = shrink_variances(Spread(variance, df, np.log(within), share))
    alone = (count == 1) & (total < 1)
    assumed = within + ASSUMED_LAUNCH_SD**2
    return np.where(alone, assumed, moderated), np.where(alone, BATCHES - 1.0, total)


def t_tail(statistic: Samples, df: Samples) -> Samples:
    """Return the chance that Student's t with `df` degrees of freedom exceeds `statistic`."""
    from scipy import special  # noqa: PLC0415

    return np.asarray(special.stdtr(df, -np.asarray(statistic)))


def t_quantile(chance: float, df: Samples | float) -> Samples:
    """Return the t that is exceeded with `chance` (at most one half) at each of `df`."""
    from scipy import special  # noqa: PLC0415

    return np.asarray(-special.stdtrit(df, chance))
