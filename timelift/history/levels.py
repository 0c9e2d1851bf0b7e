"""The level of every case in a run, and what it is compared with in its own run.

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

from timelift.analyse.effects import HALF, trimmed_mean
from timelift.analyse.fact_changes import largest
from timelift.analyse.measurement import Samples
from timelift.canary import is_beat
from timelift.case import Case, Setting
from timelift.journal.reading import ExactFacts, MedianInLaunch, read_medians

#: The least rivals whose median none of them can move.
ENOUGH_RIVALS = 3
#: The least unchanged rivals that are a reference without the others.
_LEAST_STEADY = 2
_ROUNDS_OF_POLISH = 4


@dataclass(frozen=True)
class RunSummary:
    """The level of every measured case as log seconds per call, and the run's canary (NaN).

    `exact` are the facts of each case that repeat themselves, in the order of `EXACT_FACTS`.
    """

    log_seconds: Mapping[Case, float]
    canary_seconds: float = math.nan
    exact: Mapping[Case, ExactFacts] = field(default_factory=dict)


@dataclass
class _Reading:
    medians: dict[Case, dict[int, float]] = field(default_factory=lambda: defaultdict(dict))
    seen: set[tuple[Case, int]] = field(default_factory=set)
    beats: list[float] = field(default_factory=list)
    failed: set[Case] = field(default_factory=set)
    exact: dict[Case, ExactFacts] = field(default_factory=dict)

    def add(self, one: MedianInLaunch) -> None:
        if (one.case, one.launch) in self.seen:
            return
        self.seen.add((one.case, one.launch))
        if math.isnan(one.log_seconds):
            self.failed.add(one.case)
            return
        self.medians[one.case][one.launch] = one.log_seconds
        self.exact[one.case] = largest(self.exact.get(one.case, one.exact), one.exact)
        if is_beat(one.canary_seconds):
            self.beats.append(one.canary_seconds)

    def summary(self) -> RunSummary:
        by_setting: dict[Setting, list[Case]] = defaultdict(list)
        for case in self.medians:
            if self.medians[case] and case not in self.failed:
                by_setting[case.setting].append(case)
        rivals = list(by_setting.values())
        levels = _over_launches(self._table(rivals))
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


def summary_of_run(path: Path) -> RunSummary:
    """Sum up a journal; raises OSError where it cannot be read."""
    return summary_of_lines(path.read_bytes().split(b"\n"))


def summary_of_lines(lines: Iterable[bytes]) -> RunSummary:
    reading = _Reading()
    for one in read_medians(lines):
        reading.add(one)
    return reading.summary()


def _over_launches(table: Samples) -> Samples:
    """Return the level of each rival over launches, as (settings, rivals).

    `table` is (settings, rivals, launches) in log seconds. The effect of a launch on all rivals
    alike is taken out first, so a rival that was dropped after three launches still compares with
    the others.
    """
    if not table.size:
        return np.empty(table.shape[:2])
    own = trimmed_mean(table, HALF)
    common = trimmed_mean(np.swapaxes(table - own[..., None], -1, -2), HALF)
    levels = trimmed_mean(table - common[..., None, :], HALF)
    return levels + trimmed_mean(common, HALF)[..., None]


@dataclass(frozen=True)
class RunLevels:
    """Log seconds per call as (cases, runs), NaN where not measured, and log canaries as (runs,).

    Cases are sorted, so the rivals of a setting are neighbours.
    """

    cases: tuple[Case, ...]
    log_seconds: Samples
    log_canary: Samples

    def part(self, first: int, end: int) -> "RunLevels":
        return RunLevels(self.cases, self.log_seconds[:, first:end], self.log_canary[first:end])

    @property
    def settings(self) -> dict[Setting, NDArray[np.int_]]:
        rows: dict[Setting, list[int]] = defaultdict(list)
        for row, case in enumerate(self.cases):
            rows[case.setting].append(row)
        return {setting: np.array(places) for setting, places in rows.items()}

    @property
    def over_canary(self) -> Samples:
        """Log seconds over the canary's, or as they are where most runs have no canary."""
        known = np.isfinite(self.log_canary)
        return self.log_seconds - (self.log_canary if known.mean() > HALF else 0.0)


def run_levels(summaries: Sequence[RunSummary], canaries: Sequence[float]) -> RunLevels:
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


def median_polish(table: Samples) -> Samples:
    """Return the effect of each run on the median row, as (runs,).

    Source: Tukey 1977, Exploratory Data Analysis, chapter 11.
    """
    effect = np.zeros(table.shape[1])
    for _ in range(_ROUNDS_OF_POLISH):
        own = trimmed_mean(table - effect, HALF)
        effect = trimmed_mean((table - own[:, None]).T, HALF)
    return effect


def ratios(levels: RunLevels, steady: NDArray[np.bool_]) -> Samples:
    """Return each case's log ratio to the reference of its setting and run, as (cases, runs).

    `steady` are the cases that may be in the reference, if two of a setting are.
    """
    found = np.full_like(levels.log_seconds, np.nan)
    over_canary = levels.over_canary
    for rows in levels.settings.values():
        found[rows] = _ratios(levels.log_seconds[rows], over_canary[rows], steady[rows])
    return found


def _ratios(rivals: Samples, over_canary: Samples, steady: NDArray[np.bool_]) -> Samples:
    """Compare rivals with their median; two with the steadier one, and one with the canary."""
    if len(rivals) == 1:
        return over_canary
    if len(rivals) < ENOUGH_RIVALS:
        return np.asarray(rivals - rivals[int(np.argmin(_spreads(over_canary)))])
    few = steady.sum() < _LEAST_STEADY
    reference = rivals if few else rivals[steady]
    enough = np.isfinite(reference).sum(0) >= (
        ENOUGH_RIVALS if few else min(len(reference), ENOUGH_RIVALS)
    )
    return np.where(enough, rivals - median_polish(reference), np.nan)


def _spreads(rows: Samples) -> list[float]:
    """Return how far each row moves: a step moves its quantiles apart, a spike does not."""
    known = (row[np.isfinite(row)] for row in rows)
    return [float(np.ptp(np.percentile(row, [10, 90]))) if len(row) else np.inf for row in known]
