"""What a report says of a run in words and tables, before any renderer lays them out.

Names inside are as the file wrote them: a renderer escapes them for its place.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from timelift.analyse.findings import RunFindings
from timelift.case import Setting, Status
from timelift.escape import NAME_LIMIT, markdown
from timelift.present import case_table, conditions, recommended
from timelift.present.head import head, trust_in_words
from timelift.present.notes import losses, meanings, titles, verdicts
from timelift.present.tables import Table, markdown_lines

if TYPE_CHECKING:
    from timelift.analyse.runs.measurement import Measurement


@dataclass(frozen=True)
class SettingTable:
    """One setting: its rivals sorted by time, if any was measured, and the notes below them.

    `fastest` are the strategies not shown slower than the best.
    """

    setting: Setting
    table: Table | None
    notes: tuple[str, ...]
    fastest: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """All that a report says in words: `head` holds pairs of a label and a text.

    `titles` holds pairs of a strategy and its title, `meanings` of a strategy and what it does with
    noise, statistics, losses and masks.
    """

    head: tuple[tuple[str, str], ...]
    titles: tuple[tuple[str, str], ...]
    meanings: tuple[tuple[str, str], ...]
    tables: tuple[SettingTable, ...]
    warnings: tuple[str, ...]


def report(found: RunFindings) -> Report:
    """Return what was found in a run, in words."""
    run = found.run
    top = (
        *head(run),
        *conditions.lines(found),
        ("trust", trust_in_words(run, found.trust)),
        *(("answer", one) for one in recommended.over_settings(found)),
    )
    return Report(top, titles(run), meanings(run), tuple(_tables(found)), run.warnings)


def _tables(found: RunFindings) -> Iterator[SettingTable]:
    """Return every setting of a run, the ones without a measured case too."""
    ranked = {ranking.setting: ranking for ranking in found.rankings}
    lost: dict[Setting, list[Measurement]] = defaultdict(list)
    for one in found.run.measurements:
        if one.status is not Status.MEASURED:
            lost[one.case.setting].append(one)
    for setting in sorted({*ranked, *lost}):
        below = tuple(losses(lost.get(setting, ())))
        if setting in ranked:
            bound = conditions.launch_bound(found.launch_bound[setting], setting.device)
            best = found.recommended_at.get(setting)
            notes = (*verdicts(ranked[setting], best, found.no_answers), *bound, *below)
            table = case_table.of_setting(ranked[setting], found)
            yield SettingTable(setting, table, notes, ranked[setting].fastest_set)
        else:
            yield SettingTable(setting, None, ("nothing measured", *below), ())


def in_markdown(report: Report, figures: Iterable[str] = ()) -> str:
    """Return the report as Markdown; `figures` are the names of pictures in the same folder."""
    head = [f"- **{label}:** {markdown(text)}" for label, text in report.head]
    pictures = [f"![{name}]({name})" for name in figures]
    warnings = [f"- warning: {markdown(text)}" for text in report.warnings]
    meanings = dict(report.meanings)
    names = [
        f"- **{markdown(name, NAME_LIMIT)}:** {markdown(_meaning(title, meanings.get(name)))}"
        for name, title in report.titles
    ]
    strategies = ["## strategies", "", *names] if names else []
    tables = map(_setting_in_markdown, report.tables)
    blocks = [["# timelift report"], head, warnings, pictures, *tables, strategies]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _meaning(title: str, meaning: str | None) -> str:
    return f"{title}. Means: {meaning}" if meaning else title


def _setting_in_markdown(table: SettingTable) -> list[str]:
    lines = [f"## {markdown(table.setting.label)}", ""]
    if table.table:
        lines += [*markdown_lines(table.table), ""]
    return [*lines, *(f"- {markdown(note)}" for note in table.notes)]
