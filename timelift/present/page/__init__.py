"""What `report` and `history` write: a folder with a page, and figures."""

from pathlib import Path

from timelift.analyse.changes.history import History
from timelift.analyse.findings import RunFindings
from timelift.errors import writing
from timelift.present import across_table, case_table, figures, history_report
from timelift.present.choice import CodeToPaste
from timelift.present.figures import plot_history
from timelift.present.folder import ADVICE, clear, write
from timelift.present.page import render
from timelift.present.report import Report, in_markdown
from timelift.present.tables import csv_as_shown, csv_of_values

FIGURES = "figures"


def write_report(
    found: RunFindings,
    report: Report,
    folder: Path,
    every: int | None = None,
    code: CodeToPaste | None = None,
) -> None:
    """Write everything, `report` in words.

    With `every` the page looks again after so many seconds, and PNG is left to the last time.
    `code` is what to paste. What an earlier report wrote there and this one does
    not is removed. Raises UserError where the folder does not allow it.
    """
    drawn = figures.of_run(found)
    formats = figures.FORMATS if every is None else ("svg",)
    pictures = figures.save(drawn, folder / FIGURES, formats) if drawn else []
    names = [one.name for one in pictures]
    tables = [one for one in render.tables(found) if one.rows]
    svgs = [f"{FIGURES}/{name}" for name in names if name.endswith(".svg")]
    texts = {
        "report.md": in_markdown(report, svgs),
        "measurements.csv": csv_of_values(case_table.for_programs(found)),
        **across_table.csv_files(found.across),
        **{f"tables/{one.name}.csv": csv_as_shown(one) for one in tables},
    }
    written = [write(folder / name, text) for name, text in texts.items()]
    page = folder / "index.html"
    html = render.html(found, report, render.Beside(tables, names), code, every)
    draft = write(folder / "index.html.new", html)
    with writing(page, ADVICE):
        draft.replace(page)
    clear(folder, "report", [*pictures, *written, page])


def write_history(history: History, folder: Path) -> list[Path]:
    """Write Markdown, CSV of cases and of changes, and a figure a workload; return the paths.

    Raises UserError where the folder does not allow it.
    """
    pictures = figures.save(plot_history.figures(history), folder)
    names = [picture.name for picture in pictures if picture.suffix == ".svg"]
    texts = {
        "history.md": history_report.markdown_history(history, names),
        "history.csv": history_report.csv_history(history),
        "changes.csv": history_report.csv_changes(history),
    }
    written = [write(folder / name, text) for name, text in texts.items()] + pictures
    clear(folder, "history", written)
    return written
