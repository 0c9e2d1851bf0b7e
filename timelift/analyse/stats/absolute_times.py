"""Absolute times: where each rival of a setting stands, in seconds per call."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from timelift.analyse.runs.measurement import Samples
from timelift.analyse.stats.aligned_samples import AlignedSamples
from timelift.analyse.stats.effects import Effects, stack
from timelift.analyse.stats.estimates import estimate


@dataclass(frozen=True)
class AbsoluteTimes:
    """Log seconds per call of a setting's rivals, in case order, and their half-widths."""

    centre: Samples
    half_width: Samples
    launches: Samples


def absolute_times(settings: Sequence[AlignedSamples], alpha: float) -> Iterator[AbsoluteTimes]:
    """Locate every rival over its launch medians, with variances moderated over all rivals."""
    medians = [board.launch_medians() for board in settings]
    unknown = [np.full_like(levels, np.nan) for levels in medians]
    located = estimate(stack([Effects(*parts) for parts in zip(medians, unknown, strict=True)]))
    width = np.where(located.launches > 1, located.half_width(alpha / 2), np.nan)
    start = 0
    for levels in medians:
        part = slice(start, start := start + len(levels))
        yield AbsoluteTimes(located.effect[part], width[part], located.launches[part])
