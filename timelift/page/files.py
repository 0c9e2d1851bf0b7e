"""The folder of a report: the page with its tables and figures, Markdown and one CSV of all."""

from pathlib import Path

from timelift.across import show as executed
from timelift.page import compared, grown, render
from timelift.page.found import Found
from timelift.report import exports, leftovers, plot
from timelift.scaling import table as growth

FIGURES = "figures"


def write(found: Found, folder: Path, every: int | None = None) -> str:
    """Write everything and say where it is.

    With `every` the page looks again after so many seconds, and PNG is left to the last time. What
    an earlier report wrote there and this one does not is removed.
    Raises UserError where the folder does not allow it.
    """
    drawn = plot.figures(found.run, found.rankings)
    formats = plot.FORMATS if every is None else ("svg",)
    pictures = plot.save(drawn, folder / FIGURES, formats) if drawn else []
    svgs = {one.stem: one.read_text("utf-8") for one in pictures if one.suffix == ".svg"}
    names = [f"{FIGURES}/{name}.svg" for name in svgs]
    written = [exports.write(folder / "report.md", exports.markdown_report(found.report, names))]
    sheets = {"measurements.csv": exports.csv_report(found.run, found.rankings)}
    sheets |= growth.sheets(found.scaling) | executed.sheets(found.across)
    written += [exports.write(folder / name, text) for name, text in sheets.items()]
    more = {"length": grown.tables(found.scaling), "execution": compared.across(found.across)}
    page = render.page(found, svgs, more)
    saved = list(render.save(page, folder, every))
    tables = len(saved) - 1
    leftovers.clear(folder, "report", [*pictures, *written, *saved])
    return (
        f"{folder / 'index.html'} is the page; beside it: report.md, measurements.csv, "
        f"tables/ ({tables}), figures/ ({len(svgs)}, as SVG and PNG)"
    )
