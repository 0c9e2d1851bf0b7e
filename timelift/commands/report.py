"""Say which way of applying a layer to every step was fastest, in words and figures."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from timelift.errors import UserError
from timelift.read import results, trust
from timelift.read.escape import slug


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add which runs to read, and where the report goes."""
    parser.add_argument(
        "runs",
        nargs="*",
        metavar="RUN",
        help="a journal, pytest-benchmark's JSON, a folder, the beginning of a commit, "
        "or latest (default: the newest run under results/)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="where report.md, measurements.csv and the figures go (default: results/report)",
    )


def run(arguments: argparse.Namespace, root: Path) -> int:
    """Report every run asked for."""
    folder = root / "results"
    paths = results.find(folder, arguments.runs)
    outputs = _folders(paths, arguments.output or folder / "report")
    for path, output in zip(paths, outputs, strict=True):
        _report(path, output, folder)
    return 0


def _folders(paths: Sequence[Path], output: Path) -> list[Path]:
    """Give the folder of each report: a folder of its own inside `output` if there are several."""
    if len(paths) == 1:
        return [output]
    return [output / f"{place}-{slug(path.stem)}" for place, path in enumerate(paths, start=1)]


def _report(path: Path, folder: Path, results_folder: Path) -> None:
    from timelift.report import exports, table, terminal  # noqa: PLC0415
    from timelift.scaling import table as growth  # noqa: PLC0415
    from timelift.stats import ranking  # noqa: PLC0415

    found = results.load(path)
    if not found.measurements:
        raise UserError(
            f"expected measurements in {str(path)!r}, found none; let the run go on or name another"
        )
    rankings = ranking.rank(found.measurements)
    report = table.report(found, rankings, trust.of_machine(results_folder, found))
    console = terminal.console()
    terminal.show(report, console)
    scaling = growth.scaling(found)
    terminal.show_lines(growth.lines(scaling), console)
    from timelift.report import plot  # noqa: PLC0415

    pictures = plot.save(plot.figures(found, rankings), folder)
    names = [picture.name for picture in pictures if picture.suffix == ".svg"]
    exports.write(folder / "report.md", exports.markdown_report(report, names))
    sheets = {"measurements.csv": exports.csv_report(found, rankings), **growth.sheets(scaling)}
    for name, text in sheets.items():
        exports.write(folder / name, text)
    written = ["report.md", *sheets, *(picture.name for picture in pictures)]
    sys.stdout.write(f"\n{folder}: {', '.join(written)}\n")
