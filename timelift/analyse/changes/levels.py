"""What a run tells of every case, and what a case's level is compared with in its own run.

A run gives each case one level, so that a year of nightly runs is read in seconds. A machine is
never as fast as yesterday, so a case is compared with its rivals of the same run and setting. That
reference must not move when one of them does: it is what the *median* rival did, and each rival
counts from its own usual level, so that one that is absent for a while changes nothing.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from timelift.analyse.runs.fact_changes import largest
from timelift.analyse.runs.measurement import Samples
from timelift.analyse.stats.robust_mean import HALF, trimmed_mean
from timelift.case import Case, Setting
from timelift.journal import Exact, Median, medians

#: A canary's beat lasts some tens of microseconds; a second is a slip.
_LONGEST_BEAT = 1.0
#: With so many rivals a median exists that one of them cannot move.
ENOUGH_RIVALS = 3
#: So many rivals that did not change are a reference without the others.
_LEAST_STEADY = 2
_ROUNDS_OF_POLISH = 4


@dataclass(frozen=True)
class RunSummary:
    """The level of every measured case as log seconds per call, and the run's canary (NaN).

    `exact` are the facts of each case that repeat themselves, in the order of `EXACT`.
    """

    log_seconds: Mapping[Case, float]
    canary_seconds: float = math.nan
    exact: Mapping[Case, Exact] = field(default_factory=dict)


@dataclass
class _Reading:
    """A journal while it is read: log medians by case and launch."""

    medians: dict[Case, dict[int, float]] = field(default_factory=lambda: defaultdict(dict))
    beats: list[float] = field(default_factory=list)
    lost: set[Case] = field(default_factory=set)
    exact: dict[Case, Exact] = field(default_factory=dict)

    def take(self, one: Median) -> None:
        if math.isnan(one.log_seconds):
            self.lost.add(one.case)
            return
        self.medians[one.case].setdefault(one.launch, one.log_seconds)
        self.exact[one.case] = largest(self.exact.get(one.case, one.exact), one.exact)
        if one.canary_seconds is not None and 0 < one.canary_seconds < _LONGEST_BEAT:
            self.beats.append(one.canary_seconds)

    def summary(self) -> RunSummary:
        """Bring the launches together, setting by setting."""
        by_setting: dict[Setting, list[Case]] = defaultdict(list)
        for case in self.medians:
            if self.medians[case] and case not in self.lost:
                by_setting[case.setting].append(case)
        rivals = list(by_setting.values())
        levels = over_launches(self._table(rivals))
        found = {
            case: float(level)
            for cases, row in zip(rivals, levels, strict=True)
            for case, level in zip(cases, row, strict=False)
        }
        beat = float(np.median(self.beats)) if self.beats else math.nan
        exact = {case: self.exact[case] for case in found}
        return RunSummary(found, beat, exact)

    def _table(self, rivals: list[list[Case]]) -> Samples:
        """Lay the medians out as (settings, rivals, launches), NaN where there is none."""
        numbers = sorted({number for one in self.medians.values() for number in one})
        place = {number: i for i, number in enumerate(numbers)}
        most = max(map(len, rivals), default=0)
        table = np.full((len(rivals), most, len(numbers)), np.nan)
        for rows, cases in zip(table, rivals, strict=True):
            for row, case in zip(rows, cases, strict=False):
                for number, median in self.medians[case].items():
                    row[place[number]] = median
        return table


def of_run(path: Path) -> RunSummary:
    """Sum up a journal; raises OSError where it cannot be read."""
    return of_lines(path.read_bytes().split(b"\n"))


def of_lines(lines: Iterable[bytes]) -> RunSummary:
    """Sum up the lines of a journal."""
    reading = _Reading()
    for one in medians(lines):
        reading.take(one)
    return reading.summary()


def over_launches(table: Samples) -> Samples:
    """Return each rival's level over launches, as (settings, rivals).

    `table` is (settings, rivals, launches) in log seconds. What a launch did to all rivals alike is
    taken out first, so a rival that was dropped after three launches still compares with others.
    """
    if not table.size:
        return np.empty(table.shape[:2])
    own = _median(table)
    shared = _median(np.swapaxes(table - own[..., None], -1, -2))
    return _median(table - shared[..., None, :]) + _median(shared)[..., None]


def _median(values: Samples) -> Samples:
    return trimmed_mean(values, HALF)


@dataclass(frozen=True)
class RunLevels:
    """Log seconds per call as (cases, runs), NaN where not measured, and log canaries as (runs,).

    Cases are sorted, so the rivals of a setting are neighbours.
    """

    cases: tuple[Case, ...]
    log_seconds: Samples
    log_canary: Samples

    def part(self, first: int, end: int) -> "RunLevels":
        """Return the runs from `first` to before `end`."""
        return RunLevels(self.cases, self.log_seconds[:, first:end], self.log_canary[first:end])

    @property
    def settings(self) -> dict[Setting, NDArray[np.int_]]:
        """The rows of each setting."""
        rows: dict[Setting, list[int]] = defaultdict(list)
        for row, case in enumerate(self.cases):
            rows[case.setting].append(row)
        return {setting: np.array(places) for setting, places in rows.items()}

    @property
    def against_canary(self) -> Samples:
        """Log seconds over the canary's, or as they are where most runs have no canary."""
        known = np.isfinite(self.log_canary)
        return self.log_seconds - (self.log_canary if known.mean() > HALF else 0.0)


def levels(summaries: Sequence[RunSummary], canaries: Sequence[float]) -> RunLevels:
    """Lay summaries out as a table; `canaries` stand in where a run timed none beside its cases."""
    cases = sorted({case for one in summaries for case in one.log_seconds})
    row = {case: place for place, case in enumerate(cases)}
    table = np.full((len(cases), len(summaries)), np.nan)
    for column, one in enumerate(summaries):
        rows = [row[case] for case in one.log_seconds]
        table[rows, column] = list(one.log_seconds.values())
    beats = np.array([one.canary_seconds for one in summaries])
    both = np.where(np.isfinite(beats), beats, np.array(canaries, float))
    return RunLevels(tuple(cases), table, np.log(both))


def shared(table: Samples) -> Samples:
    """Return what each run did to the median row, as (runs,), by median polish.

    Source: Tukey 1977, Exploratory Data Analysis, chapter 11.
    """
    moment = np.zeros(table.shape[1])
    for _ in range(_ROUNDS_OF_POLISH):
        own = trimmed_mean(table - moment, HALF)
        moment = trimmed_mean((table - own[:, None]).T, HALF)
    return moment


def ratios(levels: RunLevels, steady: NDArray[np.bool_]) -> Samples:
    """Return each case's log ratio to the reference of its setting and run, as (cases, runs).

    `steady` says which cases may be in the reference, if two of a setting are.
    """
    found = np.full_like(levels.log_seconds, np.nan)
    beside = levels.against_canary
    for rows in levels.settings.values():
        rivals = levels.log_seconds[rows]
        found[rows] = _ratios(rivals, beside[rows], steady[rows])
    return found


def _ratios(rivals: Samples, beside: Samples, steady: NDArray[np.bool_]) -> Samples:
    """Compare rivals with their median; two with the steadier one, and one with the canary."""
    if len(rivals) == 1:
        return beside
    if len(rivals) < ENOUGH_RIVALS:
        return np.asarray(rivals - rivals[_steadier(beside)])
    few = steady.sum() < _LEAST_STEADY
    judges = rivals if few else rivals[steady]
    enough = np.isfinite(judges).sum(0) >= (
        ENOUGH_RIVALS if few else min(len(judges), ENOUGH_RIVALS)
    )
    return np.where(enough, rivals - shared(judges), np.nan)


def _steadier(beside: Samples) -> int:
    """Choose the row that wanders least: a step moves a row's quantiles apart, a spike does not."""
    return int(np.argmin([_wandering(row[np.isfinite(row)]) for row in beside]))


def _wandering(row: Samples) -> float:
    return float(np.ptp(np.percentile(row, [10, 90]))) if len(row) else np.inf
