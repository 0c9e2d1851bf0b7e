"""The folder of a report: the page with its tables and figures, Markdown and one CSV of all."""

from pathlib import Path

from timelift.analyse.findings import RunFindings
from timelift.present import across_table, case_table, scaling_table
from timelift.present.figures import plot
from timelift.present.folder import clear
from timelift.present.folder import write as write_file
from timelift.present.page import render
from timelift.present.report import Report, in_markdown
from timelift.present.tables import csv_of_values

FIGURES = "figures"


def write(found: RunFindings, report: Report, folder: Path, every: int | None = None) -> str:
    """Write everything, `report` in words, and say where it is.

    With `every` the page looks again after so many seconds, and PNG is left to the last time. What
    an earlier report wrote there and this one does not is removed.
    Raises UserError where the folder does not allow it.
    """
    drawn = plot.figures(found)
    formats = plot.FORMATS if every is None else ("svg",)
    pictures = plot.save(drawn, folder / FIGURES, formats) if drawn else []
    svgs = {one.stem: one.read_text("utf-8") for one in pictures if one.suffix == ".svg"}
    names = [f"{FIGURES}/{name}.svg" for name in svgs]
    written = [write_file(folder / "report.md", in_markdown(report, names))]
    sheets = {"measurements.csv": csv_of_values(case_table.for_programs(found))}
    sheets |= scaling_table.sheets(found.scaling) | across_table.sheets(found.across)
    written += [write_file(folder / name, text) for name, text in sheets.items()]
    more = {
        "length": tuple(scaling_table.page_tables(found.scaling)),
        "execution": tuple(across_table.page_tables(found.across)),
    }
    page = render.page(found, report, svgs, more)
    saved = list(render.save(page, folder, every))
    tables = len(saved) - 1
    clear(folder, "report", [*pictures, *written, *saved])
    return (
        f"{folder / 'index.html'} is the page; beside it: report.md, measurements.csv, "
        f"tables/ ({tables}), figures/ ({len(svgs)}, as SVG and PNG)"
    )
