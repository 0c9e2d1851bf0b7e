"""How each case changed between two runs beside its rivals, and beside the canary.

The runs were made at different times, and between them the whole machine may have become slower. So
a case is not compared with itself but with its rivals: in each run it has a ratio to every other
rival, from rounds milliseconds apart, and the change of a case is the median change of these
ratios. A single case that changed moves the median of no other. Where half of a setting or more
changed, ratios do not show which half; seconds over the canary's do. Of two rivals whose ratio
changed, the slower one is named.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from timelift.analyse.effects import AlignedSamples, aligned_samples, pairs_by_setting
from timelift.analyse.estimates import estimate
from timelift.analyse.results import Run, Samples
from timelift.case import Case
from timelift.history.levels import ENOUGH_RIVALS, log_median_beat
from timelift.history.noise import Noise, added
from timelift.measurement import Measurement


@dataclass(frozen=True)
class CaseChange:
    """The change of a case, a log ratio: positive where it is slower beside its rivals than before.

    `noise` is that of `effect` over the launches of both runs. `over_canary` is the change of its
    time beside the canary, NaN without a canary. `launches` is how many the old and the new run
    have, `rivals` how many stand beside the case.
    """

    case: Case
    effect: float
    noise: Noise
    over_canary: float
    launches: tuple[int, int]
    rivals: int


def case_changes(old: Run, new: Run) -> list[CaseChange]:
    """Return the change of every case that both runs measured, beside a rival that both have."""
    before, after = old.measured, new.measured
    over_canary = changes_over_canary(old, new)
    rivals = Counter(case.setting for case in over_canary)
    usable = [case for case in over_canary if rivals[case.setting] > 1]
    if not usable:
        return []
    # Both runs hold the same cases in the same order.
    first, second = (aligned_samples(run[case] for case in usable) for run in (before, after))
    with np.errstate(invalid="ignore", divide="ignore"):
        # Variances are moderated over all pairs of rivals of one run.
        estimates = [estimate(*pairs_by_setting(run)) for run in (first, second)]
        noise = added(*(Noise(run.standard_error**2, np.maximum(run.df, 1)) for run in estimates))
    change = estimates[1].effect - estimates[0].effect
    changes: list[CaseChange] = []
    start = 0
    for earlier, later in zip(first, second, strict=True):
        rows = slice(start, start + len(earlier.pairs))
        start = rows.stop
        pairs = (change[rows], noise.variance[rows], noise.df[rows])
        changes += _of_setting(earlier, later, pairs, over_canary)
    return changes


def _of_setting(
    old: AlignedSamples,
    new: AlignedSamples,
    pairs: tuple[Samples, Samples, Samples],
    over_canary: Mapping[Case, float],
) -> Iterator[CaseChange]:
    """Yield the change of every rival by that of all `pairs`, their variances and degrees."""
    rivals = len(old.cases)
    # Among enough rivals, a case's change beside itself, zero, is one of the median's values.
    own = 0.0 if rivals >= ENOUGH_RIVALS else np.nan
    changes = _square(pairs[0], rivals, sign=-1, own=own)
    variances, degrees = (_square(part, rivals, sign=1, own=np.nan) for part in pairs[1:])
    launches = [np.isfinite(run.seconds).any(-1).sum(-1).tolist() for run in (old, new)]
    for place, case in enumerate(old.cases):
        beside = np.isfinite(variances[place])
        if beside.any():
            noise = (np.median(square[place][beside]) for square in (variances, degrees))
            yield CaseChange(
                case,
                float(np.nanmedian(changes[place])),
                Noise(*noise),
                over_canary[case],
                (launches[0][place], launches[1][place]),
                int(beside.sum()),
            )


def _square(pairs: Samples, rivals: int, sign: int, own: float) -> Samples:
    """Lay pairs out as (rivals, rivals), [i, j] being i beside j, with `own` as the diagonal."""
    first, second = np.triu_indices(rivals, 1)
    square = np.full((rivals, rivals), own)
    square[second, first], square[first, second] = pairs, sign * pairs
    return square


def changes_over_canary(old: Run, new: Run) -> dict[Case, float]:
    """Return the change of each case's time over the canary's, NaN without a canary."""
    (before, _), (after, _) = log_canary(old), log_canary(new)
    return {
        case: _log_seconds(new.measured[case]) - _log_seconds(old.measured[case]) - (after - before)
        for case in sorted(old.measured.keys() & new.measured.keys())
    }


def log_canary(run: Run) -> tuple[float, float]:
    """Return the log medians of the canary's two beats, NaN where a run has none."""
    facts = [launch.facts for case in run.measurements for launch in case.launches]
    hashes, copies = (
        [own.number(name) for own in facts] for name in ("canary_seconds", "copy_seconds")
    )
    return log_median_beat(hashes), log_median_beat(copies)


def _log_seconds(measurement: Measurement) -> float:
    medians = np.log([launch.median_seconds for launch in measurement.launches])
    return float(np.nanmean(medians))
