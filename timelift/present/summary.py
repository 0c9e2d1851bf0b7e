"""The end of a run in a screenful: the answer, a table with a row a workload, and a few lines.

A feature passes its own findings as a `Section`.

Names inside are as the file wrote them: a renderer escapes them for its place.
"""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from timelift.analyse.findings import RunFindings
from timelift.analyse.ranking import declared
from timelift.case import AXES, CPU, Dtype, several_valued
from timelift.errors import counted
from timelift.escape import plain
from timelift.present import conditions
from timelift.present.answer import answer_table, headline, safety
from timelift.present.meaning import changed_in_training, unknown_meanings
from timelift.present.tables import Table
from timelift.present.words import duration, value_in_words

#: The most rows of the table.
ROWS = 12
#: The words of the table that mean more than they say.
WORDS = "shown: beyond what {} differ by; at most: a 95 % bound"
#: The most reasons why something has no figure, and the characters of one.
_MOST_REASONS, _LONGEST_REASON = 3, 140


@dataclass(frozen=True)
class Section:
    """The result of a run of copies, shown in place of an answer.

    `versions` are lists of sentences, the longest version first: a terminal shows the first that
    fits, report.md the first. The page begins with the `headline`, the sentence `below` it and the
    first rows of `table`; `notes` end its first screen. Its tables begin with `details`, or the
    same table.
    """

    headline: str
    versions: Sequence[Sequence[str]]
    below: str = ""
    table: Table | None = None
    notes: tuple[str, ...] = ()
    details: Table | None = None

    def plus(self, note: str) -> "Section":
        """Return the section with a sentence more at the end of its head; '' adds none."""
        if not note:
            return self
        versions = [(*version, note) for version in self.versions]
        return replace(self, versions=versions, notes=(*self.notes, note))


@dataclass(frozen=True)
class Additions:
    """What features add to a run: how far to trust it, in a line and in full, and a section."""

    trust: str = ""
    trust_in_full: str = ""
    section: Section | None = None


NO_ADDITIONS = Additions()


@dataclass(frozen=True)
class Pointers:
    """What to read or ask next: the page of a run, if it was written, and what was not asked.

    `runs` are the names of the runs that are shown; empty for the latest run alone.
    """

    page: Path | None = None
    runs: Sequence[str] = ()
    not_asked: str = ""


@dataclass(frozen=True)
class Summary:
    """The end of a run: what was measured in one line, the answer, and labelled notes.

    The `headline` is the answer for everything; `below` has where it loses, and what it changes in
    training. The table of workloads names a strategy only where they differ, and has no row for a
    single workload; `words` explains it. `left_out`, before the other notes, has missing figures,
    with reasons, and missing rows. `tables_command` prints every setting. `state` is why the run is
    not whole, or ''; it stands above everything.
    """

    top: str
    headline: str
    below: str
    words: str
    table: Table
    left_out: tuple[tuple[str, str], ...]
    notes: tuple[tuple[str, str], ...]
    tables_command: str
    state: str

    def with_rows(self, most: int) -> "Summary":
        """Return the summary with at most so many rows: the workloads with the most settings."""
        rows = self.table.rows
        if len(rows) <= most:
            return self
        kept = sorted(rows, key=lambda row: -row.settings)[:most]
        noun = "more row" if any(row.place for row in rows) else "more workload"
        note = ("and", f"{counted(len(rows) - most, noun)}: {self.tables_command}")
        table = replace(self.table, rows=[row for row in rows if row in kept])
        return replace(self, table=table, left_out=(note, *self.left_out))


def summary(findings: RunFindings, pointers: Pointers | None, trust: str = "") -> Summary:
    """Return the end of a run; without `pointers` it names no page, command or run to resume."""
    workloads = {case.setting.workload for case in findings.run.by_case}
    of_one = shlex.quote(next(iter(workloads))) if len(workloads) == 1 else "WORKLOAD"
    command = f"timelift report{_named(pointers)} {of_one}"
    notes = tuple(_notes(findings, pointers, command, trust))
    return Summary(
        _what_was_measured(findings),
        headline(findings),
        " ".join(filter(None, (safety(findings), changed_in_training(findings)))),
        WORDS.format(conditions.over(findings.run)),
        _without_repetition(answer_table(findings), findings),
        tuple(_left_out(findings, command)),
        notes,
        command,
        conditions.state(findings.run, is_stored=pointers is not None),
    )


def _without_repetition(table: Table, findings: RunFindings) -> Table:
    """Return the table of workloads without what the headline says."""
    answer = findings.answer
    if not answer or {row.write for row in table.rows} != {answer.strategy}:
        return table
    rows = [replace(row, write="") for row in table.rows] if len(table.rows) > 1 else []
    return replace(table, rows=rows).without_empty_columns()


# The line of what was measured -------------------------------------------------------------------


def _what_was_measured(findings: RunFindings) -> str:
    run = findings.run
    settings = {case.setting for case in run.measured}
    parts = [
        f"{counted(len(run.measured), 'case')} in {counted(len(settings), 'setting')}",
        _launches(findings),
    ]
    devices = {setting.device for setting in settings} - {CPU}
    cores = run.header.machine.identity.get("cores")
    in_cores = [counted(cores, "core")] if isinstance(cores, int) else []
    if run.header.machines:
        in_cores = [f"{len(run.header.machines)} kinds of machines"]
    dtypes = sorted({setting.dtype for setting in settings})
    dtypes = [] if dtypes == [Dtype.FLOAT32] else dtypes
    where = [*_versions(findings), *in_cores, *sorted(devices), *dtypes]
    taken = [duration(run.seconds)] if run.seconds else []
    return "; ".join([", ".join(filter(None, parts)), *filter(None, [", ".join(where)]), *taken])


def _launches(findings: RunFindings) -> str:
    counts = sorted({each.timed_launches for each in findings.run.measured.values()})
    if len(counts) > 1:
        return f"{counts[0]}-{counts[-1]} launches"
    return counted(counts[0], "launch") if counts else ""


def _versions(findings: RunFindings) -> Iterator[str]:
    versions = findings.run.header.machine.versions
    for backend in dict.fromkeys(case.setting.backend for case in findings.run.measured):
        version = ".".join(str(versions.get(backend, "")).split(".")[:2])
        yield f"{value_in_words('backend', backend)} {version}".strip()


def processor_and_memory(findings: RunFindings) -> str:
    identity = findings.run.header.machine.identity
    memory = identity.get("memory_gib")
    parts = [str(identity.get("cpu") or ""), f"{memory} GiB" if memory else ""]
    return ", ".join(filter(None, parts))


# The lines below ---------------------------------------------------------------------------------


def _named(pointers: Pointers | None) -> str:
    """Return the names of runs in a command, after a blank; '' for the latest run."""
    return ("", " RUN", " RUNS")[min(len(pointers.runs), 2)] if pointers else ""


def _notes(
    findings: RunFindings, pointers: Pointers | None, tables_command: str, trust: str
) -> Iterator[tuple[str, str]]:
    run = findings.run
    if run.header.races_whole_model:
        yield from declared(run, "title")
    yield from conditions.machines(run)
    yield from unknown_meanings(findings)
    yield from conditions.train_steps(findings)
    yield from conditions.varying_lengths(findings)
    yield from conditions.other_ways(findings)
    yield from conditions.evidence(run)
    if run.warnings:
        more = f"; {len(run.warnings) - 1} more: {tables_command}" if len(run.warnings) > 1 else ""
        yield "file", f"{run.warnings[0]}{more}"
    parts = conditions.neighbours(run), conditions.comparisons(findings)
    yield "noise", "; ".join(filter(None, parts))
    if trust:
        yield "trust", trust
    if pointers:
        if pointers.not_asked:
            yield "not asked", pointers.not_asked
        yield from pages(pointers)
        commands = [tables_command]
        if findings.contests and not run.header.races_whole_model:
            commands.append(f"choose {_question(findings, pointers)}")
        yield "more", " · ".join(commands)


def pages(pointers: Pointers) -> Iterator[tuple[str, str]]:
    """Yield the names of runs, but for the latest alone, and the place of their page."""
    if pointers.runs:
        yield _named(pointers).strip().lower(), shlex.join(pointers.runs)
    command = f"timelift report{_named(pointers)} --open"
    yield "page", f"{pointers.page} ({command})" if pointers.page else f"{command} writes it"


def _left_out(findings: RunFindings, tables_command: str) -> Iterator[tuple[str, str]]:
    """Yield the label and the reason of what has no figure, cut to two lines each."""
    reasons = [*conditions.left_out_in_words(findings)]
    shown = len(reasons) if len(reasons) <= _MOST_REASONS else _MOST_REASONS - 1
    yield from ((label, plain(text, _LONGEST_REASON)) for label, text in reasons[:shown])
    if more := len(reasons) - shown:
        yield "and", f"{counted(more, 'more reason')}: {tables_command}"


def _question(findings: RunFindings, pointers: Pointers) -> str:
    """Write the options of `choose` for a setting of the workload that has most settings."""
    answers = findings.answers
    workload = max(answers, key=lambda name: answers[name].settings)
    settings = [ranking.setting for ranking in findings.contests]
    mine = (setting for setting in settings if setting.workload == workload)
    setting = min(mine, key=lambda setting: len(setting.unusual))
    several = set(several_valued(ranking.setting for ranking in findings.rankings))
    axes = {"workload", "seq_len"} | (several & {"batch", *setting.unusual})
    own = [(AXES[axis].flag, str(getattr(setting, axis))) for axis in AXES if axis in axes]
    options = [word for pair in own for word in pair]
    named = _named(pointers)
    return f"{shlex.join(options)}{f' --run{named}' if named else ''}"
