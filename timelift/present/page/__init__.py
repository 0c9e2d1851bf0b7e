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
from timelift.present.summary import Additions
from timelift.present.tables import csv_as_shown, csv_of_values
from timelift.present.usage import CodeToPaste

FIGURES = "figures"
_ADVICE = "name another folder with --output"
_TABLES = ("across", "execution", "gate", "meanings", "measurements", "not_run", "prices")


def write_report(
    findings: RunFindings, folder: Path, additions: Additions, code: CodeToPaste
) -> None:
    """Write a report over an earlier one; raises UserError if the folder does not allow it."""
    in_words = report(findings, additions)
    with writing(folder, _ADVICE):
        for name in _replaced(findings):
            (folder / name).unlink(missing_ok=True)
        pictures = sheet.save(figures.of_run(findings), folder / FIGURES)
    names = [picture.name for picture in pictures]
    tables = render.tables(findings, additions.section)
    svgs = [f"{FIGURES}/{name}" for name in names if name.endswith(".svg")]
    texts = {
        "report.md": in_markdown(in_words, svgs),
        "measurements.csv": csv_of_values(case_table.for_programs(findings)),
        **{f"tables/{table.name}.csv": csv_as_shown(table) for table in tables},
        "index.html": render.html(findings, in_words, tables, names, code),
    }
    for name, text in texts.items():
        with writing(folder / name, _ADVICE):
            replace_text(folder / name, text)


def _replaced(findings: RunFindings) -> Iterator[str]:
    """Yield the files of an earlier report that go: the tables, and figures of these workloads.

    Nothing else in the folder is removed.
    """
    yield from (f"tables/{name}.csv" for name in _TABLES)
    workloads = {case.setting.workload for case in findings.run.by_case}
    for stem in (
        kind + end for kind in figures.QUANTITIES for end in ("", *figures.endings(workloads))
    ):
        yield from (f"{FIGURES}/{stem}.{format_}" for format_ in sheet.FORMATS)
