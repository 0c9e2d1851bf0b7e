"""Two stored runs: whether they may be compared, what changed, and which cases are suspect.

A case is suspect where it became slower by at least the gate, the chance of that much without a
cause is below `_LEVEL`, and it is a discovery among all cases: in expectation at most 5 % of the
suspects are false, and where nothing changed at all, at most 1 of 20 comparisons has any.
"""

import math
import statistics
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from timelift.analyse.estimates import ALPHA, Interval, t_quantile, t_tail
from timelift.analyse.ranking import rank_run
from timelift.analyse.results import Run, Samples
from timelift.analyse.verdicts import CHANGE_MARGIN, MIN_LAUNCHES
from timelift.case import SKIPPED, Case, Setting, Status
from timelift.history import DESCRIPTION, ChangeState, CommonShift, drift_differences
from timelift.history.case_changes import (
    CaseChange,
    case_changes,
    changes_over_canary,
    log_canary,
)
from timelift.history.levels import median_polish, other_runs, ratios, run_levels
from timelift.history.noise import (
    ASSUMED,
    ASSUMED_COMMON,
    LEAST_RUNS,
    Noise,
    added,
    session_noise,
)
from timelift.journal.lines import (
    Difference,
    differences,
    flattened,
    identity_of,
)
from timelift.measurement import (
    FactChange,
    Measurement,
    MeasurementsByCase,
    engine_facts,
    exact_changes,
)

#: The most runs from which the noise of sessions is learnt.
_MOST_SESSIONS = 30
#: A canary that changed by this much, a log ratio, shows that the machine did.
_CANARY_MOVED = math.log(1.05)
#: The fewest cases that show that it was their rivals which changed.
_LEAST_STEADY = 2
#: Characters of a commit in a command, enough to name one commit of any repository.
_COMMIT = 12
#: The chance, one-sided, of so large a change without a cause.
_LEVEL = 0.005
_FALSE_SHARE = 0.05
#: Decimals in which log ratios that are equal but for rounding agree.
_DIGITS = 9


@dataclass(frozen=True)
class CaseInRun:
    """A case in one of the runs, and its place among so many `rivals`, the fastest being 1."""

    seconds_per_call: float
    place: int
    rivals: int


@dataclass(frozen=True)
class CaseBetween:
    """One case between two runs: its change, as a log ratio, and what that rests on.

    A slow-down of `visible`, a log ratio, would be suspect in half of all comparisons if no other
    case changed; NaN where there are too few launches for any suspect.
    """

    estimate: CaseChange
    state: ChangeState
    change: Interval
    old: CaseInRun
    new: CaseInRun
    visible: float

    @property
    def case(self) -> Case:
        return self.estimate.case


@dataclass(frozen=True)
class Sessions:
    """What a session adds to each case, and to all of a setting beside the canary.

    They are learnt or assumed.
    """

    of_cases: Mapping[Case, Noise] = field(default_factory=dict)
    common: Noise = ASSUMED_COMMON


@dataclass(frozen=True)
class TwoRuns:
    """Two runs and the findings between them.

    `failing_now` are cases that the old run measured and that fail in the new one. `settings` are
    those that moved as a whole beside the canary, of `shared_settings`. `machines` are the
    differences that make two machines of them, `drift` those of versions, interpreter, kernel,
    flags and options. `canary` are the changes of its beats as log ratios, NaN where a run has
    none.
    """

    old: Run
    new: Run
    cases: tuple[CaseBetween, ...]
    settings: Mapping[Setting, CommonShift]
    shared_settings: int
    facts: tuple[FactChange, ...]
    added: tuple[Case, ...]
    removed: tuple[Case, ...]
    failing_now: Mapping[Case, Measurement]
    machines: tuple[Difference, ...]
    drift: tuple[Difference, ...]
    canary: tuple[float, float]

    @property
    def same_code(self) -> bool:
        """True if both runs measured one commit, with no file that differed from it."""
        dirty = self.old.header.commit.dirty or self.new.header.commit.dirty
        return (
            bool(commit_in(self.old)) and commit_in(self.old) == commit_in(self.new) and not dirty
        )

    @property
    def against(self) -> str:
        """The revision to race against; empty where it is unknown or has the same code."""
        return "" if self.same_code else commit_in(self.old)

    @property
    def advisory(self) -> bool:
        """True for two machines: ratios between rivals are shown, and nothing is suspect."""
        return bool(self.machines)

    @property
    def suspect_count(self) -> int:
        """The number of cases that are suspect by their times; `cases` begin with them."""
        return sum(row.state is ChangeState.SUSPECT for row in self.cases)

    @property
    def suspects(self) -> tuple[Case, ...]:
        """The cases to be measured again: slower ones, the worst first, worse facts, failures."""
        slower = [row.case for row in self.cases[: self.suspect_count]]
        facts = [change.case for change in self.facts if change.worse]
        return tuple(dict.fromkeys((*slower, *facts, *self.failing_now)))

    @property
    def machine_moved(self) -> bool:
        """True if most settings are slower, and the canary changed or the machine's description."""
        described = any(difference.name in DESCRIPTION for difference in self.drift)
        beat = any(abs(change) >= _CANARY_MOVED for change in self.canary)
        return 2 * len(self.settings) > self.shared_settings > 1 and (beat or described)

    @property
    def suspect_settings(self) -> Mapping[Setting, CommonShift]:
        return {} if self.machine_moved else self.settings

    @property
    def usually_visible(self) -> float:
        """The median of what is `visible` in cases; NaN if no case can be suspect."""
        visible = [row.visible for row in self.cases if math.isfinite(row.visible)]
        return float(np.median(visible)) if visible else math.nan

    @property
    def packages_drifted(self) -> bool:
        """True if packages, interpreter or flags differ, which racing two revisions cannot show."""
        names = {difference.name for difference in self.drift} - DESCRIPTION
        return any(not name.startswith("--") for name in names)

    @property
    def any_suspect(self) -> bool:
        return bool(self.suspects or self.suspect_settings)


# The comparison ----------------------------------------------------------------------------------


def learn_sessions(results: Path, old: Run, new: Run) -> Sessions:
    """Learn what sessions add from the machine's other runs, if there are enough of them."""
    headers = (old.header, new.header)
    runs = other_runs(results, new.header.machine, headers)[-_MOST_SESSIONS:]
    if len(runs) < LEAST_RUNS:
        return Sessions()
    levels, _ = run_levels(runs)
    every = np.ones(len(levels.cases), bool)
    noise = session_noise(ratios(levels, every), levels.of_launches)
    of_cases = [Noise(*row) for row in np.column_stack([noise.variance, noise.df])]
    times = levels.over_canary
    common = np.array([median_polish(times[rows]) for rows in levels.settings.values()])
    learnt = session_noise(common, np.zeros_like(common), ASSUMED_COMMON)
    of_setting = Noise(*(np.asarray(np.median(part)) for part in (learnt.variance, learnt.df)))
    return Sessions(dict(zip(levels.cases, of_cases, strict=True)), of_setting)


def compare_runs(
    old: Run,
    new: Run,
    sessions: Sessions = Sessions(),
    gate: float = CHANGE_MARGIN,
    machines: tuple[Difference, ...] = (),
) -> TwoRuns:
    """Compare two runs; `machines` are the differences that make two machines of them."""
    before, after = old.measured, new.measured
    failing_now = _failing_now(before, new)
    over_canary = changes_over_canary(old, new)
    margin = float(np.log1p(gate))
    (before_hash, before_copy), (after_hash, after_copy) = log_canary(old), log_canary(new)
    return TwoRuns(
        old,
        new,
        cases=_cases_between(old, new, sessions, margin),
        settings=_setting_shifts(over_canary, max(margin, _common_bound(sessions, _LEVEL))),
        shared_settings=len({case.setting for case in over_canary}),
        facts=_fact_changes(before, after),
        added=tuple(sorted(after.keys() - before.keys())),
        removed=tuple(sorted(before.keys() - after.keys() - failing_now.keys())),
        failing_now=failing_now,
        machines=machines,
        drift=drift_differences(old.header, new.header),
        canary=(after_hash - before_hash, after_copy - before_copy),
    )


def _common_bound(sessions: Sessions, level: float) -> float:
    """Return the change beside the canary that two sessions have by chance at a one-sided level."""
    noise = sessions.common
    return float(t_quantile(level, noise.df) * np.sqrt(2 * noise.variance))


def _setting_shifts(changes: Mapping[Case, float], least: float) -> dict[Setting, CommonShift]:
    """Return the change of the median rival of each setting in which that is above `least`."""
    settings: dict[Setting, list[float]] = defaultdict(list)
    for case, change in changes.items():
        settings[case.setting].append(change)
    return {
        setting: CommonShift(
            statistics.median(moved),
            share=statistics.fmean(change > least for change in moved),
            cases=len(moved),
        )
        for setting, moved in settings.items()
        if statistics.median(moved) > least
    }


def machine_differences(old: Run, new: Run) -> tuple[Difference, ...]:
    """Return the differences of identities, and of the engines that both runs name."""
    before, after = old.header.machine, new.header.machine
    described = differences(flattened(before.identity), flattened(after.identity))
    if not identity_of(before) | identity_of(after):  # unknown machines never match
        described = iter([Difference("machine", None, None)])
    engines = differences(_engines(old), _engines(new))
    return (*described, *(engine for engine in engines if None not in (engine.old, engine.new)))


def _engines(run: Run) -> dict[str, str]:
    return {
        f"{measurement.case.setting.backend} {measurement.case.setting.device} {name}": value
        for measurement in run.measurements
        for name, value in engine_facts(measurement).items()
    }


def commit_in(run: Run) -> str:
    """Return the commit of a run, shortened; '' where it is unknown or no commit's name."""
    commit = run.header.commit.id or ""
    return commit[:_COMMIT] if commit.isalnum() and commit.isascii() else ""


def _failing_now(before: Container[Case], new: Run) -> dict[Case, Measurement]:
    no_failure = SKIPPED - {Status.TRACING_LIMIT} | {Status.MEASURED}
    return {
        measurement.case: measurement
        for measurement in new.measurements
        if measurement.case in before and measurement.status not in no_failure
    }


def _cases_between(
    old: Run, new: Run, sessions: Sessions, margin: float
) -> tuple[CaseBetween, ...]:
    """Return every case, suspects first, and both they and the others by decreasing change."""
    changes = case_changes(old, new)
    before, after = _cases_in(old), _cases_in(new)
    if not changes:
        return ()
    effect = np.array([change.effect for change in changes])
    standard_error, df = _standard_errors(changes, sessions)
    enough = np.array([min(change.launches) >= MIN_LAUNCHES for change in changes])
    judge = partial(_states, enough, standard_error=standard_error, df=df, margin=margin)
    fell = np.array([not change.over_canary > change.effect / 2 for change in changes])
    steady = (judge(effect) == ChangeState.FASTER) & ~fell
    effect = _beside_steady(changes, effect, steady, _common_bound(sessions, _FALSE_SHARE))
    states = judge(effect)
    states[(states == ChangeState.FASTER) & ~fell] = ChangeState.UNKNOWN
    width = t_quantile(ALPHA / 2, df) * standard_error
    visible = t_quantile(min(_LEVEL, _FALSE_SHARE / len(changes)), df) * standard_error
    ends = (effect, effect - width, effect + width)
    columns = (
        changes,
        map(ChangeState, states.tolist()),
        [Interval(*row) for row in np.column_stack(ends).tolist()],
        [before[change.case] for change in changes],
        [after[change.case] for change in changes],
        np.where(enough, np.maximum(visible, margin), np.nan).tolist(),
    )
    rows = [CaseBetween(*row) for row in zip(*columns, strict=True)]
    # The names decide where changes agree but for rounding.
    rows.sort(
        key=lambda row: (
            row.state is not ChangeState.SUSPECT,
            -round(row.change.value, _DIGITS),
            row.case,
        )
    )
    return tuple(rows)


def _beside_steady(
    changes: Sequence[CaseChange], effect: Samples, steady: NDArray[np.bool_], least: float
) -> Samples:
    """Return the effects beside the `steady` rivals of a setting in which the others moved.

    A case that is faster beside the median rival, though it did not fall beside the canary, is
    steady. The others moved where their median rose beside the canary by `least`, which is more
    than sessions do.
    """
    settings: dict[Setting, list[int]] = defaultdict(list)
    for row, change in enumerate(changes):
        settings[change.case.setting].append(row)
    beside = effect.copy()
    over_canary = np.array([change.over_canary for change in changes])
    for rows in settings.values():
        others = over_canary[rows][~steady[rows]]
        if steady[rows].sum() >= min(_LEAST_STEADY, len(rows) - 1) and np.median(others) >= least:
            beside[rows] -= np.median(effect[rows][steady[rows]])
    return beside


def _cases_in(run: Run) -> dict[Case, CaseInRun]:
    return {
        row.case: CaseInRun(row.seconds_per_call.value, place, len(ranking.all_rows))
        for ranking in rank_run(run)
        for place, row in enumerate(ranking.all_rows, start=1)
    }


def _standard_errors(changes: Sequence[CaseChange], sessions: Sessions) -> tuple[Samples, Samples]:
    """Return the standard error of every change, and its degrees of freedom."""
    own = (sessions.of_cases.get(change.case, ASSUMED) for change in changes)
    noises = [
        added(change.noise, Noise(2 * session.variance, session.df))  # each run has a session
        for change, session in zip(changes, own, strict=True)
    ]
    variance, df = np.array([(noise.variance, noise.df) for noise in noises]).T
    return np.sqrt(variance), df


def _states(
    enough: NDArray[np.bool_], effect: Samples, standard_error: Samples, df: Samples, margin: float
) -> NDArray[np.str_]:
    slower = np.where(enough, t_tail(effect / standard_error, df), 1.0)
    faster = np.where(enough, t_tail(-effect / standard_error, df), 1.0)
    alike = enough & (t_tail((margin - np.abs(effect)) / standard_error, df) < _FALSE_SHARE)
    states = np.where(alike, ChangeState.SAME, ChangeState.UNKNOWN)
    states = np.where(_discovered(faster) & (effect <= -margin), ChangeState.FASTER, states)
    return np.where(_discovered(slower) & (effect >= margin), ChangeState.SUSPECT, states)


def _discovered(p: Samples) -> NDArray[np.bool_]:
    """Return where a p is below `_LEVEL` and a discovery among all."""
    return np.asarray((p < _LEVEL) & (p <= _discovery_bar(p, _FALSE_SHARE)))


def _discovery_bar(p: Samples, false_share: float) -> float:
    """Return the largest p-value that is a discovery, or -1 without any.

    Of all discoveries at most `false_share` are false in expectation. Source: Benjamini and
    Hochberg 1995, Journal of the Royal Statistical Society B 57(1), 289-300.
    """
    ordered = np.sort(p)
    allowed = false_share * np.arange(1, len(p) + 1) / max(len(p), 1)
    return float(ordered[ordered <= allowed].max(initial=-1.0))


# Facts -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _FactLimit:
    """A noisy fact passes where it grew by less than this share, or by less than `least` units."""

    share: float
    least: float


#: First calls are single events that moved by a third between runs; memory comes in arenas.
_FACT_LIMITS: Mapping[str, _FactLimit] = {
    "first_call_seconds": _FactLimit(share=0.5, least=0.1),
    "peak_bytes": _FactLimit(share=0.25, least=1 << 20),
}


def _fact_changes(old: MeasurementsByCase, new: MeasurementsByCase) -> tuple[FactChange, ...]:
    shared = sorted(old.keys() & new.keys())
    exact = (change for case in shared for change in exact_changes(case, old[case], new[case]))
    return (*exact, *_limited(old, new, shared))


def _limited(
    old: MeasurementsByCase, new: MeasurementsByCase, shared: Iterable[Case]
) -> Iterator[FactChange]:
    for name, limit in _FACT_LIMITS.items():
        values = {case: (_least(old[case], name), _least(new[case], name)) for case in shared}
        positive = {case: pair for case, pair in values.items() if pair[0] > 0 and pair[1] > 0}
        usual = _usual_growth(positive.values())
        for case, (before, after) in positive.items():
            is_worse = _beyond(before * usual, after, limit)
            if is_worse or _beyond(after, before * usual, limit):
                yield FactChange(case, name, before, after, is_worse)


def _usual_growth(pairs: Iterable[tuple[float, float]]) -> float:
    """Return the median growth, which is the machine's and no strategy's; 1 of few cases."""
    growth = [after / before for before, after in pairs]
    return float(np.median(growth)) if len(growth) > 2 else 1.0  # noqa: PLR2004 - no majority


def _beyond(before: float, after: float, limit: _FactLimit) -> bool:
    return after > before * (1 + limit.share) and after - before > limit.least


def _least(measurement: Measurement, name: str) -> float:
    """Return the least of a fact over launches, or NaN, since later launches build side by side.

    A fact too small to be read counts as the bound that it is below.
    """
    values = (launch.facts.number_or_bound(name) for launch in measurement.launches)
    return min((value for value in values if value is not None), default=float("nan"))
