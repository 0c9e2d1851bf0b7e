"""The second rung: from launch effects to one estimate a comparison, with its standard error."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from timelift.analyse.runs.measurement import Samples
from timelift.analyse.stats import student
from timelift.analyse.stats.effects import Effects
from timelift.analyse.stats.robust_mean import BATCHES, mean_and_variance
from timelift.analyse.stats.shrink_variances import Spread, moderate

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
        """Give the chance of so large an effect, to either side, between equals."""
        return 2 * self.chance(np.abs(self.effect))

    def half_width(self, chance: float) -> Samples:
        """Give the half-width of an interval that is missed on each side with `chance`."""
        known = self.df > 0
        reach = student.quantile(chance, np.where(known, self.df, 1.0)) * self.scale
        return np.where(known, reach, np.nan)

    def chance(self, distance: Samples) -> Samples:
        """Give the chance that an estimate misses the truth by `distance` or more to one side."""
        known = self.df > 0
        statistic = np.where(known, distance / self.scale, 0.0)
        return np.where(known, student.tail(statistic, np.where(known, self.df, 1.0)), np.nan)


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
    """Give the variance between launches and its degrees; for one launch, what it may miss."""
    within = mean_and_variance(effects.error**2)[0]
    df = np.maximum(count - 1, 0).astype(float)
    with np.errstate(divide="ignore"):
        moderated, total = moderate(Spread(variance, df, np.log(within), share))
    alone = (count == 1) & (total < 1)
    assumed = within + ASSUMED_LAUNCH_SD**2
    return np.where(alone, assumed, moderated), np.where(alone, BATCHES - 1.0, total)
