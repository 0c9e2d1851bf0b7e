"""Two stored runs: whether they may be compared, and what changed beside the times of single cases.

Ratios between rivals do not show what slows a setting as a whole; seconds over the canary's do.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from timelift.analyse.results import Run, Samples
from timelift.analyse.verdicts import CHANGE_MARGIN
from timelift.axis_values import SKIPPED, UNSERVED, Status
from timelift.case import Case, Setting
from timelift.history import DESCRIPTION, ChangeState, CommonShift, case_changes, drift_differences
from timelift.history.levels import beyond_canary, rows_by_setting
from timelift.journal.lines import Difference, differences, flattened, identity_of
from timelift.measurement import (
    FactChange,
    Measurement,
    MeasurementsByCase,
    engine_facts,
    exact_changes,
)

#: A canary that changed by this much, a log ratio, shows that the machine did; what it leaves of a
#: setting's change must be less.
_CANARY_MOVED = math.log(1.05)
#: Characters of a commit in a command, enough to name one commit of any repository.
_COMMIT = 12


@dataclass(frozen=True)
class TwoRuns:
    """Two runs and the findings between them.

    `failing_now` are cases that the old run measured and that fail in the new one. `settings` are
    those that moved as a whole beside the canary, of `shared_settings`. `drift` are the differences
    of versions, interpreter, kernel, flags and options. `canary` are the changes of its beats as
    log ratios, (2,), NaN where a run has none.
    """

    old: Run
    new: Run
    cases: tuple[case_changes.CaseBetween, ...]
    settings: Mapping[Setting, CommonShift]
    shared_settings: int
    facts: tuple[FactChange, ...]
    added: tuple[Case, ...]
    removed: tuple[Case, ...]
    failing_now: Mapping[Case, Measurement]
    drift: tuple[Difference, ...]
    canary: Samples

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
        """True if most settings are slower, and the canary explains all of them."""
        return bool(self.settings) and not self.suspect_settings

    @property
    def suspect_settings(self) -> Mapping[Setting, CommonShift]:
        """The slower settings; where most are, without those that a beat that moved explains."""
        moves = self.canary[np.abs(self.canary) >= _CANARY_MOVED]
        if not 2 * len(self.settings) > self.shared_settings > 1:
            return self.settings
        return {
            setting: shift
            for setting, shift in self.settings.items()
            if beyond_canary(shift.value + self.canary[0], moves) >= _CANARY_MOVED
        }

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


def compare_runs(
    old: Run,
    new: Run,
    sessions: case_changes.Sessions = case_changes.ASSUMED_SESSIONS,
    gate: float = CHANGE_MARGIN,
) -> TwoRuns:
    before, after = old.measured, new.measured
    no_failure = SKIPPED - UNSERVED - {Status.TRACING_LIMIT} | {Status.MEASURED}
    failing_now = {
        case: measurement
        for case, measurement in new.by_case.items()
        if case in before and measurement.status not in no_failure
    }
    over_canary = case_changes.changes_over_canary(old, new)
    margin = float(np.log1p(gate))
    return TwoRuns(
        old,
        new,
        cases=case_changes.cases_between(old, new, sessions, margin),
        settings=_setting_shifts(
            over_canary, max(margin, sessions.common_bound(case_changes.LEVEL))
        ),
        shared_settings=len({case.setting for case in over_canary}),
        facts=tuple(_fact_changes(before, after)),
        added=tuple(sorted(after.keys() - before.keys())),
        removed=tuple(sorted(before.keys() - after.keys() - failing_now.keys())),
        failing_now=failing_now,
        drift=drift_differences(old.header, new.header),
        canary=case_changes.log_canary(new) - case_changes.log_canary(old),
    )


def _setting_shifts(over_canary: Mapping[Case, float], least: float) -> dict[Setting, CommonShift]:
    """Return the change of the median rival of each setting in which that is above `least`."""
    shifts, changes = {}, np.array(list(over_canary.values()))
    for setting, rows in rows_by_setting(over_canary).items():
        value = float(np.median(changes[rows]))
        if value > least:
            share = float(np.mean(changes[rows] > least))
            shifts[setting] = CommonShift(value, share=share, cases=len(rows))
    return shifts


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


# Facts -------------------------------------------------------------------------------------------

#: A fact that is no exact one is told where it grew by more than this share and so many units.
#: First calls are single events that moved by a third between runs; memory comes in arenas.
_FACT_LIMITS: Mapping[str, tuple[float, float]] = {
    "first_call_seconds": (0.5, 0.1),
    "peak_bytes": (0.25, 1 << 20),
}


def _fact_changes(old: MeasurementsByCase, new: MeasurementsByCase) -> Iterator[FactChange]:
    shared = sorted(old.keys() & new.keys())
    for case in shared:
        yield from exact_changes(case, old[case], new[case])
    for name in _FACT_LIMITS:
        pairs = {case: (_least(old[case], name), _least(new[case], name)) for case in shared}
        positive = {case: pair for case, pair in pairs.items() if min(pair) > 0}
        growth = [after / before for before, after in positive.values()]
        # What the median case grew by is the machine's and no strategy's; few cases have no median.
        usual = float(np.median(growth)) if len(growth) > 2 else 1.0  # noqa: PLR2004
        for case, (before, after) in positive.items():
            is_worse = _is_beyond(before * usual, after, name)
            if is_worse or _is_beyond(after, before * usual, name):
                yield FactChange(case, name, before, after, is_worse)


def _is_beyond(before: float, after: float, name: str) -> bool:
    share, least = _FACT_LIMITS[name]
    return after > before * (1 + share) and after - before > least


def _least(measurement: Measurement, name: str) -> float:
    """Return the least of a fact over launches, since later launches build side by side; or 0.

    A fact too small to be read counts as the bound that it is below.
    """
    values = (launch.facts.number_or_bound(name) for launch in measurement.launches)
    return min((value for value in values if value is not None), default=0.0)
