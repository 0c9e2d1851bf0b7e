"""A machine's runs, the level of every case in each, and its ratio to its rivals of the same run.

A case has one level in each run, so that a year of nightly runs is read in seconds. A machine is
never as fast as yesterday, so a case is compared with its rivals of the same run and setting. The
reference must not move when one rival does: it is the change of the *median* rival. Each rival is
counted from its own usual level, so that its absence for a while does not move the reference.
"""

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from timelift.analyse.effects import HALF, trimmed_mean
from timelift.analyse.evidence import machine_count
from timelift.analyse.results import Samples
from timelift.canary import is_beat
from timelift.case import Case, Setting
from timelift.errors import UserError, counted, first_few, nearest
from timelift.escape import plain
from timelift.history import DESCRIPTION
from timelift.history.noise import LEAST_RUNS
from timelift.journal import lines
from timelift.journal.files import read_header, runs_under
from timelift.journal.lines import Header, Identity, Machine
from timelift.journal.reading import ExactFacts, MedianInLaunch, contents, read_medians
from timelift.measurement import not_needed

#: The most characters of the reason why a file is left out.
_LONGEST_REASON = 160
#: The fewest rivals of which no single one can move the median.
ENOUGH_RIVALS = 3
#: The fewest unchanged rivals that are the reference without the others.
LEAST_STEADY = 2
_ROUNDS_OF_POLISH = 4
#: The launches that the variance of a run's median case is worth beside a case's own.
_PRIOR_LAUNCHES = 4
#: The runs that are enough without those beside another program, and the most days of such runs
#: that are named.
_QUIET_RUNS, _NAMED = 2 * LEAST_RUNS, 6


# The runs of a machine ---------------------------------------------------------------------------


@dataclass(frozen=True)
class StoredRun:
    """The part of a journal's header that a history needs; `commit` is shortened for display."""

    path: Path
    id: str
    started: datetime
    commit: str
    header: Header

    @property
    def day(self) -> str:
        return self.started.date().isoformat()

    @property
    def machine_name(self) -> str:
        """Empty where the machine has none."""
        return self.header.machine.name or ""

    @property
    def key(self) -> tuple[str, Identity]:
        return _key(self.header.machine)

    @cached_property
    def summary(self) -> "RunSummary":
        return summary_of_run(self.path)


@dataclass(frozen=True)
class MachineRuns:
    """One machine's runs, the oldest first; `warnings` name the files that could not be read.

    `others` counts the runs of other machines in the folder by name; the name is this machine's own
    where another identity was recorded under it.
    """

    runs: tuple[StoredRun, ...]
    others: Mapping[str, int]
    warnings: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.runs[0].machine_name

    def without_disturbed(self) -> "MachineRuns":
        """Leave disturbed runs out if there are enough others; a warning names them either way.

        They stay where the last ones are disturbed: that program is part of the machine now.
        """
        quiet = tuple(run for run in self.runs if not run.summary.disturbed)
        days = [run.day for run in self.runs if run.summary.disturbed]
        told = f"{counted(len(days), 'run')} beside another program, of {first_few(days, _NAMED)}"
        stays = all(run.summary.disturbed for run in self.runs[-LEAST_RUNS:])
        if days and len(quiet) >= _QUIET_RUNS and not stays:
            return replace(self, runs=quiet, warnings=(*self.warnings, f"left out {told}"))
        why = "the last ones are" if stays else f"fewer than {_QUIET_RUNS} others are there"
        told += f", not left out: {why}"
        return replace(self, warnings=(*self.warnings, told)) if days else self


def machine_runs(
    results: Path, name: str | None = None, since: datetime | None = None
) -> MachineRuns:
    """Return a machine's runs, by default those of the last to run; raises UserError if none."""
    stored, warnings = _stored_runs(results)
    if not stored:
        why = f" ({warnings[0]})" if warnings else ""
        raise UserError(
            f"expected runs under {str(results)!r}, found none that can be read{why}; "
            "measure one with: timelift bench"
        )
    named = [run for run in stored if name is None or run.machine_name == name]
    if not named:
        close = nearest(str(name), {run.machine_name for run in stored})
        raise UserError(f"expected a machine that has runs, received {name!r}; {close}")
    all_runs = [run for run in named if run.key == named[-1].key]
    runs = [run for run in all_runs if since is None or run.started >= since]
    if not runs:
        raise UserError(
            f"expected a run since {since:%Y-%m-%d}, found none of {len(all_runs)} of "
            f"{all_runs[0].machine_name!r}, the last of {all_runs[-1].day}; "
            "name an earlier --since"
        )
    others = Counter(run.machine_name for run in stored if run.key != runs[0].key)
    return MachineRuns(tuple(runs), others, tuple(warnings))


def other_runs(results: Path, machine: Machine, left_out: Iterable[Header]) -> list[StoredRun]:
    """Return a machine's runs, the oldest first, but those of the headers `left_out`."""
    if machine.name is None:
        return []
    times = {header.started for header in left_out}
    same_machine = (run for run in _stored_runs(results)[0] if run.key == _key(machine))
    return [run for run in same_machine if run.header.started not in times]


def _key(machine: Machine) -> tuple[str, Identity]:
    return machine.name or "", lines.identity_of(machine)


def _stored_runs(results: Path) -> tuple[list[StoredRun], list[str]]:
    """Return the runs under a folder by their times, and a sentence for each file without one.

    A run and a copy of it count once.
    """
    runs: dict[tuple[str, datetime], StoredRun] = {}
    warnings = []
    for path in runs_under(results):
        try:
            run = read_stored_run(path)
        except (ValueError, OSError) as error:
            why = plain(error, _LONGEST_REASON)
            warnings.append(f"left out {path.relative_to(results)}: {why}")
        else:
            runs.setdefault((run.id, run.started), run)
    return sorted(runs.values(), key=lambda run: (run.started, run.path.name)), warnings


def read_stored_run(path: Path) -> StoredRun:
    """Read the first line of a journal; raises ValueError where no history can use it."""
    header = read_header(path)
    commit = plain(lines.short_commit(header.commit.id or "")) or "unknown"
    return StoredRun(
        path=path,
        id=header.id or path.stem,
        started=lines.parse_time(header.started or ""),
        commit=commit + ("+" if header.commit.dirty else ""),  # files differed from it
        header=header,
    )


# The level of every case in a run ----------------------------------------------------------------


@dataclass(frozen=True)
class RunSummary:
    """The log median seconds per call of every measured case by launch, and its exact facts.

    `log_canary` are the medians of both beats of the canary, NaN where there are none. `marks` are
    the machines by launch where several played a case: a container has a new mark at each boot.
    The run was `disturbed` if most of what is left of it was.
    """

    medians: Mapping[Case, Mapping[int, float]]
    log_canary: tuple[float, float]
    exact: Mapping[Case, ExactFacts]
    marks: Mapping[Case, Mapping[int, str]]
    disturbed: bool


def summary_of_run(path: Path) -> RunSummary:
    """Sum up a journal, without cases that failed in a launch; a removed file has no cases."""
    try:
        text = contents(path)
    except OSError:
        text = b""
    return summary_of_lines(text.split(b"\n"))


def summary_of_lines(lines: Iterable[bytes]) -> RunSummary:
    medians: dict[Case, dict[int, float]] = defaultdict(dict)
    exact: dict[Case, ExactFacts] = {}
    marks: dict[Case, dict[int, str]] = defaultdict(dict)
    first: dict[tuple[Case, int], MedianInLaunch] = {}
    for line in read_medians(lines):
        first.setdefault((line.case, line.launch), line)
    failed = {line.case for line in first.values() if math.isnan(line.log_seconds)}
    measured = [line for line in first.values() if line.case not in failed]
    for line in measured:
        exact[line.case] = largest(exact.get(line.case, line.exact), line.exact)
    out = not_needed((line.case, line.launch, line.disturbed) for line in measured)
    kept = [line for line in measured if (line.case.setting, line.launch) not in out]
    for line in kept:
        medians[line.case][line.launch] = line.log_seconds
        marks[line.case][line.launch] = line.mark
    hashes, copies = (log_median_beat(line.canary[beat] for line in kept) for beat in (0, 1))
    several = {case: own for case, own in marks.items() if machine_count(own.values()) > 1}
    is_disturbed = 2 * sum(line.disturbed for line in kept) > len(kept)
    return RunSummary(medians, (hashes, copies), exact, several, is_disturbed)


def log_median_beat(seconds: Iterable[object]) -> float:
    """Return the log of the median of those that can be beats of a canary, NaN without any."""
    beats = [beat for beat in seconds if is_beat(beat)]
    return math.log(statistics.median(beats)) if beats else math.nan


def beyond_canary(seconds: Samples | float, beats: Samples) -> Samples:
    """Return how much of each change no beat explains, infinite without beats.

    A beat explains changes in its direction of up to twice its own.
    """
    changes, ends = np.asarray(seconds)[..., None], 2 * beats
    left = changes - np.clip(changes, np.minimum(ends, 0), np.maximum(ends, 0))
    return np.asarray(np.abs(left).min(-1, initial=np.inf))


def largest(facts: ExactFacts, others: ExactFacts) -> ExactFacts:
    """Return the larger of each pair of facts, None where neither is known."""
    if facts == others:
        return facts
    pairs = zip(facts, others, strict=True)
    known_values = ([value for value in pair if value is not None] for pair in pairs)
    return tuple(max(values, default=None) for values in known_values)


# All runs as one table ---------------------------------------------------------------------------


@dataclass(frozen=True)
class RunLevels:
    """Log seconds per call as (cases, runs), NaN where not measured, and their noise by launches.

    `log_canary` are both beats of the canary as (2, runs), NaN where not timed; `description` is
    another number where the machine is described otherwise, (runs,). Cases are sorted, so the
    rivals of a setting are neighbours.
    """

    cases: tuple[Case, ...]
    log_seconds: Samples
    of_launches: Samples
    log_canary: Samples
    description: NDArray[np.int_]

    @property
    def over_canary(self) -> Samples:
        """Log seconds over the canary's, or as they are where most runs have no canary."""
        beat = self.log_canary[0]
        return self.log_seconds - (beat if np.isfinite(beat).mean() > HALF else 0.0)

    @property
    def gone(self) -> NDArray[np.bool_]:
        """True for each case that the last runs do not have."""
        return np.asarray(~np.isfinite(self.log_seconds[:, -LEAST_RUNS:]).any(-1))


def rows_by_setting(cases: Iterable[Case]) -> dict[Setting, NDArray[np.int_]]:
    rows: dict[Setting, list[int]] = defaultdict(list)
    for row, case in enumerate(cases):
        rows[case.setting].append(row)
    return {setting: np.array(own) for setting, own in rows.items()}


def run_levels(runs: Sequence[StoredRun]) -> RunLevels:
    """Read runs as a table."""
    summaries = [run.summary for run in runs]
    canary = np.array([summary.log_canary for summary in summaries]).T
    drifts = [lines.flattened(run.header.machine.other_drift) for run in runs]
    descriptions = [[drift.get(name) for name in sorted(DESCRIPTION)] for drift in drifts]
    numbers = np.array([descriptions.index(own) for own in descriptions])
    return RunLevels(*level_tables(summaries), canary, numbers)


def level_tables(summaries: Sequence[RunSummary]) -> tuple[tuple[Case, ...], Samples, Samples]:
    """Return the cases of runs, with their levels and the variances of those by launches.

    Both are (cases, runs). A level is the median over launches, or over machine means if several
    played. The common effect of a launch on all rivals is removed first, so that a rival dropped
    after three launches compares with the others. A variance is drawn to the median of its run.
    """
    cases = tuple(sorted({case for summary in summaries for case in summary.medians}))
    tables = np.full((2, len(cases), len(summaries)), np.nan)
    if cases:
        found = _levels_and_errors(_beside_launches(_medians(summaries, cases)))
        rows, columns = (found.index.get_level_values(name) for name in ("case", "run"))
        tables[:, rows, columns] = found["level"], found["error"]
    return cases, tables[0], np.nan_to_num(tables[1])


def _medians(summaries: Sequence[RunSummary], cases: Sequence[Case]) -> pd.DataFrame:
    """Return a row for each launch of a case; `unit` is what is evidence, a launch or a machine."""
    row = {case: number for number, case in enumerate(cases)}
    first_rival = {case.setting: number for number, case in reversed([*enumerate(cases)])}
    return pd.DataFrame(
        (
            (run, row[case], first_rival[case.setting], launch, marks.get(launch, launch), median)
            for run, summary in enumerate(summaries)
            for case, medians in summary.medians.items()
            for marks in [summary.marks.get(case, {})]
            for launch, median in medians.items()
        ),
        columns=["run", "case", "setting", "launch", "unit", "median"],
    )


def _beside_launches(medians: pd.DataFrame) -> pd.DataFrame:
    """Return the mean of each unit without the `common` effect of its launches, and that effect."""
    off = medians["median"] - medians.groupby(["run", "case"])["median"].transform("median")
    launches = [medians[key] for key in ("run", "setting", "launch")]
    common = off.groupby(launches).transform("median")
    medians = medians.assign(level=medians["median"] - common, common=common)
    units = medians.groupby(["case", "run", "setting", "unit"], sort=False)
    return units[["level", "common"]].mean()


def _levels_and_errors(units: pd.DataFrame) -> pd.DataFrame:
    """Return the level of each case in each run, and the variance of that."""
    usual = units.groupby(["run", "setting"])["common"].transform("median")
    of_case = units.assign(usual=usual).groupby(["case", "run"])
    count, variance = of_case.size(), of_case["level"].var().fillna(0.0)
    df = count - 1
    of_run = variance[df > 0].groupby("run").median().reindex(df.index, level="run").fillna(0)
    error = (df * variance + _PRIOR_LAUNCHES * of_run) / (df + _PRIOR_LAUNCHES) / count
    level = of_case["level"].median() + of_case["usual"].first()
    return pd.DataFrame({"level": level, "error": error})


def median_polish(table: Samples) -> Samples:
    """Return the effect of each run on the median row, as (runs,).

    Source: Tukey 1977, Exploratory Data Analysis, chapter 11.
    """
    effect = np.zeros(table.shape[1])
    for _ in range(_ROUNDS_OF_POLISH):
        row_levels = trimmed_mean(table - effect, HALF)
        effect = trimmed_mean((table - row_levels[:, None]).T, HALF)
    return effect


def ratios(levels: RunLevels, steady: NDArray[np.bool_]) -> Samples:
    """Return each case's log ratio to the reference of its setting and run, as (cases, runs).

    The reference is made of the `steady` rivals, a mask over the cases; of all where fewer than two
    of a setting are steady.
    """
    table = np.full_like(levels.log_seconds, np.nan)
    over_canary = levels.over_canary
    for rows in rows_by_setting(levels.cases).values():
        table[rows] = _ratios(levels.log_seconds[rows], over_canary[rows], steady[rows])
    return table


def _ratios(rivals: Samples, over_canary: Samples, steady: NDArray[np.bool_]) -> Samples:
    """Return log ratios of a setting's rivals to the median one, as (rivals, runs).

    Of two rivals the steadier one is the reference; a single rival is compared with the canary.
    """
    if len(rivals) == 1:
        return over_canary
    if len(rivals) < ENOUGH_RIVALS:
        return np.asarray(rivals - rivals[int(np.argmin(_spreads(over_canary)))])
    reference, least = rivals, ENOUGH_RIVALS
    if LEAST_STEADY <= steady.sum() < len(rivals):
        reference, least = rivals[steady], LEAST_STEADY
    enough = np.isfinite(reference).sum(0) >= least
    return np.where(enough, rivals - median_polish(reference), np.nan)


def _spreads(rows: Samples) -> list[float]:
    """Return the distance of each row's 10th and 90th percentiles, which no spike moves."""
    finite = (row[np.isfinite(row)] for row in rows)
    return [float(np.ptp(np.percentile(row, [10, 90]))) if len(row) else np.inf for row in finite]
