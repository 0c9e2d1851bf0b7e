"""The answer of a run in a screenful: a table with a row a workload, and a few lines below it.

What a feature found in a run comes from outside, as a `Section`.

Names inside are as the file wrote them: a renderer escapes them for its place.
"""

import shlex
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from pathlib import Path

from timelift.analyse.findings import RunFindings
from timelift.case import AXES, AXIS_FLAGS, CPU, SKIPPED, Setting, Status, several_valued
from timelift.errors import counted
from timelift.present import conditions
from timelift.present.answer import answer_table
from timelift.present.tables import Table
from timelift.present.words import duration, value_in_words

#: More workloads than these have no row of their own.
ROWS = 12
#: So many failures are named.
_NAMED = 3


@dataclass(frozen=True)
class Section:
    """The result of an --against run or a self-test, which is shown in the place of an answer.

    `versions` are all of it in sentences, and shorter versions of that: a terminal shows the first
    that fits, and report.md has the first. The page begins with the `headline`, in which `names`
    are code, the sentence `below` it and the first rows of `table`; `notes` end its first screen.
    """

    headline: str
    versions: Sequence[Sequence[str]]
    below: str = ""
    names: tuple[str, ...] = ()
    table: Table | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Additions:
    """What features add to a run: how far its machine may be trusted, and a section.

    `trust` has one line, for a screenful; `trust_in_full` is for reports.
    """

    trust: str = ""
    trust_in_full: str = ""
    section: Section | None = None


NO_ADDITIONS = Additions()


@dataclass(frozen=True)
class Pointers:
    """Where more is: the page, if it was written, and how the run is named on a command line."""

    page: Path | None = None
    run: str = ""


@dataclass(frozen=True)
class Summary:
    """What was measured in one line, the table of workloads, and pairs of a label and a text.

    `tables` is the command that prints what has no room here. `state` is what keeps the run from
    being whole, and stands above everything.
    """

    top: str
    table: Table
    notes: tuple[tuple[str, str], ...]
    tables: str = "timelift report WORKLOAD"
    state: str = ""

    def in_brief(self) -> "Summary":
        """Return the summary with less of where strategies were shown slower."""
        columns = tuple(
            replace(one, value=attrgetter("slower_briefly")) if one.name == "slower" else one
            for one in self.table.columns
        )
        return replace(self, table=replace(self.table, columns=columns))

    def up_to(self, rows: int) -> "Summary":
        """Return the summary with so many rows: those of the workloads with the most settings."""
        everything = self.table.rows
        if len(everything) <= rows:
            return self
        kept = sorted(everything, key=lambda row: -row.settings)[:rows]
        left = counted(len(everything) - rows, "more workload")
        note = ("and", f"{left}: {self.tables}")
        table = replace(self.table, rows=[row for row in everything if row in kept])
        return replace(self, table=table, notes=(note, *self.notes))


def summary(found: RunFindings, pointers: Pointers | None, trust: str = "") -> Summary:
    """Return the end of a run; without `pointers` it says nothing of the page and of commands."""
    tables = f"timelift report{_named(pointers)} WORKLOAD"
    notes = tuple(_notes(found, pointers, tables, trust))
    return Summary(_top(found), answer_table(found), notes, tables, conditions.state(found.run))


# The line of what was measured -------------------------------------------------------------------


def _top(found: RunFindings) -> str:
    run = found.run
    settings = {one.case.setting for one in run.measured.values()}
    parts = [
        f"{counted(len(run.measured), 'case')} in {counted(len(settings), 'setting')}",
        _launches(found),
    ]
    devices = {one.setting.device for one in run.measured} - {CPU}
    where = [*_versions(found), *_cores(found), *sorted(devices)]
    taken = [duration(run.seconds)] if run.seconds else []
    return "; ".join([", ".join(filter(None, parts)), *filter(None, [", ".join(where)]), *taken])


def _launches(found: RunFindings) -> str:
    counts = sorted({len(one.launches) for one in found.run.measured.values()})
    if len(counts) > 1:
        return f"{counts[0]}-{counts[-1]} launches"
    return counted(counts[0], "launch") if counts else ""


def _versions(found: RunFindings) -> Iterator[str]:
    versions = found.run.header.machine.versions
    for backend in dict.fromkeys(case.setting.backend for case in found.run.measured):
        version = ".".join(str(versions.get(backend, "")).split(".")[:2])
        yield f"{value_in_words('backend', backend)} {version}".strip()


def _cores(found: RunFindings) -> Iterator[str]:
    cores = found.run.header.machine.identity.get("cores")
    if isinstance(cores, int):
        yield counted(cores, "core")


def processor_and_memory(found: RunFindings) -> str:
    """Return what the machine is, beside its number of cores; empty where it is not known."""
    identity = found.run.header.machine.identity
    memory = identity.get("memory_gib")
    parts = [str(identity.get("cpu") or ""), f"{memory} GiB" if memory else ""]
    return ", ".join(filter(None, parts))


# The lines below ---------------------------------------------------------------------------------


def _named(pointers: Pointers | None) -> str:
    """Return how a command names the run, after a blank; empty where it is the latest."""
    return " RUN" if pointers and pointers.run else ""


def _notes(
    found: RunFindings, pointers: Pointers | None, tables: str, trust: str
) -> Iterator[tuple[str, str]]:
    run = found.run
    yield from (("failed", f"{text}; why: {tables}") for text in _failures(found))
    yield from (("refused", text) for text in dict.fromkeys(_refusals(found)))
    if run.warnings:
        more = f"; {len(run.warnings) - 1} more: {tables}" if len(run.warnings) > 1 else ""
        yield "file", f"{run.warnings[0]}{more}"
    yield "noise", conditions.undecided(found)
    if trust:
        yield "trust", trust
    if pointers:
        yield from pages(pointers)
        yield "more", " · ".join(_commands(found, _named(pointers)))


def pages(pointers: Pointers) -> Iterator[tuple[str, str]]:
    """Tell which run it is, where it is not the latest, and where its page is."""
    if pointers.run:
        yield "run", pointers.run
    command = f"timelift report{_named(pointers)} --open"
    yield "page", f"{pointers.page} ({command})" if pointers.page else f"{command} writes it"


def _failures(found: RunFindings) -> Iterator[str]:
    """Write how many cases have failed, and of which strategies; refusals are no failures."""
    lost = [
        one
        for one in found.run.measurements
        if one.status not in SKIPPED and one.status is not Status.MEASURED
    ]
    if lost:
        names = [*dict.fromkeys(f"{one.case.strategy} {one.status}" for one in lost)]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        yield f"{counted(len(lost), 'case')}: {', '.join(names[:_NAMED])}{more}"


def _refusals(found: RunFindings) -> Iterator[str]:
    """Write of each setting in which all strategies refuse for one reason what that is."""
    ends: dict[Setting, set[tuple[Status, str]]] = defaultdict(set)
    for one in found.run.measurements:
        ends[one.case.setting].add((one.status, one.reason))
    for setting, (first, *others) in ends.items():
        status, reason = first
        if status is Status.REFUSED and not others:
            yield f"{setting.workload} {setting.phase}: {reason}"


def _commands(found: RunFindings, named: str) -> Iterator[str]:
    """Write the commands that have something to say of the run, with its name."""
    several = set(several_valued(one.setting for one in found.rankings))
    yield f"timelift report{named} WORKLOAD"
    if found.contests:
        yield f"choose {_question(found, several)}{f' --run{named}' if named else ''}"


def _question(found: RunFindings, several: set[str]) -> str:
    """Write the options of `choose` for a setting of the workload that has the most of them."""
    answers = found.answers
    workload = max(answers, key=lambda name: answers[name].settings)
    settings = [one.setting for one in found.contests if one.setting.workload == workload]
    setting = min(settings, key=lambda setting: len(setting.unusual))
    axes = {"workload", "seq_len"} | (several & {"batch", *setting.unusual})
    values = ((axis, getattr(setting, axis)) for axis in AXES if axis in axes)
    return shlex.join(word for axis, value in values for word in (AXIS_FLAGS[axis], str(value)))
