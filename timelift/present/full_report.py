"""The report of a run at length: its answer, what measured it, and every setting."""

import shlex
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from timelift.analyse.findings import RunFindings, by_execution
from timelift.analyse.ranking import Ranking, declared
from timelift.analyse.recommend import Recommendation
from timelift.analyse.results import Run
from timelift.case import AXES, Setting, several_valued
from timelift.errors import counted
from timelift.escape import NAME_LIMIT, plain
from timelift.journal.lines import flattened
from timelift.present import case_table, conditions
from timelift.present.answer import answer_table, cost_in_words, recommended_in_words
from timelift.present.document import Block, Document, Shown, lines
from timelift.present.meaning import changed_in_training
from timelift.present.summary import (
    NO_ADDITIONS,
    TITLE,
    Additions,
    notes,
    summary,
    tables_command,
    warnings,
)
from timelift.present.words import meaning_in_words, percent, value_in_words

#: A detectable ratio from here on is too large for its size to help a reader.
_LARGEST_SEEN = 2.0


def full_report(
    findings: RunFindings, additions: Additions = NO_ADDITIONS, workloads: Collection[str] = ()
) -> Document:
    """Return the report of a run at length, or the tables of some of its workloads alone.

    Copies are no answer: a run of them begins with their verdicts. The answer of a whole run is not
    that of some workloads.
    """
    if findings.run.header.races_copies:
        document = _of_copies(findings, additions, has_verdicts=not workloads)
    else:
        document = _usual(findings, additions, workloads)
    settings = _settings(findings, workloads)
    return document.plus(_machine(findings), *_strategies(findings.run), *settings)


def _of_copies(findings: RunFindings, additions: Additions, *, has_verdicts: bool) -> Document:
    verdicts = additions.verdicts if has_verdicts else None
    document = verdicts or Document(title=TITLE, state=conditions.state(findings.run))
    below = warnings(findings, tables_command(findings)), notes(findings, additions)
    return document.plus(*(replace(block, shown=Shown.AT_LENGTH) for block in below))


def _usual(findings: RunFindings, additions: Additions, workloads: Collection[str]) -> Document:
    """Return the end of a run, with a whole row for every workload or for those asked for."""
    document, table = summary(findings, additions), answer_table(findings)
    rows = [row for row in table.rows if not workloads or row.workload in workloads]
    answers, *others = document.blocks
    own = replace(answers, table=replace(table, rows=rows))
    document = replace(document, blocks=(own, *others))
    return replace(document, answer="", below="") if workloads else document


def _baselines(findings: RunFindings) -> str:
    """Write the baseline of the speed-ups, several with their settings, and what brackets are."""
    names = Counter(ranking.baseline for ranking in findings.rankings if ranking.baseline)
    if not names:
        return ""
    parts = (f"{name} in {counted(count, 'setting')}" for name, count in names.most_common())
    of, over = ", ".join(names if len(names) == 1 else parts), conditions.over(findings.run)
    return f"times as fast as {of}; brackets: 95 % intervals over {over}"


def _machine(findings: RunFindings) -> Block:
    """Return what measured the run, and how."""
    run, header, machine = findings.run, findings.run.header, findings.run.header.machine
    commit, command = header.commit, header.command or [""]
    counts = sorted({each.timed_launches for each in run.measured.values()})
    pairs = {
        "machine": "" if header.machines else _pairs(machine.identity) or machine.name or "",
        "versions": _pairs(machine.versions),
        "system": _pairs(machine.other_drift),
        "commit": f"{commit.id}{' with uncommitted changes' if commit.dirty else ''}"
        if commit.id
        else "",
        "launches": " to ".join(str(count) for count in dict.fromkeys(counts[:1] + counts[-1:])),
        "when": header.started or "",
        "seed": "" if header.seed is None else str(header.seed),
        # readers type it again, so another program's is not told
        "command": shlex.join(command) if command[0] in {"timelift", "pytest"} else "",
        **dict(conditions.of_machine(run)),
        "speed-up": _baselines(findings),
    }
    told = lines(pair for pair in pairs.items() if pair[1])
    return Block(name="machine", lines=told, shown=Shown.AT_LENGTH)


def _pairs(fields: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in flattened(fields).items())


def _strategies(run: Run) -> Iterator[Block]:
    """Yield the title of each strategy, and what it declares of training."""
    if run.header.races_whole_model:  # whose changes are told among the notes
        return
    titles, told = dict(declared(run, "title")), list[tuple[str, str]]()
    for name, entry in run.header.strategies.items():
        meanings = (f"{title}: {word}" for title, word in meaning_in_words(entry.meaning))
        text = ". ".join(filter(None, (titles.get(name, ""), "; ".join(meanings))))
        told += [(plain(name, NAME_LIMIT), text)] if text else []
    if told:
        yield Block(heading="strategies", lines=lines(told), shown=Shown.AT_LENGTH)


def _settings(findings: RunFindings, workloads: Collection[str]) -> Iterator[Block]:
    """Yield the tables of settings, also of those without a measured case."""
    ranked = {ranking.setting: ranking for ranking in findings.rankings}
    all_settings = {case.setting for case in findings.run.by_case}
    own = {setting for setting in all_settings if setting.workload in workloads}
    for settings in by_execution(own if workloads else all_settings):
        axes = several_valued(settings)
        rankings = [ranked[setting] for setting in settings if setting in ranked]
        verdicts = [
            f"{_execution(setting, axes)}{note}"
            for setting in settings
            for note in _verdicts(ranked.get(setting), findings)
        ]
        yield Block(
            heading=_heading(settings[0], axes),
            table=case_table.of_rankings(rankings, findings, axes) if rankings else None,
            sentences=tuple(verdicts),
            shown=Shown.AT_LENGTH,
        )


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
