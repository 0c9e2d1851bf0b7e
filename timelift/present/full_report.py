"""The report of a run in words and tables, for the terminal and the page, and its Markdown.

Names in a `Report` are as the file wrote them: a renderer escapes them for its place.
"""

import shlex
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from timelift.analyse.findings import RunFindings, by_execution
from timelift.analyse.ranking import Ranking, declared
from timelift.analyse.recommend import Recommendation
from timelift.analyse.results import Run
from timelift.case import AXES, Setting, several_valued
from timelift.errors import counted
from timelift.escape import NAME_LIMIT, markdown
from timelift.journal.lines import flattened
from timelift.present import case_table, conditions
from timelift.present.answer import (
    answer_table,
    cost_in_words,
    headline,
    recommended_in_words,
    safety,
)
from timelift.present.meaning import changed_in_training
from timelift.present.summary import NO_ADDITIONS, Additions
from timelift.present.tables import Table, markdown_lines
from timelift.present.words import meaning_in_words, percent, value_in_words

#: A detectable ratio from here on is too large for its size to help a reader.
_LARGEST_SEEN = 2.0


@dataclass(frozen=True)
class SettingsTable:
    """Settings that differ in their execution alone: their rivals by time, and the notes below.

    `heading` is the label that they share. `table` is None if nothing was measured.
    """

    workload: str
    heading: str
    table: Table | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """All words and tables of a report; `head` has pairs of a label and a text.

    The `headline` is the answer for everything, `answer` has a row a workload; a run that raced
    copies has neither, since none of them is an answer. `titles` has pairs of a strategy and its
    title, `meanings` of a strategy and its declarations in words.
    """

    head: tuple[tuple[str, str], ...]
    headline: str
    answer: Table | None
    titles: tuple[tuple[str, str], ...]
    meanings: tuple[tuple[str, str], ...]
    tables: tuple[SettingsTable, ...]
    warnings: tuple[str, ...]
    additions: Additions

    def of_workloads(self, names: Collection[str]) -> "Report":
        tables = tuple(table for table in self.tables if table.workload in names)
        rows = [row for row in self.answer.rows if row.workload in names] if self.answer else []
        return replace(self, tables=tables, answer=self.answer and replace(self.answer, rows=rows))


def report(findings: RunFindings, additions: Additions = NO_ADDITIONS) -> Report:
    """Return the report of a run; the sentences of a section stand in its head."""
    run, trust, section = findings.run, additions.trust_in_full, additions.section
    head = (
        *(("answer", text) for text in (section.versions[0] if section else ())),
        *_head(run),
        *conditions.lines(findings),
        *([] if run.header.races_copies else conditions.left_out_in_words(findings)),
        *([("trust", trust)] if trust else []),
        *(("speed-up", text) for text in _baselines(findings)),
    )
    has_answer = not run.header.races_copies
    answers = (headline(findings), safety(findings), changed_in_training(findings))
    said = " ".join(filter(None, answers)) if has_answer else ""
    answer = answer_table(findings) if has_answer else None
    titles, meanings = tuple(declared(run, "title")), tuple(_meanings(run))
    tables = tuple(_tables(findings))
    return Report(head, said, answer, titles, meanings, tables, run.warnings, additions)


def _baselines(findings: RunFindings) -> Iterator[str]:
    """Yield the baseline of the speed-ups, several with their settings, and what brackets are."""
    names = Counter(ranking.baseline for ranking in findings.rankings if ranking.baseline)
    parts = (f"{name} in {counted(count, 'setting')}" for name, count in names.most_common())
    if names:
        of, over = ", ".join(names if len(names) == 1 else parts), conditions.over(findings.run)
        yield f"times as fast as {of}; brackets: 95 % intervals over {over}"


def _head(run: Run) -> tuple[tuple[str, str], ...]:
    header, machine, commit = run.header, run.header.machine, run.header.commit
    command = header.command or [""]  # readers type it again, so another program's is not told
    counts = sorted({each.timed_launches for each in run.measured.values()})
    lines = {
        "state": conditions.state(run),
        "machine": "; ".join(text for _, text in conditions.machines(run))
        or _pairs(machine.identity)
        or machine.name
        or "",
        "versions": _pairs(machine.versions),
        "system": _pairs(machine.other_drift),
        "commit": f"{commit.id}{' with uncommitted changes' * commit.dirty}" if commit.id else "",
        "launches": " to ".join(str(count) for count in dict.fromkeys(counts[:1] + counts[-1:])),
        "when": header.started or "",
        "seed": "" if header.seed is None else str(header.seed),
        "command": shlex.join(command) if command[0] in {"timelift", "pytest"} else "",
    }
    return tuple((label, text) for label, text in lines.items() if text)


def _pairs(fields: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in flattened(fields).items())


def _tables(findings: RunFindings) -> Iterator[SettingsTable]:
    """Yield the tables of all settings, also of those without a measured case."""
    ranked = {ranking.setting: ranking for ranking in findings.rankings}
    for settings in by_execution({case.setting for case in findings.run.by_case}):
        axes = several_valued(settings)
        rankings = [ranked[setting] for setting in settings if setting in ranked]
        notes = [
            f"{_execution(setting, axes)}{note}"
            for setting in settings
            for note in _verdicts(ranked.get(setting), findings)
        ]
        table = case_table.of_rankings(rankings, findings, axes) if rankings else None
        heading = _heading(settings[0], axes)
        yield SettingsTable(settings[0].workload, heading, table, tuple(notes))


def _heading(setting: Setting, axes: Sequence[str]) -> str:
    """Return the label of a setting without its values of these axes."""
    shared = replace(setting, **{axis: AXES[axis].usual for axis in axes})
    words = (word for word in shared.words if "mode" not in axes or word != shared.mode)
    return "-".join([setting.workload, *words])


def _execution(setting: Setting, axes: Sequence[str]) -> str:
    """Return the execution that a note is about, or '' if the table has only one."""
    words = ", ".join(value_in_words(axis, getattr(setting, axis)) for axis in axes)
    return f"{words}: " if words else ""


def _verdicts(ranking: Ranking | None, findings: RunFindings) -> Iterator[str]:
    """Yield the notes about a setting; `ranking` is None if no case was measured."""
    if ranking is None:
        yield "nothing measured"
        return
    best = findings.recommendation_by_setting.get(ranking.setting)
    yield from _contest(ranking, best)
    if best and (text := changed_in_training(findings, best)):
        yield text.removesuffix(".")
    if few := conditions.on_few_machines(ranking, findings):
        yield few
    if ranking.rows and not all(row.ratio.is_known for row in ranking.all_rows):
        yield "within one launch: no interval"
    for row in ranking.unranked:
        name = row.case.strategy
        if why := findings.meanings.why_unknown(row.case):
            yield f"{name} is not ranked: {why}"
            continue
        entry = findings.run.header.strategies[name]
        kind = f"a twin of {entry.copy_of}" if entry.copy_of else f"no lift: {entry.differs}"
        yield f"{name} is {kind}"


def _contest(ranking: Ranking, best: Recommendation | None) -> Iterator[str]:
    if not ranking.rows:
        yield "no lift was measured"
    elif best is None:
        only = ranking.rows[0].case.strategy
        yield f"{'the only lift' if ranking.unranked else 'measured alone'}: {only}"
    else:
        yield recommended_in_words(ranking, best)
        row = ranking.row(best.strategy)
        if best.price.is_bound and row.cost_over_best.high > 1:
            yield cost_in_words(row)
        names = [f"{row.case.strategy} ({_seen(row.detectable)})" for row in ranking.undecided]
        if names:
            yield f"undecided, and the difference that would have been seen: {', '.join(names)}"


def _seen(ratio: float) -> str:
    return percent(ratio - 1) if ratio < _LARGEST_SEEN else "over 100 %"


def _meanings(run: Run) -> Iterator[tuple[str, str]]:
    for name, entry in run.header.strategies.items():
        if entry.meaning:
            words = (f"{title}: {word}" for title, word in meaning_in_words(entry.meaning))
            yield name, "; ".join(words)


def in_markdown(report: Report, figures: Iterable[str] = ()) -> str:
    """Return the report as Markdown; `figures` are the names of pictures in the same folder."""
    head = [f"- **{label}:** {markdown(text)}" for label, text in report.head]
    pictures = [f"![{name}]({name})" for name in figures]
    warnings = [f"- warning: {markdown(text)}" for text in report.warnings]
    meanings = {name: f". {meaning}" for name, meaning in report.meanings if meaning}
    names = [
        f"- **{markdown(name, NAME_LIMIT)}:** {markdown(title + meanings.get(name, ''))}"
        for name, title in report.titles
    ]
    strategies = ["## strategies", "", *names] if names else []
    tables = map(_setting_in_markdown, report.tables)
    answer = markdown_lines(report.answer) if report.answer and report.answer.rows else []
    said = [markdown(report.headline)] if report.headline else []
    blocks = [["# timelift report"], said, answer, head, warnings, pictures, *tables, strategies]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _setting_in_markdown(table: SettingsTable) -> list[str]:
    lines = [f"## {markdown(table.heading)}", ""]
    if table.table:
        lines += [*markdown_lines(table.table), ""]
    return [*lines, *(f"- {markdown(note)}" for note in table.notes)]
