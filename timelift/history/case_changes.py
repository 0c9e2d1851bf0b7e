"""How each case changed between two runs beside its rivals, and which cases are suspect.

The runs were made at different times, and between them the whole machine may have become slower. So
a case is not compared with itself but with its rivals: in each run it has a ratio to every other
rival, from rounds milliseconds apart, and its change is the median change of these ratios. A single
case that changed moves the median of no other. Where half of a setting or more changed, ratios do
not show which half; seconds over the canary's do. Of two rivals whose ratio changed, the slower one
is named.

A case is suspect where it became slower by at least the gate, the chance of that much without a
cause is below `LEVEL`, and it is a discovery among all cases: in expectation at most 5 % of the
suspects are false, and where nothing changed at all, at most 1 of 20 comparisons has any.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from timelift.analyse.effects import AlignedSamples, Effects, aligned_samples
from timelift.analyse.estimates import ALPHA, Interval, by_row, estimate
from timelift.analyse.evidence import by_machine, pairs_by_setting
from timelift.analyse.ranking import rank_run
from timelift.analyse.results import Run, Samples
from timelift.analyse.verdicts import MIN_LAUNCHES
from timelift.case import Case
from timelift.history import ChangeState
from timelift.history.levels import (
    ENOUGH_RIVALS,
    LEAST_STEADY,
    log_median_beat,
    median_polish,
    other_runs,
    ratios,
    rows_by_setting,
    run_levels,
)
from timelift.history.noise import ASSUMED, ASSUMED_COMMON, LEAST_RUNS, Noise, added, session_noise
from timelift.measurement import Measurement

#: The most runs from which the noise of sessions is learnt.
_MOST_SESSIONS = 30
#: The chance, one-sided, of so large a change without a cause.
LEVEL = 0.005
_FALSE_SHARE = 0.05
#: Decimals in which log ratios that are equal but for rounding agree.
_DIGITS = 9


# Beside rivals and the canary ---------------------------------------------------------------------


@dataclass(frozen=True)
class CaseChanges:
    """How cases changed beside their rivals, as log ratios: positive where they became slower.

    All are (cases,). `noise` is that of `effect` over the launches of both runs. `over_canary` is
    the change of a case's time beside the canary, NaN without a canary. `launches` are those of the
    old and the new run, (2, cases), and `rivals` how many stand beside the case.
    """

    cases: tuple[Case, ...]
    effect: Samples
    noise: Noise
    over_canary: Samples
    launches: NDArray[np.int_]
    rivals: NDArray[np.int_]


def case_changes(old: Run, new: Run) -> CaseChanges:
    """Return the change of every case that both runs measured, beside a rival that both have."""
    over_canary = changes_over_canary(old, new)
    rivals = Counter(case.setting for case in over_canary)
    usable = [case for case in over_canary if rivals[case.setting] > 1]
    # Both runs hold the same cases in the same order.
    first, second = (aligned_samples(run.measured[case] for case in usable) for run in (old, new))
    rows: list[_Beside] = []
    if usable:
        with np.errstate(invalid="ignore", divide="ignore"):
            # Variances are moderated over all pairs of rivals of one run.
            runs = [estimate(*pairs_by_setting(run)) for run in (first, second)]
            noise = added(*(Noise(run.standard_error**2, np.maximum(run.df, 1)) for run in runs))
        pairs = np.stack([runs[1].effect - runs[0].effect, noise.variance, noise.df])
        ends = np.cumsum([len(setting.pairs) for setting in first])[:-1]
        for earlier, later, own in zip(first, second, np.split(pairs, ends, axis=1), strict=True):
            rows += _of_setting(earlier, later, own)
    return CaseChanges(
        tuple(row.case for row in rows),
        np.array([row.effect for row in rows]),
        Noise(np.array([row.variance for row in rows]), np.array([row.df for row in rows])),
        np.array([over_canary[row.case] for row in rows]),
        np.array([row.launches for row in rows]).T,
        np.array([row.rivals for row in rows]),
    )


class _Beside(NamedTuple):
    """A case beside its rivals: the median change, its noise, launches of both runs, rivals."""

    case: Case
    effect: float
    variance: float
    df: float
    launches: tuple[int, int]
    rivals: int


def _of_setting(old: AlignedSamples, new: AlignedSamples, pairs: Samples) -> Iterator[_Beside]:
    """Yield each rival that has another beside it.

    `pairs` are the changes of all pairs, their variances and degrees, (3, pairs).
    """
    rivals = len(old.cases)
    # Among enough rivals, a case's change beside itself, zero, is one of the median's values.
    own = 0.0 if rivals >= ENOUGH_RIVALS else np.nan
    changes = _square(pairs[0], rivals, sign=-1, own=own)
    variances, degrees = (_square(part, rivals, sign=1, own=np.nan) for part in pairs[1:])
    before, after = (np.isfinite(run.seconds).any(-1).sum(-1) for run in (old, new))
    for place, case in enumerate(old.cases):
        beside = np.isfinite(variances[place])
        if beside.any():
            yield _Beside(
                case,
                effect=float(np.nanmedian(changes[place])),
                variance=float(np.median(variances[place][beside])),
                df=float(np.median(degrees[place][beside])),
                launches=(int(before[place]), int(after[place])),
                rivals=int(beside.sum()),
            )


def _square(pairs: Samples, rivals: int, sign: int, own: float) -> Samples:
    """Lay pairs out as (rivals, rivals), [i, j] being i beside j, with `own` as the diagonal."""
    first, second = np.triu_indices(rivals, 1)
    square = np.full((rivals, rivals), own)
    square[second, first], square[first, second] = pairs, sign * pairs
    return square


def changes_over_canary(old: Run, new: Run) -> dict[Case, float]:
    """Return the change of each case's time over the canary's, NaN without a canary."""
    before, after = log_canary(old)[0], log_canary(new)[0]
    return {
        case: _log_seconds(new.measured[case]) - _log_seconds(old.measured[case]) - (after - before)
        for case in sorted(old.measured.keys() & new.measured.keys())
    }


def log_canary(run: Run) -> Samples:
    """Return the log medians of the canary's two beats, NaN where a run has none."""
    facts = [launch.facts for case in run.measurements for launch in case.launches]
    names = ("canary_seconds", "copy_seconds")
    return np.array([log_median_beat(own.number(name) for own in facts) for name in names])


def _log_seconds(measurement: Measurement) -> float:
    medians = np.log([[launch.median_seconds for launch in measurement.launches]])
    marks = [launch.machine for launch in measurement.launches]
    return float(np.nanmean(by_machine([Effects(medians, medians)], [marks]).effect))


# What sessions add --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sessions:
    """What a session adds to each case, and to all beside the canary: learnt, or assumed."""

    of_cases: Mapping[Case, Noise] = field(default_factory=dict)
    common: Noise = ASSUMED_COMMON

    def of_both_runs(self, cases: Iterable[Case]) -> Noise:
        """Return what the sessions of two runs add to changes, (cases,)."""
        own = [self.of_cases.get(case, ASSUMED) for case in cases]
        variance, df = np.array([(noise.variance, noise.df) for noise in own]).T
        return Noise(2 * variance, df)

    def common_bound(self, level: float) -> float:
        """Return the change beside the canary that two sessions exceed at a one-sided level."""
        both = Noise(2 * self.common.variance, self.common.df)
        return float(both.half_width(level))


ASSUMED_SESSIONS = Sessions()


def learn_sessions(results: Path, old: Run, new: Run) -> Sessions:
    """Learn what sessions add from the machine's other runs, if there are enough of them."""
    headers = (old.header, new.header)
    runs = other_runs(results, new.header.machine, headers)[-_MOST_SESSIONS:]
    if len(runs) < LEAST_RUNS:
        return ASSUMED_SESSIONS
    levels = run_levels(runs)
    if not levels.cases:
        return ASSUMED_SESSIONS
    every = np.ones(len(levels.cases), bool)
    noise = session_noise(ratios(levels, every), levels.of_launches)
    of_cases = [Noise(*row) for row in np.column_stack([noise.variance, noise.df])]
    times, settings = levels.over_canary, rows_by_setting(levels.cases)
    common = np.array([median_polish(times[rows]) for rows in settings.values()])
    learnt = session_noise(common, np.zeros_like(common), ASSUMED_COMMON)
    of_setting = Noise(*(np.asarray(np.median(part)) for part in (learnt.variance, learnt.df)))
    return Sessions(dict(zip(levels.cases, of_cases, strict=True)), of_setting)


# The verdicts -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CaseBetween:
    """One case between two runs: its change, as a log ratio, and what that rests on.

    So many `launches` have the old and the new run, and so many `rivals` stand beside the case. A
    slow-down of `visible`, a log ratio, would be suspect in half of all comparisons if no other
    case changed; NaN where there are too few launches for any suspect. `old` and `new` are seconds
    per call.
    """

    case: Case
    state: ChangeState
    change: Interval
    launches: tuple[int, int]
    rivals: int
    visible: float
    old: float
    new: float


def cases_between(old: Run, new: Run, sessions: Sessions, margin: float) -> tuple[CaseBetween, ...]:
    """Return every case, suspects first, and both they and the others by decreasing change."""
    changes = case_changes(old, new)
    if not changes.cases:
        return ()
    noise = added(changes.noise, sessions.of_both_runs(changes.cases))
    enough = changes.launches.min(0) >= MIN_LAUNCHES
    judge = partial(_states, noise=noise, enough=enough, margin=margin)
    changed = np.isin(judge(changes.effect), [ChangeState.SUSPECT, ChangeState.FASTER])
    steady = changed & ~_moved(changes.over_canary, changes.effect)
    effect = _beside_steady(changes, steady, sessions.common_bound(_FALSE_SHARE))
    states, moved = judge(effect), _moved(changes.over_canary, effect)
    states[(states == ChangeState.FASTER) & ~moved] = ChangeState.UNKNOWN
    width = noise.half_width(ALPHA / 2)
    visible = noise.half_width(min(LEVEL, _FALSE_SHARE / len(effect)))
    before, after = _seconds_in(old), _seconds_in(new)
    rows = by_row(
        CaseBetween,
        case=changes.cases,
        state=map(ChangeState, states.tolist()),
        change=by_row(Interval, value=effect, low=effect - width, high=effect + width),
        launches=zip(*changes.launches.tolist(), strict=True),
        rivals=changes.rivals,
        visible=np.where(enough, np.maximum(visible, margin), np.nan),
        old=[before[case] for case in changes.cases],
        new=[after[case] for case in changes.cases],
    )

    def suspects_first(row: CaseBetween) -> tuple[bool, float, Case]:
        # the names decide where changes agree but for rounding
        return row.state is not ChangeState.SUSPECT, -round(row.change.value, _DIGITS), row.case

    return tuple(sorted(rows, key=suspects_first))


def _moved(over_canary: Samples, effect: Samples) -> NDArray[np.bool_]:
    """Return where a time beside the canary moved by half of an effect, or there is no canary."""
    return np.asarray(~(over_canary * np.sign(effect) < np.abs(effect) / 2))


def _beside_steady(changes: CaseChanges, steady: NDArray[np.bool_], least: float) -> Samples:
    """Return the effects beside the `steady` rivals of a setting in which the others moved.

    A steady case changed beside the median rival, but not beside the canary. The others count as
    moved if their median moved the other way beside the canary, by `least` or more: more than
    sessions explain.
    """
    beside = changes.effect.copy()
    for rows in rows_by_setting(changes.cases).values():
        own = steady[rows]
        others = changes.over_canary[rows][~own]
        if own.sum() >= min(LEAST_STEADY, len(rows) - 1):
            effect = np.median(changes.effect[rows][own])
            if -np.sign(effect) * np.median(others) >= least:
                beside[rows] -= effect
    return beside


def _seconds_in(run: Run) -> dict[Case, float]:
    rows = (row for ranking in rank_run(run) for row in ranking.all_rows)
    return {row.case: row.seconds_per_call.value for row in rows}


def _states(
    effect: Samples, noise: Noise, enough: NDArray[np.bool_], margin: float
) -> NDArray[np.str_]:
    slower, faster = (np.where(enough, noise.chance(side * effect), 1.0) for side in (1, -1))
    alike = enough & (noise.chance(margin - np.abs(effect)) < _FALSE_SHARE)
    states = np.where(alike, ChangeState.SAME, ChangeState.UNKNOWN)
    states = np.where(_discovered(faster) & (effect <= -margin), ChangeState.FASTER, states)
    return np.where(_discovered(slower) & (effect >= margin), ChangeState.SUSPECT, states)


def _discovered(p: Samples) -> NDArray[np.bool_]:
    """Return True for each p that is below `LEVEL` and a discovery among all.

    At most `_FALSE_SHARE` of all discoveries are false in expectation. Source: Benjamini and
    Hochberg 1995, Journal of the Royal Statistical Society B 57(1), 289-300.
    """
    ordered = np.sort(p)
    allowed = _FALSE_SHARE * np.arange(1, len(p) + 1) / len(p)
    return np.asarray((p < LEVEL) & (p <= ordered[ordered <= allowed].max(initial=-1.0)))
