"""How each case changed between two runs beside its rivals, and what a session alone changes.

The runs were made at different times, and between them the whole machine may have become slower. So
a case is not compared with itself but with its rivals: in each run it has a ratio to every other
rival, from rounds milliseconds apart, and the change of a case is the median change of these
ratios. A single case that changed moves the median of no other. Where half of a setting or more
changed, ratios do not show which half; `setting_shifts` does, by seconds over the canary's, with a
wide gate. Of two rivals whose ratio changed, the slower one is named.

Launches of one run share the hour, the machine's temperature and its other guests, so an interval
over launches alone is too narrow between runs. Where a machine has three runs or more, consecutive
runs show by how much; real changes between them are rare, and do not move a median. With
fewer runs 1 % is assumed: ratios of the reference grid, measured several times on a shared machine,
differed between runs by little more than their intervals over launches.
"""

import itertools
import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from timelift.analyse.effects import AlignedSamples, aligned_samples, pairs_by_setting
from timelift.analyse.estimates import Estimates, estimate
from timelift.analyse.results import Run, Samples
from timelift.canary import is_beat
from timelift.case import Case, Setting
from timelift.history import CommonShift
from timelift.history.levels import ENOUGH_RIVALS
from timelift.history.segments import Noise, sd_of_steps
from timelift.measurement import CaseInLaunch, Measurement

#: What one session is assumed to add to a log ratio, beyond what launches show: 1 % (sd).
ASSUMED_NOISE = Noise(variance=0.01**2, df=8.0)
#: The fewest runs with a case from which that is learnt.
_FEWEST_RUNS = 3
#: A shared machine's times moved by up to 12 % between launches without any cause of ours.
SETTING_GATE = float(np.log(1.2))
#: The most rounds that a condensed launch has.
_ROUNDS = 20


# A run in few rounds -----------------------------------------------------------------------------


def condense(run: Run) -> Run:
    """Return a run in few rounds: neighbouring rounds become one, the same ones for all rivals.

    Each block of rounds is replaced by its geometric mean, so that the log ratio of two rivals in a
    block is the mean of their log ratios in its rounds. A block straddles no change of the players,
    unless they change more often than there are blocks: rivals sit out once they have had their
    time, and means over different rounds would compare different moments. A condensed run condenses
    to itself.
    """
    samples: dict[tuple[Setting, int], list[Sequence[float]]] = defaultdict(list)
    for measurement in run.measurements:
        for launch in measurement.launches:
            samples[measurement.case.setting, launch.number].append(launch.seconds_per_call)
    edges = {key: _edges(rivals) for key, rivals in samples.items()}
    measurements = tuple(
        replace(
            measurement,
            launches=tuple(
                _condensed(launch, edges[measurement.case.setting, launch.number])
                for launch in measurement.launches
            ),
        )
        for measurement in run.measurements
    )
    return replace(run, measurements=measurements)


def _edges(rivals: Sequence[Sequence[float]]) -> list[int]:
    """Return the rounds at which blocks begin, and the number of rounds.

    Stretches of the same players are split into blocks. `rivals` are the samples of all rivals of a
    setting in a launch, NaN where one sat out.
    """
    rounds = list(itertools.zip_longest(*rivals, fillvalue=math.nan))
    played = np.isfinite(np.array(rounds, float).reshape(-1, len(rivals)).T)
    total = len(rounds)
    if total <= _ROUNDS:
        return list(range(total + 1))
    changes = np.flatnonzero((played[:, 1:] != played[:, :-1]).any(0)) + 1
    if len(changes) >= _ROUNDS:
        return [total * block // _ROUNDS for block in range(_ROUNDS + 1)]
    starts = [0, *changes.tolist()]
    sizes = np.diff([*starts, total])
    blocks = _blocks(sizes, sizes * played[:, starts].sum(0))
    return [
        *(
            start + size * block // count
            for start, size, count in zip(starts, sizes.tolist(), blocks, strict=True)
            for block in range(count)
        ),
        total,
    ]


def _blocks(sizes: NDArray[np.int_], samples: NDArray[np.int_]) -> list[int]:
    """Return the number of blocks of each stretch: one, and more for those with most samples."""
    blocks = np.ones(len(sizes), dtype=int)
    while blocks.sum() < _ROUNDS:
        crowded = np.where(blocks < sizes, samples / blocks, -math.inf)
        blocks[int(crowded.argmax())] += 1
    return blocks.tolist()


def _condensed(launch: CaseInLaunch, edges: Sequence[int]) -> CaseInLaunch:
    logs = np.log(launch.seconds_per_call)
    blocks = (logs[start:stop] for start, stop in itertools.pairwise(edges))
    played = (block[np.isfinite(block)] for block in blocks)
    means = [block.mean() if block.size else math.nan for block in played]
    return replace(launch, seconds_per_call=np.exp(means).tolist())


# Changes between two runs ------------------------------------------------------------------------


@dataclass(frozen=True)
class CaseChange:
    """The change of a case, a log ratio: positive where it is slower beside its rivals than before.

    `noise` is that of `effect` over the launches of both runs. `launches` is how many the old and
    the new run have, `rivals` how many stand beside the case.
    """

    case: Case
    effect: float
    noise: Noise
    launches: tuple[int, int]
    rivals: int


def _shared_by_setting(
    old: Mapping[Case, object], new: Mapping[Case, object]
) -> dict[Setting, list[Case]]:
    shared: dict[Setting, list[Case]] = defaultdict(list)
    for case in old:
        if case in new:
            shared[case.setting].append(case)
    return shared


def case_changes(old: Run, new: Run) -> list[CaseChange]:
    """Return the change of every case that both runs measured, beside a rival that both have."""
    before, after = old.measured, new.measured
    settings = _shared_by_setting(before, after)
    usable = [case for rivals in settings.values() if len(rivals) > 1 for case in rivals]
    if not usable:
        return []
    # Both runs hold the same cases in the same order.
    first, second = (aligned_samples(run[case] for case in usable) for run in (before, after))
    with np.errstate(invalid="ignore", divide="ignore"):
        # Variances are moderated over all pairs of rivals of one run.
        estimates = (estimate(*pairs_by_setting(rivals)) for rivals in (first, second))
        differences = _difference(*estimates)
    changes: list[CaseChange] = []
    start = 0
    for earlier, later in zip(first, second, strict=True):
        rows = slice(start, start + len(earlier.pairs))
        start = rows.stop
        changes += _of_setting(earlier, later, *(column[rows] for column in differences))
    return changes


def _difference(old: Estimates, new: Estimates) -> tuple[Samples, Samples, Samples]:
    """Return each pair's change, its variance and its degrees of freedom, as (pairs,) each."""
    variances = [run.standard_error**2 for run in (old, new)]
    df = welch_df(variances, [np.maximum(run.df, 1) for run in (old, new)])
    return new.effect - old.effect, variances[0] + variances[1], df


def welch_df(variances: Sequence[Samples], dfs: Sequence[Samples]) -> Samples:
    """Return the degrees of freedom of a sum of independent variances.

    Source: Welch 1947, Biometrika 34(1), 28-35.
    """
    spent = (variance**2 / df for variance, df in zip(variances, dfs, strict=True))
    return np.asarray(sum(variances) ** 2 / sum(spent))


def _of_setting(
    old: AlignedSamples, new: AlignedSamples, change: Samples, variance: Samples, df: Samples
) -> Iterator[CaseChange]:
    rivals = len(old.cases)
    # Among enough rivals, a case's change beside itself, zero, is one of the median's values.
    own = 0.0 if rivals >= ENOUGH_RIVALS else np.nan
    changes = _square(change, rivals, sign=-1, own=own)
    variances, degrees = (_square(part, rivals, sign=1, own=np.nan) for part in (variance, df))
    launches = [np.isfinite(run.seconds).any(-1).sum(-1).tolist() for run in (old, new)]
    for place, case in enumerate(old.cases):
        beside = np.isfinite(variances[place])
        if beside.any():
            noise = (float(np.median(square[place][beside])) for square in (variances, degrees))
            yield CaseChange(
                case,
                float(np.nanmedian(changes[place])),
                Noise(*noise),
                (launches[0][place], launches[1][place]),
                int(beside.sum()),
            )


def _square(pairs: Samples, rivals: int, sign: int, own: float) -> Samples:
    """Lay pairs out as (rivals, rivals), [i, j] being i beside j, with `own` as the diagonal."""
    first, second = np.triu_indices(rivals, 1)
    square = np.full((rivals, rivals), own)
    square[second, first], square[first, second] = pairs, sign * pairs
    return square


def session_noises(history: Sequence[Run]) -> Mapping[Case, Noise]:
    """Return what a session adds to the log ratio of a case, learnt from runs in their order.

    Cases in too few of them are left out.
    """
    steps: dict[Case, list[CaseChange]] = defaultdict(list)
    for before, after in itertools.pairwise(history):
        for change in case_changes(before, after):
            steps[change.case].append(change)
    return {
        case: _session_noise(of_case)
        for case, of_case in steps.items()
        if len(of_case) >= _FEWEST_RUNS - 1
    }


def _session_noise(steps: Sequence[CaseChange]) -> Noise:
    """Average what the steps show with what is assumed, weighted by degrees of freedom."""
    between_runs = sd_of_steps(np.array([step.effect for step in steps])) ** 2
    between_launches = float(np.median([step.noise.variance for step in steps])) / 2
    excess = max(0.0, between_runs - between_launches)
    df = ASSUMED_NOISE.df + len(steps)
    variance = (ASSUMED_NOISE.df * ASSUMED_NOISE.variance + len(steps) * excess) / df
    return Noise(variance, df)


def setting_shifts(old: Run, new: Run) -> dict[Setting, CommonShift]:
    """Return the change of each setting's median rival beside the canary, NaN without a canary."""
    before, after = old.measured, new.measured
    settings = _shared_by_setting(before, after)
    return {
        setting: _setting_shift([(before[case], after[case]) for case in settings[setting]])
        for setting in sorted(settings)
    }


def _setting_shift(pairs: Sequence[tuple[Measurement, Measurement]]) -> CommonShift:
    canary = _log_canary(new for _, new in pairs) - _log_canary(old for old, _ in pairs)
    moved = [_log_seconds(new) - _log_seconds(old) - canary for old, new in pairs]
    share = statistics.fmean(shift > SETTING_GATE for shift in moved)
    return CommonShift(statistics.median(moved), share=share, cases=len(pairs))


def canary_change(old: Run, new: Run) -> float:
    return _log_canary(new.measurements) - _log_canary(old.measurements)


def _log_seconds(measurement: Measurement) -> float:
    medians = np.log([launch.median_seconds for launch in measurement.launches])
    return statistics.fmean(medians[np.isfinite(medians)].tolist())


def _log_canary(measurements: Iterable[Measurement]) -> float:
    launches = (launch for measurement in measurements for launch in measurement.launches)
    times = (launch.facts.number("canary_seconds") for launch in launches)
    beats = [seconds for seconds in times if is_beat(seconds)]
    return float(np.log(statistics.median(beats))) if beats else math.nan
