"""From a folder of journals to a history: which runs, what they measured, what was found."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import numpy as np

from timelift.analyse.fact_changes import FactChange, FactSince, changes_over_runs
from timelift.analyse.verdicts import GATE_MARGIN
from timelift.canary import is_beat
from timelift.case import Case
from timelift.errors import UserError, nearest
from timelift.escape import NAME_LIMIT, plain
from timelift.history.levels import ENOUGH_RIVALS, RunSummary, run_levels, summary_of_run
from timelift.history.many_runs import CaseHistory, HistoryFindings, find_changes
from timelift.history.segments import LEAST_RUNS
from timelift.journal.files import commit_of, read_header, runs_under
from timelift.journal.lines import (
    Difference,
    Header,
    Identity,
    Machine,
    drift_differences,
    identity_of,
    parse_time,
    short_commit,
)

#: Characters of what is wrong with a file.
_LONGEST_REASON = 160


@dataclass(frozen=True)
class RunHeader:
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
        value = self.machine.information.get("canary_seconds")
        return float(value) if is_beat(value) else np.nan


@dataclass(frozen=True)
class MachineRuns:
    """One machine's runs, the oldest first; `warnings` are of files that could not be read.

    `others` are the machines of the same folder with histories of their own: their names, and how
    many runs each has. One with the same name is described otherwise.
    """

    name: str
    runs: tuple[RunHeader, ...]
    others: Mapping[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def machine_runs(
    results: Path, name: str | None = None, since: datetime | None = None
) -> MachineRuns:
    """Return the runs of the machine called `name`, or of the one that ran last, from `since` on.

    Raises UserError where there are none.
    """
    left_out: list[str] = []
    headers = list(_headers(results, left_out))
    if not headers:
        why = f" ({left_out[0]})" if left_out else ""
        raise UserError(
            f"expected runs under {str(results)!r}, found none that can be read{why}; "
            "measure one with: timelift bench"
        )
    chosen = _chosen(headers, name)
    runs = [one for one in chosen if since is None or one.started >= since]
    if not runs:
        raise UserError(
            f"expected a run since {since:%Y-%m-%d}, found none of {len(chosen)} of "
            f"{chosen[0].machine_name!r}, the last of {chosen[-1].day}; name an earlier --since"
        )
    others = Counter(one.machine_name for one in headers if one.key != runs[0].key)
    return MachineRuns(runs[0].machine_name, tuple(runs), others, tuple(left_out))


def _chosen(headers: Sequence[RunHeader], name: str | None) -> list[RunHeader]:
    """Return the runs with the identity of the newest run of the machine, oldest first."""
    named = [header for header in headers if name is None or header.machine_name == name]
    if not named:
        known = {header.machine_name for header in headers}
        raise UserError(
            f"expected a machine that has runs, received {name!r}; {nearest(str(name), known)}"
        )
    newest = max(named, key=lambda one: one.order)
    return sorted((one for one in named if one.key == newest.key), key=lambda one: one.order)


def _headers(results: Path, left_out: list[str]) -> Iterator[RunHeader]:
    """Read the header of every journal, a run and a copy of it once.

    What cannot be read is told in `left_out`, a sentence a file.
    """
    seen: set[tuple[str, datetime]] = set()
    for path in runs_under(results):
        try:
            header = read_run_header(path)
        except (ValueError, OSError) as error:
            why = plain(error, _LONGEST_REASON)
            left_out.append(f"left out {path.relative_to(results)}: {why}")
            continue
        if (header.id, header.started) not in seen:
            seen.add((header.id, header.started))
            yield header


def read_run_header(path: Path) -> RunHeader:
    """Read the first line of a journal; raises ValueError where no history can use it."""
    header = read_header(path)
    return RunHeader(
        path=path,
        id=header.id or path.stem,
        started=parse_time(header.started or ""),
        commit=_commit_shown(header, path),
        machine=header.machine,
    )


def _commit_shown(header: Header, path: Path) -> str:
    """Return the commit as it is shown: short, with a + where files differed from it."""
    commit = plain(short_commit(commit_of(header, path))) or "unknown"
    return commit + ("+" if header.commit.dirty else "")


@dataclass(frozen=True)
class HistoryOptions:
    """Which part of a history is asked for, all of it by default, and the least change."""

    machine: str | None = None
    workloads: tuple[str, ...] = ()
    case: str | None = None
    since: datetime | None = None
    gate: float = GATE_MARGIN


@dataclass(frozen=True)
class History:
    """A machine's runs, and what was found in them; `gate` is the least change that counts.

    `cases` are all that were looked at, those of `findings` the ones that were asked for.
    """

    machine: MachineRuns
    cases: tuple[Case, ...]
    findings: HistoryFindings
    gate: float
    facts: tuple[FactSince, ...] = ()

    @property
    def runs(self) -> tuple[RunHeader, ...]:
        return self.machine.runs

    @property
    def too_short(self) -> bool:
        return len(self.runs) < 2 * LEAST_RUNS

    @property
    def few_rivals(self) -> int:
        """How many settings have too few rivals for a median that none of them can move."""
        counts = Counter(case.setting for case in self.cases)
        return sum(count < ENOUGH_RIVALS for count in counts.values())

    @property
    def facts_by_place(self) -> list[tuple[tuple[int, int, str], list[FactChange]]]:
        """Between which runs which exact fact changed, and of which cases; the latest first."""
        places: dict[tuple[int, int, str], list[FactChange]] = defaultdict(list)
        for one in self.facts:
            places[one.before, one.after, one.change.name].append(one.change)
        return sorted(places.items(), key=lambda item: (-item[0][1], -len(item[1])))

    def differences(self, before: int, after: int) -> tuple[Difference, ...]:
        return drift_differences(self.runs[before].machine, self.runs[after].machine)


def read(results: Path, options: HistoryOptions) -> History:
    """Read the history that is asked for; raises UserError where there is none.

    All cases of the machine are looked at, whichever are shown: only all of them can show whether
    the machine changed.
    """
    machine = machine_runs(results, options.machine, options.since)
    summaries = [_summary(run.path) for run in machine.runs]
    if not any(one.log_seconds for one in summaries):
        raise UserError(
            f"expected measured cases in {len(summaries)} runs of {plain(machine.name, NAME_LIMIT)}"
            f", found none; measure some with: timelift bench"
        )
    levels = run_levels(summaries, [run.canary_seconds for run in machine.runs])
    found = find_changes(levels, options.gate)
    shown = replace(found, cases=_shown(found.cases, options))
    asked = {one.case for one in shown.cases}
    facts = changes_over_runs(one.exact for one in summaries)
    facts = tuple(one for one in facts if one.change.case in asked)
    return History(machine, levels.cases, shown, options.gate, facts)


def _summary(path: Path) -> RunSummary:
    try:
        return summary_of_run(path)
    except OSError:
        return RunSummary({})


def _shown(cases: tuple[CaseHistory, ...], options: HistoryOptions) -> tuple[CaseHistory, ...]:
    known = {one.case.setting.workload for one in cases}
    if unknown := [name for name in options.workloads if name not in known]:
        raise _not_there("workload", unknown[0], known)
    shown = tuple(one for one in cases if _is_asked(one.case, options))
    if options.case is not None and not shown:
        raise _not_there("case", options.case, {one.case.label for one in cases})
    return shown


def _not_there(what: str, word: str, known: Iterable[str]) -> UserError:
    close = plain(nearest(word, known), 4 * NAME_LIMIT)
    return UserError(f"expected a {what} of this history, received {word!r}; {close}")


def _is_asked(case: Case, options: HistoryOptions) -> bool:
    right = not options.workloads or case.setting.workload in options.workloads
    return right and (options.case is None or options.case in (case.label, case.setting.label))
