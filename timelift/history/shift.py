"""How each case changed between two runs beside its rivals, and what a session alone changes.

The runs were made at different times, and between them the whole machine may have become slower. So
a case is not compared with itself but with its rivals: in each run it has a ratio to every other
rival, from rounds milliseconds apart, and the change of a case is the median of how these ratios
changed. The median is why a single case that changed moves itself and none of the others. Where
half of a setting or more changed, it is not known which half; `setting_shifts` shows it, by seconds
over the canary's behind a wide gate. Of two rivals one has changed, and it is not known which: the
slower one is named.

Launches of one run share the hour, the machine's temperature and its other guests, so the interval
over launches alone is too narrow between runs. Where a machine has three runs or more, consecutive
runs show how much is missing; real changes between them are rare, and do not move a median. Where
there is no such history a value is assumed: ratios of the reference grid, measured several times on
a shared machine, differed between runs by little more than their intervals over launches.
"""

import itertools
import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from timelift.analyse.effects import AlignedSamples, aligned_samples, pairs_by_setting
from timelift.analyse.estimates import Estimates, estimate
from timelift.analyse.results import Run, Samples
from timelift.canary import is_beat
from timelift.case import Case, Setting
from timelift.history.levels import ENOUGH_RIVALS
from timelift.history.segments import sd_of_steps
from timelift.history.states import CommonShift
from timelift.measurement import Measurement

#: Assumed sd of a log ratio from session to session, beyond what launches show, and its weight.
ASSUMED_SD, ASSUMED_DF = 0.01, 8.0
#: Runs with a case from which on its sd is learnt.
FEWEST_RUNS = 3
#: A shared machine's times moved by up to 12 % between launches without any cause of ours.
SETTING_GATE = float(np.log(1.2))


@dataclass(frozen=True)
class CaseShift:
    """How a case changed, as a log ratio: positive is slower than before beside its rivals.

    `variance` is that of `effect` over the launches of both runs, worth `df` degrees of freedom;
    `launches` are those of the old and of the new run, `rivals` how many it was compared with.
    """

    case: Case
    effect: float
    variance: float
    df: float
    launches: tuple[int, int]
    rivals: int


def _shared_by_setting(
    old: Mapping[Case, object], new: Mapping[Case, object]
) -> dict[Setting, list[Case]]:
    found: dict[Setting, list[Case]] = defaultdict(list)
    for case in old:
        if case in new:
            found[case.setting].append(case)
    return found


def case_shifts(old: Run, new: Run) -> list[CaseShift]:
    """Return the change of every case that both runs measured beside a rival that both measured."""
    before, after = old.measured, new.measured
    settings = _shared_by_setting(before, after)
    usable = [case for rivals in settings.values() if len(rivals) > 1 for case in rivals]
    if not usable:
        return []
    first, second = (aligned_samples(one[case] for case in usable) for one in (before, after))
    return list(_shifts(first, second))


def _shifts(
    before: Sequence[AlignedSamples], after: Sequence[AlignedSamples]
) -> Iterator[CaseShift]:
    """Yield the shifts of every setting; both runs hold the same cases in the same order."""
    with np.errstate(invalid="ignore", divide="ignore"):
        change, variance, df = _difference(_pairs(before), _pairs(after))
    start = 0
    for old, new in zip(before, after, strict=True):
        rows = slice(start, start + len(old.pairs))
        start = rows.stop
        yield from _of_setting(old, new, change[rows], variance[rows], df[rows])


def _pairs(settings: Sequence[AlignedSamples]) -> Estimates:
    """Estimate every pair of rivals of one run, variances moderated over all of them."""
    return estimate(*pairs_by_setting(settings))


def _difference(old: Estimates, new: Estimates) -> tuple[Samples, Samples, Samples]:
    """Return change, variance and degrees of freedom (Welch 1947, Biometrika 34(1), 28-35)."""
    parts = [np.where(one.df > 0, one.standard_error**2, np.nan) for one in (old, new)]
    variance = parts[0] + parts[1]
    spent = parts[0] ** 2 / np.maximum(old.df, 1) + parts[1] ** 2 / np.maximum(new.df, 1)
    return new.effect - old.effect, variance, variance**2 / spent


def _of_setting(
    old: AlignedSamples, new: AlignedSamples, change: Samples, variance: Samples, df: Samples
) -> Iterator[CaseShift]:
    rivals = len(old.cases)
    # Of enough rivals the case's own absence of change is one of the values of the median.
    own = 0.0 if rivals >= ENOUGH_RIVALS else np.nan
    changes = _square(change, rivals, sign=-1, own=own)
    variances, degrees = (_square(part, rivals, sign=1, own=np.nan) for part in (variance, df))
    played = [np.isfinite(one.seconds).any(-1).sum(-1).tolist() for one in (old, new)]
    for place, case in enumerate(old.cases):
        known = np.isfinite(variances[place])
        if known.any():
            yield CaseShift(
                case,
                float(np.nanmedian(changes[place])),
                float(np.median(variances[place][known])),
                float(np.median(degrees[place][known])),
                (played[0][place], played[1][place]),
                int(known.sum()),
            )


def _square(pairs: Samples, rivals: int, sign: int, own: float) -> Samples:
    """Lay pairs out as (rivals, rivals): [i, j] is i beside j."""
    first, second = np.triu_indices(rivals, 1)
    square = np.full((rivals, rivals), own)
    square[second, first], square[first, second] = pairs, sign * pairs
    return square


@dataclass(frozen=True)
class SessionSpread:
    """The variance that one session adds to a log ratio, worth `df` degrees of freedom."""

    variance: float = ASSUMED_SD**2
    df: float = ASSUMED_DF


def session_spreads(history: Sequence[Run]) -> Mapping[Case, SessionSpread]:
    """Learn from runs in the order of their times; a case in too few of them is left out."""
    steps: dict[Case, list[CaseShift]] = defaultdict(list)
    for before, after in itertools.pairwise(history):
        for shift in case_shifts(before, after):
            steps[shift.case].append(shift)
    return {case: _learnt(some) for case, some in steps.items() if len(some) >= FEWEST_RUNS - 1}


def _learnt(steps: Sequence[CaseShift]) -> SessionSpread:
    """Average what history shows with what is assumed, weighted by degrees of freedom."""
    noise = sd_of_steps(np.array([step.effect for step in steps])) ** 2
    explained = float(np.median([step.variance for step in steps])) / 2
    excess = max(0.0, noise - explained)
    df = ASSUMED_DF + len(steps)
    variance = (ASSUMED_DF * ASSUMED_SD**2 + len(steps) * excess) / df
    return SessionSpread(variance, df)


def setting_shifts(old: Run, new: Run) -> dict[Setting, CommonShift]:
    """Return by how much the median rival of each setting changed, beside the canary.

    The shifts are NaN where one of the runs has no canary.
    """
    before, after = old.measured, new.measured
    settings = _shared_by_setting(before, after)
    return {
        setting: _setting_shift([(before[case], after[case]) for case in settings[setting]])
        for setting in sorted(settings)
    }


def _setting_shift(pairs: Sequence[tuple[Measurement, Measurement]]) -> CommonShift:
    canary = _log_canary(new for _, new in pairs) - _log_canary(old for old, _ in pairs)
    moved = [_log_seconds(new) - _log_seconds(old) - canary for old, new in pairs]
    share = statistics.fmean(one > SETTING_GATE for one in moved)
    return CommonShift(statistics.median(moved), share, len(pairs))


def canary_change(old: Run, new: Run) -> float:
    return _log_canary(new.measurements) - _log_canary(old.measurements)


def _log_seconds(one: Measurement) -> float:
    medians = np.log([launch.median_seconds for launch in one.launches])
    return statistics.fmean(medians[np.isfinite(medians)].tolist())


def _log_canary(measurements: Iterable[Measurement]) -> float:
    beats = [
        launch.facts.number("canary_seconds") for one in measurements for launch in one.launches
    ]
    known = [beat for beat in beats if is_beat(beat)]
    return float(np.log(statistics.median(known))) if known else float("nan")
