"""A run in brief: one level a case, so that a year of nightly runs is read in seconds.

The usual line of a journal is taken apart by one pattern, at a quarter of the price of reading it
as JSON and checking every field; any line that the pattern does not know is read with all care.
"""

import json
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

from timelift.analyse.runs.measurement import Samples
from timelift.analyse.runs.records import (
    BAD_RECORD,
    LONGEST_SECONDS,
    SHORTEST_SECONDS,
    parse,
    parse_case,
)
from timelift.analyse.runs.results import parse_object
from timelift.analyse.stats.location import HALF, trimmed_mean
from timelift.case import Case, Setting, Status

#: What `timelift.journal.launch_line` is for a case that was measured in a launch. A fact is a
#: number, a word, or an object of those (`engine`).
_LINE = re.compile(
    rb'\{"kind":"launch","launch":([1-9]\d{0,8}),(?:"rivals":\d{1,9},)?"case":(\{[^{}]*\}),"status":"measured",'
    rb'"reason":"","seconds_per_call":\[([-+0-9.e,nul]+)\],"calls_per_sample":[1-9]\d{0,8},'
    rb'"facts":\{([^{}]*(?:\{[^{}]*\}[^{}]*)*)\}\}'
)
_CANARY = re.compile(rb'"canary_seconds":([0-9.e+-]+)')
_OTHER = re.compile(rb'\{"kind": ?"(?:run|end)"')
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
    # To find a case by its text spares the hashing of all its axes on every line.
    by_text: dict[bytes, dict[int, float]] = field(default_factory=dict)

    def line(self, line: bytes) -> None:
        """Read a line; what is damaged is passed over."""
        found = _LINE.fullmatch(line)
        try:
            if found:
                self._usual(found)
            elif line and not _OTHER.match(line):
                self._careful(line)
        except BAD_RECORD:
            return

    def _usual(self, found: re.Match[bytes]) -> None:
        launches = self.by_text.get(found[2])
        if launches is None:
            launches = self.by_text[found[2]] = self.medians[_case(found[2])]
        launches.setdefault(int(found[1]), _log_median(_ordered(found[3])))
        beat = _CANARY.search(found[4])
        if beat and 0 < float(beat[1]) < _LONGEST_BEAT:
            self.beats.append(float(beat[1]))

    def _careful(self, line: bytes) -> None:
        fields = parse_object(line)
        if fields.get("kind") != "launch":
            return
        record = parse(fields)
        if record.status is not Status.MEASURED:
            self.lost.add(record.case)
            return
        played = sorted(record.seconds[~np.isnan(record.seconds)].tolist())
        self.medians[record.case].setdefault(record.launch, _log_median(played))
        beat = record.facts.get("canary_seconds")
        if isinstance(beat, float) and 0 < beat < _LONGEST_BEAT:
            self.beats.append(beat)

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
    for line in lines:
        reading.line(line)
    return reading.summary()


def _ordered(text: bytes) -> Sequence[float] | Sequence[bytes]:
    """Sort the times in a text; plain decimals below one sort as text, which spares reading most.

    A clock's seventeen digits are dear to read: this is a fifth of the price of a line.
    """
    rounds = text.split(b",")
    below_one = text.startswith(b"0.") and text.count(b",0.") == len(rounds) - 1
    if below_one and not any(sign in text for sign in (b"e", b"n", b"-", b"+")):
        rounds.sort()
        return rounds
    return sorted(float(one) for one in rounds if one != b"null")


def _log_median(ordered: Sequence[float] | Sequence[bytes]) -> float:
    """Give the log of the median; raises ValueError where no clock can have measured the times."""
    count = len(ordered)
    if not count:
        raise ValueError("seconds_per_call: expected times, received none")
    places = (0, (count - 1) // 2, count // 2, -1)
    first, low, high, last = (float(ordered[place]) for place in places)
    if not SHORTEST_SECONDS < first <= last < LONGEST_SECONDS:
        raise ValueError("seconds_per_call: expected times")
    return math.log(low * high) / 2


@lru_cache(maxsize=1 << 14)
def _case(text: bytes) -> Case:
    return parse_case(json.loads(text))


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
