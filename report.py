"""The reader's door: which runs to read, and where the report goes; then calls."""

import argparse
import gc
import io
import sys
from collections.abc import Sequence
from pathlib import Path

from timelift.errors import UserError
from timelift.read import results, trust
from timelift.read.escape import plain, slug

ROOT = Path(__file__).parent
DESCRIPTION = "Say which way of applying a layer to every step was fastest, in words and figures."


def main(words: Sequence[str] | None = None) -> int:
    """Report every run asked for; returns 1 where the user has to do something first."""
    arguments = _parser().parse_args(words)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    try:
        paths = results.find(ROOT / "results", arguments.runs)
        for path, folder in zip(paths, _folders(paths, arguments.output), strict=True):
            _report(path, folder)
    except UserError as error:
        sys.stderr.write(f"report.py: {plain(error)}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="report.py", description=DESCRIPTION)
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
        default=ROOT / "results" / "report",
        metavar="FOLDER",
        help="where report.md, measurements.csv and the figures go (default: results/report)",
    )
    return parser


def _folders(paths: Sequence[Path], output: Path) -> list[Path]:
    """Give the folder of each report: a folder of its own inside `output` if there are several."""
    if len(paths) == 1:
        return [output]
    return [output / f"{place}-{slug(path.stem)}" for place, path in enumerate(paths, start=1)]


def _report(path: Path, folder: Path) -> None:
    # Each import waits until the arguments are known to be good: a typo is answered at once.
    from timelift.report import exports, table, terminal  # noqa: PLC0415
    from timelift.stats import ranking  # noqa: PLC0415

    run = results.load(path)
    if not run.measurements:
        raise UserError(
            f"expected measurements in {str(path)!r}, found none; let the run go on or name another"
        )
    rankings = ranking.rank(run.measurements)
    report = table.report(run, rankings, trust.of_machine(ROOT / "results", run))
    terminal.show(report, terminal.console())
    from timelift.report import plot  # noqa: PLC0415

    pictures = plot.save(plot.figures(run, rankings), folder)
    names = [picture.name for picture in pictures if picture.suffix == ".svg"]
    exports.write(folder / "report.md", exports.markdown_report(report, names))
    exports.write(folder / "measurements.csv", exports.csv_report(run, rankings))
    written = ["report.md", "measurements.csv", *(picture.name for picture in pictures)]
    sys.stdout.write(f"\n{folder}: {', '.join(written)}\n")


if __name__ == "__main__":
    gc.disable()  # A report ends before its garbage matters; collecting it is a tenth of the time.
    sys.exit(main())
