"""Levels of all cases over all runs, and what a case's level is compared with in its own run.

A machine is never as fast as yesterday, so a case is compared with its rivals of the same run and
setting. That reference must not move when one of them does: it is what the *median* rival did, and
each rival counts from its own usual level, so that one that is absent for a while changes nothing.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timelift.analyse.changes.summary import Summary
from timelift.analyse.runs.measurement import Samples
from timelift.analyse.stats.location import HALF, trimmed_mean
from timelift.case import Case, Setting

#: With so many rivals a median exists that one of them cannot move.
ENOUGH_RIVALS = 3
#: So many rivals that did not change are a reference without the others.
_LEAST_STEADY = 2
_ROUNDS_OF_POLISH = 4


@dataclass(frozen=True)
class Levels:
    """Log seconds per call as (cases, runs), NaN where not measured, and log canaries as (runs,).

    Cases are sorted, so the rivals of a setting are neighbours.
    """

    cases: tuple[Case, ...]
    log_seconds: Samples
    log_canary: Samples

    def part(self, first: int, end: int) -> "Levels":
        """Give the runs from `first` to before `end`."""
        return Levels(self.cases, self.log_seconds[:, first:end], self.log_canary[first:end])

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


def levels(summaries: Sequence[Summary], canaries: Sequence[float]) -> Levels:
    """Lay summaries out as a table; `canaries` stand in where a run timed none beside its cases."""
    cases = sorted({case for one in summaries for case in one.log_seconds})
    row = {case: place for place, case in enumerate(cases)}
    table = np.full((len(cases), len(summaries)), np.nan)
    for column, one in enumerate(summaries):
        rows = [row[case] for case in one.log_seconds]
        table[rows, column] = list(one.log_seconds.values())
    beats = np.array([one.canary_seconds for one in summaries])
    both = np.where(np.isfinite(beats), beats, np.array(canaries, float))
    return Levels(tuple(cases), table, np.log(both))


def shared(table: Samples) -> Samples:
    """Give what each run did to the median row, as (runs,), by median polish.

    Source: Tukey 1977, Exploratory Data Analysis, chapter 11.
    """
    moment = np.zeros(table.shape[1])
    for _ in range(_ROUNDS_OF_POLISH):
        own = trimmed_mean(table - moment, HALF)
        moment = trimmed_mean((table - own[:, None]).T, HALF)
    return moment


def ratios(levels: Levels, steady: NDArray[np.bool_]) -> Samples:
    """Give each case's log ratio to the reference of its setting and run, as (cases, runs).

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
