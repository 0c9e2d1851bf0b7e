"""What `report` writes: a folder with a page, texts, tables and figures."""

from collections.abc import Iterator
from pathlib import Path

from timelift.analyse.findings import RunFindings
from timelift.errors import writing
from timelift.journal.files import replace_text
from timelift.present import case_table, figures
from timelift.present.figures import sheet
from timelift.present.page import render
from timelift.present.report import in_markdown, report
from timelift.present.summary import NO_ADDITIONS, Additions
from timelift.present.tables import csv_as_shown, csv_of_values
from timelift.present.usage import CodeToPaste

FIGURES = "figures"
_ADVICE = "name another folder with --output"
_TABLES = ("across", "execution", "gate", "meanings", "measurements", "not_run", "prices")


def write_report(
    found: RunFindings,
    folder: Path,
    additions: Additions = NO_ADDITIONS,
    code: CodeToPaste | None = None,
) -> None:
    """Write everything over an earlier report; `code` is what to paste.

    Raises UserError where the folder does not allow it.
    """
    in_words = report(found, additions)
    with writing(folder, _ADVICE):
        for name in _of_some_reports(found):
            (folder / name).unlink(missing_ok=True)
        pictures = sheet.save(figures.of_run(found), folder / FIGURES)
    names = [one.name for one in pictures]
    tables = [one for one in render.tables(found, additions.section) if one.rows]
    svgs = [f"{FIGURES}/{name}" for name in names if name.endswith(".svg")]
    texts = {
        "report.md": in_markdown(in_words, svgs),
        "measurements.csv": csv_of_values(case_table.for_programs(found)),
        **{f"tables/{one.name}.csv": csv_as_shown(one) for one in tables},
        "index.html": render.html(found, in_words, tables, names, code),
    }
    for name, text in texts.items():
        with writing(folder / name, _ADVICE):
            replace_text(folder / name, text)


def _of_some_reports(found: RunFindings) -> Iterator[str]:
    """Yield the names of what not every report of these workloads has: an earlier one's goes.

    Nothing else in the folder is removed.
    """
    yield from (f"tables/{name}.csv" for name in _TABLES)
    workloads = {one.case.setting.workload for one in found.run.measurements}
    for stem in (kind + end for kind in figures.KINDS for end in ("", *figures.endings(workloads))):
        yield from (f"{FIGURES}/{stem}.{format_}" for format_ in sheet.FORMATS)
