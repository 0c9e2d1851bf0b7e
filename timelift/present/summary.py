"""The end of a run in a screenful: the answer, a table with a row a workload, and a few lines."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from timelift.analyse.findings import RunFindings
from timelift.analyse.ranking import declared
from timelift.axis_values import Dtype
from timelift.case import AXES, CPU, several_valued
from timelift.errors import counted
from timelift.escape import plain
from timelift.present import conditions
from timelift.present.answer import answer_table, headline, safety
from timelift.present.document import Block, Document, Line, More, Shown, lines
from timelift.present.meaning import changed_in_training, unknown_meanings
from timelift.present.tables import Table
from timelift.present.words import duration, value_in_words

#: The title of its file.
TITLE = "timelift report"
#: The most rows of the table on a screen.
ROWS = 12
#: The words of the table that mean more than they say.
WORDS = "shown: beyond what {} differ by; at most: a 95 % bound"
#: On a screen, the most reasons why something has no figure, the characters of one, and warnings.
_MOST_REASONS, _LONGEST_REASON, _MOST_WARNINGS = 3, 140, 2


class Additions(NamedTuple):
    """What features add to a run: how far to trust it, and what is said of a run of copies."""

    trust: str = ""
    trust_at_length: str = ""
    verdicts: Document | None = None


NO_ADDITIONS = Additions()


def summary(
    findings: RunFindings,
    additions: Additions = NO_ADDITIONS,
    runs: Sequence[str] = (),
    *,
    is_stored: bool = True,
) -> Document:
    """Return the end of a run in a screenful: its answer, a row a workload, and a few lines.

    Where all rows name the strategy of the headline, the table leaves that out, and a row that
    would stand alone. A run of copies has the verdicts on these instead. `runs` are the words that
    name the runs; none names the latest.
    """
    if additions.verdicts:
        return additions.verdicts
    below = " ".join(filter(None, (safety(findings), changed_in_training(findings))))
    command, table = tables_command(findings, runs), answer_table(findings)
    words = WORDS.format(conditions.over(findings.run))
    noun = "more row" if any(row.place for row in table.rows) else "more workload"
    answers = Block(
        name="answer",
        table=without_repetition(table, findings),
        sentences=(words,) if below else (),
        more=More(ROWS, noun, command),
    )
    return Document(
        title=TITLE,
        state=conditions.state(findings.run, is_stored=is_stored),
        top=what_was_measured(findings),
        answer=headline(findings),
        below=below,
        blocks=(
            answers,
            _left_out(findings, command),
            warnings(findings, command),
            notes(findings, additions),
        ),
        fits_a_screen=True,
    )


def _left_out(findings: RunFindings, command: str) -> Block:
    """Return what has no figure, by its reasons; `command` prints all of them."""
    reasons = conditions.left_out_in_words(findings)
    cut = (Line(label, plain(reason, _LONGEST_REASON), reason) for label, reason in reasons)
    more = More(_MOST_REASONS, "more reason", command, least=_MOST_REASONS)
    return Block(name="left_out", lines=tuple(cut), more=more)


def without_repetition(table: Table, findings: RunFindings) -> Table:
    """Return the table of workloads without what the headline says."""
    answer = findings.answer
    if not answer or {row.write for row in table.rows} != {answer.strategy}:
        return table
    rows = [replace(row, write="") for row in table.rows] if len(table.rows) > 1 else []
    return replace(table, rows=rows).without_empty_columns()


# The line of what was measured -------------------------------------------------------------------


def what_was_measured(findings: RunFindings) -> str:
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


def tables_command(findings: RunFindings, runs: Sequence[str] = ()) -> str:
    """Return the command that prints every setting."""
    workloads = findings.run.workloads
    of_one = shlex.quote(next(iter(workloads))) if len(workloads) == 1 else "WORKLOAD"
    return f"timelift report{_named(runs)} {of_one}"


def _named(runs: Sequence[str]) -> str:
    """Return how a command names runs, after a blank; '' for the latest run."""
    if not runs:
        return ""
    return " RUN" if len(runs) == 1 else " RUNS"


def warnings(findings: RunFindings, command: str) -> Block:
    """Return what was wrong with the file of a run; `command` prints all of it."""
    return Block(
        name="warnings",
        lines=lines(("warning", text) for text in findings.run.warnings),
        more=More(_MOST_WARNINGS, "more warning", command, least=_MOST_WARNINGS),
    )


def notes(findings: RunFindings, additions: Additions) -> Block:
    """Return what the figures of a run rest on."""
    run = findings.run
    noise = conditions.neighbours(run), conditions.comparisons(findings)
    pairs = [
        *(declared(run, "title") if run.header.races_whole_model else ()),
        *conditions.machines(run),
        *unknown_meanings(findings),
        *conditions.train_steps(findings),
        *conditions.quantised(findings),
        *conditions.varying_lengths(findings),
        *conditions.other_ways(findings),
        *conditions.evidence(run),
        *([] if run.header.races_copies else [("noise", "; ".join(filter(None, noise)))]),
    ]
    trust = [Line("trust", additions.trust, additions.trust_at_length)] if additions.trust else []
    return Block(name="notes", lines=(*lines(pairs), *trust))


def what_next(findings: RunFindings, page: Path | None, runs: Sequence[str]) -> Block:
    """Return where the page of a run is, if it was written, and what to type next."""
    pairs = [(_named(runs).strip().lower(), shlex.join(runs))] if runs else []
    command = f"timelift report{_named(runs)} --open"
    pairs.append(("page", f"{page} ({command})" if page else f"{command} writes it"))
    if not findings.run.header.races_copies:
        commands = [tables_command(findings, runs)]
        if findings.contests and not findings.run.header.races_whole_model:
            commands.append(f"choose {_question(findings, runs)}")
        pairs.append(("more", " · ".join(commands)))
    return Block(name="next", lines=lines(pairs), shown=Shown.ON_SCREEN)


def _question(findings: RunFindings, runs: Sequence[str]) -> str:
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
    named = _named(runs)
    return f"{shlex.join(options)}{f' --run{named}' if named else ''}"
