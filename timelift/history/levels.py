"""A machine's runs, the level of every case in each, and what it is compared with in its own run.

A run gives each case one level, so that a year of nightly runs is read in seconds. A machine is
never as fast as yesterday, so a case is compared with its rivals of the same run and setting. That
reference must not move when one of them does: it is what the *median* rival did, and each rival
counts from its own usual level, so that one that is absent for a while changes nothing.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from timelift.analyse.effects import HALF, trimmed_mean
from timelift.analyse.fact_changes import largest
from timelift.analyse.results import Samples
from timelift.canary import is_beat
from timelift.case import Case, Setting
from timelift.errors import UserError, nearest
from timelift.escape import plain
from timelift.journal.files import commit_of, read_header, runs_under
from timelift.journal.lines import Identity, Machine, identity_of, parse_time, short_commit
from timelift.journal.reading import ExactFacts, read_medians

#: Characters of what is wrong with a file.
_LONGEST_REASON = 160
#: The least rivals whose median none of them can move.
ENOUGH_RIVALS = 3
#: The least unchanged rivals that are a reference without the others.
_LEAST_STEADY = 2
_ROUNDS_OF_POLISH = 4


# The runs of a machine ---------------------------------------------------------------------------


@dataclass(frozen=True)
class StoredRun:
    """The first line of a journal as a history needs it; `commit` is as it is shown."""

    path: Path
    id: str
    started: datetime
    commit: str
    machine: Machine

    @property
    def day(self) -> str:
        return self.started.date().isoformat()

    @property
    def machine_name(self) -> str:
        """Empty where the machine has none."""
        return self.machine.name or ""

    @property
    def key(self) -> tuple[str, Identity]:
        return self.machine_name, identity_of(self.machine)

    @property
    def order(self) -> tuple[datetime, str]:
        return self.started, self.path.name

    @property
    def canary_seconds(self) -> float:
        """The canary's time before the run; NaN where it is unknown or no time."""
        seconds = self.machine.information.get("canary_seconds")
        return float(seconds) if is_beat(seconds) else np.nan


@dataclass(frozen=True)
class MachineRuns:
    """One machine's runs, the oldest first; `warnings` are of files that could not be read.

    `others` are the machines of the same folder with histories of their own: their names, and how
    many runs each has. One with the same name is described otherwise.
    """

    runs: tuple[StoredRun, ...]
    others: Mapping[str, int]
    warnings: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.runs[0].machine_name


def machine_runs(
    results: Path, name: str | None = None, since: datetime | None = None
) -> MachineRuns:
    """Return the runs of the machine called `name`, or of the one that ran last, from `since` on.

    Raises UserError where there are none.
    """
    warnings: list[str] = []
    stored = list(_stored_runs(results, warnings))
    if not stored:
        why = f" ({warnings[0]})" if warnings else ""
        raise UserError(
            f"expected runs under {str(results)!r}, found none that can be read{why}; "
            "measure one with: timelift bench"
        )
    of_machine = _of_machine(stored, name)
    runs = [run for run in of_machine if since is None or run.started >= since]
    if not runs:
        raise UserError(
            f"expected a run since {since:%Y-%m-%d}, found none of {len(of_machine)} of "
            f"{of_machine[0].machine_name!r}, the last of {of_machine[-1].day}; "
            "name an earlier --since"
        )
    others = Counter(run.machine_name for run in stored if run.key != runs[0].key)
    return MachineRuns(tuple(runs), others, tuple(warnings))


def _of_machine(stored: Sequence[StoredRun], name: str | None) -> list[StoredRun]:
    """Return the runs with the identity of the machine's newest run, the oldest first."""
    named = [run for run in stored if name is None or run.machine_name == name]
    if not named:
        names = {run.machine_name for run in stored}
        raise UserError(
            f"expected a machine that has runs, received {name!r}; {nearest(str(name), names)}"
        )
    newest = max(named, key=lambda run: run.order)
    return sorted((run for run in named if run.key == newest.key), key=lambda run: run.order)


def _stored_runs(results: Path, warnings: list[str]) -> Iterator[StoredRun]:
    """Read the header of every journal, a run and a copy of it once.

    Each file that cannot be read adds a sentence to `warnings`.
    """
    seen: set[tuple[str, datetime]] = set()
    for path in runs_under(results):
        try:
            run = read_stored_run(path)
        except (ValueError, OSError) as error:
            why = plain(error, _LONGEST_REASON)
            warnings.append(f"left out {path.relative_to(results)}: {why}")
            continue
        if (run.id, run.started) not in seen:
            seen.add((run.id, run.started))
            yield run


def read_stored_run(path: Path) -> StoredRun:
    """Read the first line of a journal; raises ValueError where no history can use it.

    Its commit is short, with a + where files differed from it.
    """
    header = read_header(path)
    commit = plain(short_commit(commit_of(header, path))) or "unknown"
    return StoredRun(
        path=path,
        id=header.id or path.stem,
        started=parse_time(header.started or ""),
        commit=commit + ("+" if header.commit.dirty else ""),
        machine=header.machine,
    )


# The level of every case in a run ----------------------------------------------------------------


@dataclass(frozen=True)
class RunSummary:
    """The level of every measured case as log seconds per call, and the run's canary (NaN).

    `exact` are the facts of each case that repeat themselves, in the order of `EXACT_FACTS`.
    """

    log_seconds: Mapping[Case, float]
    canary_seconds: float = math.nan
    exact: Mapping[Case, ExactFacts] = field(default_factory=dict)


def summary_of_run(path: Path) -> RunSummary:
    """Sum up a journal; one that cannot be read any more has no cases."""
    try:
        return summary_of_lines(path.read_bytes().split(b"\n"))
    except OSError:
        return RunSummary({})


def summary_of_lines(lines: Iterable[bytes]) -> RunSummary:
    """Sum up the lines of a journal; of two for a case and a launch the first counts.

    A case that failed in a launch has no level.
    """
    medians: dict[Case, dict[int, float]] = defaultdict(dict)
    exact: dict[Case, ExactFacts] = {}
    failed: set[Case] = set()
    beats: list[float] = []
    for line in read_medians(lines):
        case = line.case
        if line.launch in medians[case]:
            continue
        medians[case][line.launch] = line.log_seconds
        if math.isnan(line.log_seconds):
            failed.add(case)
            continue
        exact[case] = largest(exact.get(case, line.exact), line.exact)
        if is_beat(line.canary_seconds):
            beats.append(line.canary_seconds)
    log_seconds = _case_levels({case: medians[case] for case in medians if case not in failed})
    return RunSummary(
        log_seconds,
        float(np.median(beats)) if beats else math.nan,
        {case: exact[case] for case in log_seconds},
    )


def _case_levels(medians: Mapping[Case, Mapping[int, float]]) -> dict[Case, float]:
    """Return the level of every case over launches; `medians` are log seconds by launch."""
    by_setting: dict[Setting, list[Case]] = defaultdict(list)
    for case in medians:
        by_setting[case.setting].append(case)
    rivals = list(by_setting.values())
    numbers = sorted({number for by_launch in medians.values() for number in by_launch})
    column = {number: place for place, number in enumerate(numbers)}
    table = np.full((len(rivals), max(map(len, rivals), default=0), len(numbers)), np.nan)
    for rows, cases in zip(table, rivals, strict=True):
        for row, case in zip(rows, cases, strict=False):
            for number, median in medians[case].items():
                row[column[number]] = median
    return {
        case: float(level)
        for cases, levels in zip(rivals, _over_launches(table), strict=True)
        for case, level in zip(cases, levels, strict=False)
    }


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


# All runs as one table ---------------------------------------------------------------------------


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
    cases = sorted({case for summary in summaries for case in summary.log_seconds})
    row = {case: place for place, case in enumerate(cases)}
    table = np.full((len(cases), len(summaries)), np.nan)
    for column, summary in enumerate(summaries):
        rows = [row[case] for case in summary.log_seconds]
        table[rows, column] = list(summary.log_seconds.values())
    beats = np.array([summary.canary_seconds for summary in summaries])
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
    table = np.full_like(levels.log_seconds, np.nan)
    over_canary = levels.over_canary
    for rows in levels.settings.values():
        table[rows] = _ratios(levels.log_seconds[rows], over_canary[rows], steady[rows])
    return table


def _ratios(rivals: Samples, over_canary: Samples, steady: NDArray[np.bool_]) -> Samples:
    """Return log ratios to the median rival; of two to the steadier one, of one to the canary."""
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
    finite = (row[np.isfinite(row)] for row in rows)
    return [float(np.ptp(np.percentile(row, [10, 90]))) if len(row) else np.inf for row in finite]
