"""A run in brief: one level a case, so that a year of nightly runs is read in seconds."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from timelift.analyse.runs.measurement import Samples
from timelift.analyse.stats.location import HALF, trimmed_mean
from timelift.case import Case, Setting
from timelift.journal.brief import Median, medians

#: A canary's beat lasts some tens of microseconds; a second is a slip.
_LONGEST_BEAT = 1.0


@dataclass(frozen=True)
class Summary:
    """The level of every measured case as log seconds per call, and the run's canary (NaN)."""

    log_seconds: Mapping[Case, float]
    canary_seconds: float = math.nan


@dataclass
class _Reading:
    """A journal while it is read: log medians by case and launch."""

    medians: dict[Case, dict[int, float]] = field(default_factory=lambda: defaultdict(dict))
    beats: list[float] = field(default_factory=list)
    lost: set[Case] = field(default_factory=set)

    def take(self, one: Median) -> None:
        if math.isnan(one.log_seconds):
            self.lost.add(one.case)
            return
        self.medians[one.case].setdefault(one.launch, one.log_seconds)
        if one.canary_seconds is not None and 0 < one.canary_seconds < _LONGEST_BEAT:
            self.beats.append(one.canary_seconds)

    def summary(self) -> Summary:
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
        return Summary(found, beat)

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


def of_run(path: Path) -> Summary:
    """Sum up a journal; raises OSError where it cannot be read."""
    return of_lines(path.read_bytes().split(b"\n"))


def of_lines(lines: Iterable[bytes]) -> Summary:
    """Sum up the lines of a journal."""
    reading = _Reading()
    for one in medians(lines):
        reading.take(one)
    return reading.summary()


def over_launches(table: Samples) -> Samples:
    """Give each rival's level over launches, as (settings, rivals).

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
