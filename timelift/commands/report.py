"""Say which way of applying a layer to every step was fastest, in words and figures."""

import argparse
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

from timelift.analyse.runs import results, trust
from timelift.errors import UserError
from timelift.escape import plain, slug

_LONGEST_WAIT = 86_400


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
        help="where index.html, report.md, measurements.csv, tables/ and figures/ go "
        "(default: results/report)",
    )
    parser.add_argument(
        "--watch",
        action="store_true",
        help="make the report again while a run goes on, until it ends or Ctrl-C; on the machine "
        "that measures this takes time from the run",
    )
    parser.add_argument(
        "--every",
        type=_seconds,
        default=10,
        metavar="SECONDS",
        help="so long --watch waits between two looks (default: 10)",
    )
    parser.add_argument(
        "--github-summary",
        action="store_true",
        help="append the answer to the file that GITHUB_STEP_SUMMARY names",
    )


def _seconds(word: str) -> int:
    """Read a waiting time; raises argparse's error for what is none."""
    if not word.isdecimal() or not 1 <= int(word) <= _LONGEST_WAIT:
        raise argparse.ArgumentTypeError(
            f"expected whole seconds from 1 to {_LONGEST_WAIT:,}, received {word!r}"
        )
    return int(word)


def run(arguments: argparse.Namespace, root: Path) -> int:
    """Report every run asked for, or the one that goes on again and again."""
    folder = root / "results"
    paths = results.find(folder, arguments.runs)
    outputs = _folders(paths, arguments.output or folder / "report")
    if arguments.watch:
        return _watch(paths, outputs, folder, arguments.every)
    for path, output in zip(paths, outputs, strict=True):
        _report(path, output, folder)
        if arguments.github_summary:
            sys.stdout.write(f"{_summarise(path, folder)}\n")
    return 0


def _folders(paths: Sequence[Path], output: Path) -> list[Path]:
    """Give the folder of each report: a folder of its own inside `output` if there are several."""
    if len(paths) == 1:
        return [output]
    return [output / f"{place}-{slug(path.stem)}" for place, path in enumerate(paths, start=1)]


def _summarise(path: Path, folder: Path) -> str:
    from timelift.commands import ending  # noqa: PLC0415

    return ending.append_summary(list(ending.lines(path)), path, folder)


def _watch(paths: Sequence[Path], outputs: Sequence[Path], folder: Path, every: int) -> int:
    from timelift.commands import watch  # noqa: PLC0415

    if len(paths) > 1:
        raise UserError(f"expected one run to watch, received {len(paths)}; name one of them")
    with contextlib.suppress(KeyboardInterrupt):
        for line in watch.lines(paths[0], outputs[0], folder, every):
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
    return 0


def _report(path: Path, folder: Path, results_folder: Path) -> None:
    from timelift.analyse.findings import find_out  # noqa: PLC0415
    from timelift.analyse.stats.outcomes import gate_findings  # noqa: PLC0415
    from timelift.commands import ending  # noqa: PLC0415
    from timelift.present import (  # noqa: PLC0415
        across_table,
        scaling_table,
        table,
        terminal,
    )

    run = results.load(path)
    if not run.measurements:
        raise UserError(
            f"expected measurements in {str(path)!r}, found none; let the run go on or name another"
        )
    for line in ending.of_gate(gate_findings(run)):
        sys.stdout.write(f"{plain(line)}\n")
    found = find_out(run, trust.of_machine(results_folder, run))
    console = terminal.console()
    report = table.report(found)
    terminal.show(report, console)
    terminal.show_lines(scaling_table.lines(found.scaling), console)
    terminal.show_lines(across_table.lines(found.across), console)
    from timelift.present.page import files  # noqa: PLC0415

    sys.stdout.write(f"\n{files.write(found, report, folder)}\n")
