"""How each case changed between two runs beside its rivals, and what a session alone changes.

The runs were made at different times, and between them the whole machine may have become slower. So
a case is not compared with itself but with its rivals: in each run it has a ratio to every other
rival, from rounds milliseconds apart, and the change of a case is the median of how these ratios
changed. The median is why a single case that changed moves itself and none of the others; where
half of a setting or more changed, it cannot tell which half, and `together` is there to see it. Of
two rivals one has changed, and nothing says which: the slower one is named.

Launches of one run share the hour, the machine's temperature and its other guests, so the interval
over launches alone is too narrow between runs. Where a machine has three runs or more, consecutive
runs tell how much is missing; real changes between them are rare, and a median forgives one. Where
there is no such history a value is assumed: ratios of the reference grid, measured several times on
a shared machine, differed between runs by little more than their intervals over launches say.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from timelift.analyse.changes.segments import noise_of
from timelift.analyse.runs.measurement import Measurement, Run, Samples
from timelift.analyse.stats.aligned_samples import AlignedSamples, aligned_samples
from timelift.analyse.stats.effects import all_pairs, stack
from timelift.analyse.stats.estimates import Estimates, estimate
from timelift.analyse.stats.verdicts import independence
from timelift.case import Case, Setting, Status

#: From so many rivals on, a case's own absence of change is one of the values of the median.
_ENOUGH_RIVALS = 3
#: Assumed sd of a log ratio from session to session, beyond what launches show, and its weight.
ASSUMED_SD, ASSUMED_DF = 0.01, 8.0
#: From so many runs with a case on, history has a say.
FEWEST_RUNS = 3


@dataclass(frozen=True)
class Shift:
    """How a case changed, as a log ratio: positive is slower than before beside its rivals.

    `variance` is that of `effect` over the launches of both runs, worth `df` degrees of freedom;
    `launches` are those of the old and of the new run, `rivals` how many it was held against.
    """

    case: Case
    effect: float
    variance: float
    df: float
    launches: tuple[int, int]
    rivals: int


def measured(run: Run) -> dict[Case, Measurement]:
    """Return the cases of a run that have samples."""
    return {
        one.case: one
        for one in run.measurements
        if one.status is Status.MEASURED
        and any(np.isfinite(launch.seconds_per_call).any() for launch in one.launches)
    }


def shifts(old: Run, new: Run) -> list[Shift]:
    """Return the change of every case that both runs measured beside a rival that both measured."""
    before, after = measured(old), measured(new)
    shared = before.keys() & after.keys()
    rivals: dict[Setting, list[Case]] = defaultdict(list)
    for case in shared:
        rivals[case.setting].append(case)
    usable = [case for some in rivals.values() if len(some) > 1 for case in some]
    if not usable:
        return []
    return list(
        _shifts(
            aligned_samples(before[case] for case in usable),
            aligned_samples(after[case] for case in usable),
        )
    )


def _shifts(before: Sequence[AlignedSamples], after: Sequence[AlignedSamples]) -> Iterator[Shift]:
    """Go through the settings; both runs' boards hold the same cases in the same order."""
    first, second = _pairs(before), _pairs(after)
    with np.errstate(invalid="ignore", divide="ignore"):
        change, variance, df = _difference(first, second)
    start = 0
    for old, new in zip(before, after, strict=True):
        rows = slice(start, start + len(old.pairs))
        start = rows.stop
        yield from _of_setting(old, new, change[rows], variance[rows], df[rows])


def _pairs(settings: Sequence[AlignedSamples]) -> Estimates:
    """Estimate every pair of rivals of one run, variances moderated over all of them."""
    families = np.repeat(np.arange(len(settings)), [len(board.pairs) for board in settings])
    effects = stack([all_pairs(board.seconds) for board in settings])
    return estimate(effects, independence(families))


def _difference(old: Estimates, new: Estimates) -> tuple[Samples, Samples, Samples]:
    """Return change, variance and degrees of freedom (Welch 1947, Biometrika 34(1), 28-35)."""
    parts = [np.where(one.df > 0, one.scale**2, np.nan) for one in (old, new)]
    variance = parts[0] + parts[1]
    spent = parts[0] ** 2 / np.maximum(old.df, 1) + parts[1] ** 2 / np.maximum(new.df, 1)
    return new.effect - old.effect, variance, variance**2 / spent


def _of_setting(
    old: AlignedSamples, new: AlignedSamples, change: Samples, variance: Samples, df: Samples
) -> Iterator[Shift]:
    rivals = len(old.cases)
    own = 0.0 if rivals >= _ENOUGH_RIVALS else np.nan
    changes = _square(change, rivals, sign=-1, own=own)
    variances, degrees = (_square(part, rivals, sign=1, own=np.nan) for part in (variance, df))
    for place, case in enumerate(old.cases):
        played = tuple(_launches(board, place) for board in (old, new))
        known = np.isfinite(variances[place])
        if known.any():
            yield Shift(
                case,
                float(np.nanmedian(changes[place])),
                float(np.median(variances[place][known])),
                float(np.median(degrees[place][known])),
                (played[0], played[1]),
                int(known.sum()),
            )


def _square(pairs: Samples, rivals: int, sign: int, own: float) -> Samples:
    """Lay pairs out as (rivals, rivals): [i, j] is i beside j."""
    first, second = np.triu_indices(rivals, 1)
    square = np.full((rivals, rivals), own)
    square[second, first], square[first, second] = pairs, sign * pairs
    return square


def _launches(board: AlignedSamples, place: int) -> int:
    return int(np.isfinite(board.seconds[place]).any(-1).sum())


@dataclass(frozen=True)
class SessionSpread:
    """The variance that one session adds to a log ratio, worth `df` degrees of freedom."""

    variance: float = ASSUMED_SD**2
    df: float = ASSUMED_DF
    runs: int = 0


def sessions(history: Sequence[Run]) -> Mapping[Case, SessionSpread]:
    """Learn from runs in the order of their times; a case in too few of them is left out."""
    steps: dict[Case, list[Shift]] = defaultdict(list)
    for before, after in itertools.pairwise(history):
        for shift in shifts(before, after):
            steps[shift.case].append(shift)
    return {case: _learnt(some) for case, some in steps.items() if len(some) >= FEWEST_RUNS - 1}


def _learnt(steps: Sequence[Shift]) -> SessionSpread:
    """Average what history shows with what is assumed, weighted by degrees of freedom."""
    noise = noise_of(np.array([step.effect for step in steps])) ** 2
    explained = float(np.median([step.variance for step in steps])) / 2
    excess = max(0.0, noise - explained)
    df = ASSUMED_DF + len(steps)
    variance = (ASSUMED_DF * ASSUMED_SD**2 + len(steps) * excess) / df
    return SessionSpread(variance, df, len(steps) + 1)
