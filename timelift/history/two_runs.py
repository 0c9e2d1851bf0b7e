"""Two stored runs: whether they may be compared, what changed, and which cases are suspect.

A case is suspect where it became slower by at least the gate, the chance of that much without a
cause is below `_LEVEL`, and it is a discovery among all cases: in expectation at most 5 % of the
suspects are false, and where nothing changed at all, at most 1 of 20 comparisons has any.
"""

import contextlib
import math
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from timelift.analyse.estimates import ALPHA, Interval, t_quantile, t_tail
from timelift.analyse.ranking import rank_run
from timelift.analyse.results import Run, Samples, load_usual
from timelift.analyse.verdicts import CHANGE_MARGIN, MIN_LAUNCHES
from timelift.case import SKIPPED, Case, Setting, Status
from timelift.errors import UserError
from timelift.history import ChangeState, CommonShift, drift_differences
from timelift.history.case_changes import (
    ASSUMED_NOISE,
    SETTING_GATE,
    CaseChange,
    canary_change,
    case_changes,
    condense,
    session_noises,
    setting_shifts,
    welch_df,
)
from timelift.history.segments import Noise
from timelift.journal.files import runs_of_machine
from timelift.journal.lines import (
    Difference,
    Machine,
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
_MOST_SESSIONS = 6
#: Parts of the drift that are no package, interpreter or flag.
_NOT_INSTALLED = frozenset({"kernel", "governor"})
#: Characters of a commit in a command, enough to name one commit of any repository.
_COMMIT = 12
#: The chance, one-sided, of so large a change without a cause.
_LEVEL = 0.005
_FALSE_SHARE = 0.05
#: Decimals in which log ratios that are equal but for rounding agree.
_DIGITS = 9


@dataclass(frozen=True)
class Commits:
    """The commits of both runs, empty where unknown; `same_code` if they are one, and clean."""

    old: str
    new: str
    same_code: bool

    @property
    def against(self) -> str:
        """The revision to race against; empty where it is unknown or has the same code."""
        return "" if self.same_code else self.old


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
class TwoRuns:
    """Two runs and the findings between them.

    `failing_now` are cases that the old run measured and that fail in the new one. `machines` are
    the differences that make two machines of them, `drift` those of versions, interpreter, kernel
    and flags. `canary` is the canary's change as a log ratio, NaN where a run has none.
    """

    old: Run
    new: Run
    commits: Commits
    cases: tuple[CaseBetween, ...]
    settings: Mapping[Setting, CommonShift]
    facts: tuple[FactChange, ...]
    added: tuple[Case, ...]
    removed: tuple[Case, ...]
    failing_now: Mapping[Case, Measurement]
    machines: tuple[Difference, ...]
    drift: tuple[Difference, ...]
    canary: float

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
    def suspect_settings(self) -> dict[Setting, CommonShift]:
        return {
            setting: shift for setting, shift in self.settings.items() if shift.value > SETTING_GATE
        }

    @property
    def usually_visible(self) -> float:
        """The median of what is `visible` in cases; NaN if no case can be suspect."""
        visible = [row.visible for row in self.cases if math.isfinite(row.visible)]
        return float(np.median(visible)) if visible else math.nan

    @property
    def packages_drifted(self) -> bool:
        """True if packages, interpreter or flags differ, which racing two revisions cannot show."""
        return any(difference.name not in _NOT_INSTALLED for difference in self.drift)

    @property
    def any_suspect(self) -> bool:
        return bool(self.suspects or self.suspect_settings)


# The comparison ----------------------------------------------------------------------------------


def read_condensed(path: Path) -> Run:
    return condense(load_usual(path))


def latest_other_runs(results: Path, machine: Machine, paths: Sequence[Path]) -> list[Run]:
    """Return the machine's latest runs but those of `paths` in the order of their times.

    The noise of sessions is learnt from them.
    """
    runs: list[Run] = []
    for path in reversed(runs_of_machine(results, machine, paths)):
        if len(runs) < _MOST_SESSIONS:
            with contextlib.suppress(UserError):
                runs.append(read_condensed(path))
    return runs[::-1]


def compare_runs(
    old: Run, new: Run, history: Sequence[Run] = (), gate: float = CHANGE_MARGIN
) -> TwoRuns:
    """Compare two runs; `history` are the machine's other runs in the order of their times."""
    before, after = old.measured, new.measured
    failing_now = _failing_now(before, new)
    return TwoRuns(
        old,
        new,
        _commits(old, new),
        cases=_cases_between(old, new, session_noises(history), float(np.log1p(gate))),
        settings=setting_shifts(old, new),
        facts=_fact_changes(before, after),
        added=tuple(sorted(after.keys() - before.keys())),
        removed=tuple(sorted(before.keys() - after.keys() - failing_now.keys())),
        failing_now=failing_now,
        machines=machine_differences(old, new),
        drift=drift_differences(old.header.machine, new.header.machine),
        canary=canary_change(old, new),
    )


def machine_differences(old: Run, new: Run) -> tuple[Difference, ...]:
    """Return the differences of identities, and of the engines that both runs name."""
    engines = differences(_engines(old), _engines(new))
    return (
        *_identity_differences(old.header.machine, new.header.machine),
        *(engine for engine in engines if None not in (engine.old, engine.new)),
    )


def _identity_differences(old: Machine, new: Machine) -> tuple[Difference, ...]:
    """Identity fields that differ; unknown machines never match."""
    if not identity_of(old) | identity_of(new):
        return (Difference("machine", None, None),)
    return tuple(differences(flattened(old.identity), flattened(new.identity)))


def _engines(run: Run) -> dict[str, str]:
    return {
        f"{measurement.case.setting.backend} {measurement.case.setting.device} {name}": value
        for measurement in run.measurements
        for name, value in engine_facts(measurement).items()
    }


def _commits(old: Run, new: Run) -> Commits:
    before, after = _commit(old), _commit(new)
    dirty = old.header.commit.dirty or new.header.commit.dirty
    return Commits(before, after, same_code=bool(before) and before == after and not dirty)


def _commit(run: Run) -> str:
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
    old: Run, new: Run, noises: Mapping[Case, Noise], margin: float
) -> tuple[CaseBetween, ...]:
    """Return every case, suspects first, and both they and the others by decreasing change."""
    changes = case_changes(old, new)
    before, after = _cases_in(old), _cases_in(new)
    if not changes:
        return ()
    effect = np.array([change.effect for change in changes])
    standard_error, df = _standard_errors(changes, noises)
    enough = np.array([min(change.launches) >= MIN_LAUNCHES for change in changes])
    width = t_quantile(ALPHA / 2, df) * standard_error
    visible = t_quantile(min(_LEVEL, _FALSE_SHARE / len(changes)), df) * standard_error
    ends = (effect, effect - width, effect + width)
    columns = (
        changes,
        _states(enough, effect, standard_error, df, margin),
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


def _cases_in(run: Run) -> dict[Case, CaseInRun]:
    return {
        row.case: CaseInRun(row.seconds_per_call.value, place, len(ranking.all_rows))
        for ranking in rank_run(run)
        for place, row in enumerate(ranking.all_rows, start=1)
    }


def _standard_errors(
    changes: Sequence[CaseChange], noises: Mapping[Case, Noise]
) -> tuple[Samples, Samples]:
    """Return the standard error of every change, and its degrees of freedom.

    `noises` are what a session adds to each case.
    """
    launches = [change.noise for change in changes]
    sessions = [noises.get(change.case, ASSUMED_NOISE) for change in changes]
    variances = (
        np.array([noise.variance for noise in launches]),
        2 * np.array([noise.variance for noise in sessions]),  # each run has a session
    )
    dfs = [np.array([noise.df for noise in group]) for group in (launches, sessions)]
    return np.sqrt(variances[0] + variances[1]), welch_df(variances, dfs)


def _states(
    enough: NDArray[np.bool_], effect: Samples, standard_error: Samples, df: Samples, margin: float
) -> list[ChangeState]:
    slower = np.where(enough, t_tail(effect / standard_error, df), 1.0)
    faster = np.where(enough, t_tail(-effect / standard_error, df), 1.0)
    alike = enough & (t_tail((margin - np.abs(effect)) / standard_error, df) < _FALSE_SHARE)
    states = np.where(alike, ChangeState.SAME, ChangeState.UNKNOWN)
    states = np.where(_discovered(faster) & (effect <= -margin), ChangeState.FASTER, states)
    states = np.where(_discovered(slower) & (effect >= margin), ChangeState.SUSPECT, states)
    return [ChangeState(state) for state in states.tolist()]


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
