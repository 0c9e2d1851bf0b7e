"""From a folder of journals to a history: which runs, what they measured, what was found."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np

from timelift import journal
from timelift.analyse.changes.levels import ENOUGH_RIVALS, RunSummary, levels, of_run
from timelift.analyse.changes.many_runs import CaseHistory, HistoryFindings, find
from timelift.analyse.changes.segments import LEAST_RUNS
from timelift.analyse.runs.fact_changes import FactChange, FactSince, changes_over_runs
from timelift.analyse.runs.measurement import Warnings
from timelift.analyse.stats.verdicts import GATE_MARGIN
from timelift.case import Case
from timelift.errors import UserError, nearest
from timelift.escape import NAME_LIMIT, plain
from timelift.journal import BAD_RECORD, TWINS_FOLDERS, Commit, Difference, flat, head_of, moment

_COMMIT_SHOWN = 8


@dataclass(frozen=True)
class RunHead:
    """What the first line of a journal says: when, of which commit, on which machine.

    `identity` is the machine's description as text: histories with different ones are separate.
    `drift` is everything that may differ between comparable runs, as text by name.
    """

    path: Path
    id: str
    started: datetime
    commit: str
    machine: str
    identity: str
    versions: Mapping[str, str]
    drift: Mapping[str, str]
    canary_seconds: float | None = None

    @property
    def day(self) -> str:
        """The date of the run, in UTC."""
        return self.started.date().isoformat()


@dataclass(frozen=True)
class MachineRuns:
    """One machine's runs, and what was left out of its history in words."""

    name: str
    runs: tuple[RunHead, ...]
    warnings: tuple[str, ...] = ()


def of_machine(
    results: Path, name: str | None = None, since: datetime | None = None
) -> MachineRuns:
    """Return the runs of the machine called `name`, or of the one that ran last, from `since` on.

    Raises UserError where there are none.
    """
    warnings = Warnings()
    heads = list(_heads(results, warnings))
    if not heads:
        why = f" ({warnings.texts[0]})" if warnings.texts else ""
        raise UserError(
            f"expected runs under {str(results)!r}, found none that can be read{why}; "
            "measure one with: pytest bench/"
        )
    chosen = _chosen(heads, name)
    runs = [one for one in chosen if since is None or one.started >= since]
    if not runs:
        raise UserError(
            f"expected a run since {since:%Y-%m-%d}, found none of {len(chosen)} of "
            f"{chosen[0].machine!r}, the last of {chosen[-1].day}; name an earlier --since"
        )
    return MachineRuns(runs[0].machine, tuple(runs), (*_others(heads, chosen), *warnings.all()))


def _chosen(heads: Sequence[RunHead], name: str | None) -> list[RunHead]:
    """Return the runs with the identity of the newest run of the machine, oldest first."""
    named = [one for one in heads if name is None or one.machine == name]
    if not named:
        known = {one.machine for one in heads}
        raise UserError(
            f"expected a machine that has runs, received {name!r}; "
            f"the nearest are: {nearest(str(name), known)}"
        )
    newest = max(named, key=_order)
    return sorted((one for one in named if _key(one) == _key(newest)), key=_order)


def _order(head: RunHead) -> tuple[datetime, str]:
    return head.started, head.path.name


def _key(head: RunHead) -> tuple[str, str]:
    return head.machine, head.identity


def _others(heads: Sequence[RunHead], chosen: Sequence[RunHead]) -> Iterator[str]:
    """Yield how many runs belong to histories of other machines."""
    counts: dict[str, int] = defaultdict(int)
    for one in heads:
        if _key(one) != _key(chosen[0]):
            same = one.machine == chosen[0].machine
            counts[f"{one.machine}{' as described otherwise' if same else ''}"] += 1
    for name, count in sorted(counts.items()):
        yield f"{count} runs of another machine are a history of their own: {name}"


def _heads(results: Path, warnings: Warnings) -> Iterator[RunHead]:
    """Read the header of every journal, a run that lies in two places once."""
    seen: set[tuple[str, datetime]] = set()
    for path in sorted(results.rglob("*.jsonl")):
        if TWINS_FOLDERS & set(path.relative_to(results).parts) or not path.is_file():
            continue
        try:
            head = read_head(path)
        except (*BAD_RECORD, OSError) as error:
            warnings.add(f"left out {path.relative_to(results)}", error)
            continue
        if (head.id, head.started) not in seen:
            seen.add((head.id, head.started))
            yield head


def read_head(path: Path) -> RunHead:
    """Read the first line of a journal; raises ValueError where no history can use it."""
    header = head_of(path)
    machine = header.machine
    drift = {key: one for key, one in machine.drift.items() if key != "versions"}
    return RunHead(
        path=path,
        id=header.id or path.stem,
        started=moment(str(header.started)),
        commit=_commit(header.commit, path),
        machine=machine.name or "a machine without a name",
        identity=json.dumps(machine.identity, sort_keys=True),
        versions=flat(machine.versions),
        drift=flat(drift),
        canary_seconds=_seconds(machine.information.get("canary_seconds")),
    )


def _commit(commit: Commit, path: Path) -> str:
    """Return the commit as it is shown: short, with a + where files differed from it."""
    revision = commit.id or path.stem.rpartition("_")[2]
    return plain(revision[:_COMMIT_SHOWN]) + ("+" if commit.dirty else "")


def _seconds(value: object) -> float | None:
    good = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1
    return float(value) if good else None  # type: ignore[arg-type]


def differences(one: RunHead, other: RunHead) -> tuple[Difference, ...]:
    """Return what was installed or set otherwise between two runs."""
    parts = ((one.versions, other.versions), (one.drift, other.drift))
    return tuple(
        found
        for part in parts
        for found in sorted(journal.differences(*part), key=lambda found: found.name)
    )


@dataclass(frozen=True)
class Wanted:
    """What is asked of a history; None where everything is."""

    machine: str | None = None
    workload: str | None = None
    case: str | None = None
    since: datetime | None = None
    gate: float = GATE_MARGIN


@dataclass(frozen=True)
class History:
    """A machine's runs, and what was found in them; `gate` is the least change that counts.

    `cases` are all that were looked at, those of `found` the ones that were asked for.
    """

    machine: MachineRuns
    cases: tuple[Case, ...]
    found: HistoryFindings
    gate: float
    facts: tuple[FactSince, ...] = ()

    @property
    def runs(self) -> tuple[RunHead, ...]:
        """The runs, the oldest first: positions in what was found count them from 0."""
        return self.machine.runs

    @property
    def too_short(self) -> bool:
        """True if there are too few runs for any change."""
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
        """Return what was installed or set otherwise between two runs, by position."""
        return differences(self.runs[before], self.runs[after])


def read(results: Path, wanted: Wanted) -> History:
    """Read the history that is wanted; raises UserError where there is none.

    All cases of the machine are looked at, whichever are shown: only all of them can tell whether
    the machine moved.
    """
    machine = of_machine(results, wanted.machine, wanted.since)
    summaries = [_summary(run.path) for run in machine.runs]
    if not any(one.log_seconds for one in summaries):
        raise UserError(
            f"expected measured cases in {len(summaries)} runs of {plain(machine.name, NAME_LIMIT)}"
            f", found none; measure some with: pytest bench/"
        )
    beats = [run.canary_seconds or np.nan for run in machine.runs]
    found = find(levels(summaries, beats), wanted.gate)
    shown = replace(found, cases=_shown(found.cases, wanted))
    asked = {one.case for one in shown.cases}
    facts = changes_over_runs(one.exact for one in summaries)
    facts = tuple(one for one in facts if one.change.case in asked)
    return History(machine, tuple(one.case for one in found.cases), shown, wanted.gate, facts)


def _summary(path: Path) -> RunSummary:
    """Sum up a run; one that went away meanwhile is empty."""
    try:
        return of_run(path)
    except OSError:
        return RunSummary({})


def _shown(cases: tuple[CaseHistory, ...], wanted: Wanted) -> tuple[CaseHistory, ...]:
    """Keep the cases that were asked for."""
    shown = tuple(one for one in cases if _asked(one.case, wanted))
    if shown:
        return shown
    word = wanted.case if wanted.case is not None else wanted.workload
    known = {
        one.case.label if wanted.case is not None else one.case.setting.workload for one in cases
    }
    what = "case" if wanted.case is not None else "workload"
    close = plain(nearest(str(word), known), 4 * NAME_LIMIT)
    raise UserError(f"expected a {what} of this history, received {word!r}; known are: {close}")


def _asked(case: Case, wanted: Wanted) -> bool:
    right = wanted.workload is None or case.setting.workload == wanted.workload
    return right and (wanted.case is None or wanted.case in (case.label, case.setting.label))
