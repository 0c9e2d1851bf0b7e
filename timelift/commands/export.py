"""Write a run in the format of another tool.

formats:
  pytest-benchmark         its JSON, for pytest-benchmark compare
  github-action-benchmark  customSmallerIsBetter, times in ms
  bencher                  Bencher Metric Format, latency in ns
  asv                      a CSV in airspeed velocity's words, times in s
  parquet                  a row per case, launch and round; needs pyarrow and --output
  csv                      a row per case with its rank and facts, times in s
"""

import argparse
import importlib
import sys
from pathlib import Path

from timelift.analyse.runs import results
from timelift.analyse.runs.measured import load_measured
from timelift.errors import UserError
from timelift.present.exports import BINARY, FORMATS


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the format, the run, and where it goes."""
    parser.add_argument("format", choices=FORMATS, metavar="FORMAT", help=", ".join(FORMATS))
    parser.add_argument(
        "run", nargs="?", default="latest", metavar="RUN", help="the run (default: latest)"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="default: the terminal")


def run(arguments: argparse.Namespace, root: Path) -> int:
    """Write the run to the file or the terminal."""
    if arguments.format in BINARY and arguments.output is None:
        raise UserError(
            f"{arguments.format}: expected --output FILE, since it is no text for a terminal"
        )
    (path,) = results.find(root / "results", [arguments.run])
    from timelift.analyse.findings import RunFindings  # noqa: PLC0415 - a typo needs no numpy

    module = importlib.import_module(f"timelift.present.exports.{FORMATS[arguments.format]}")
    data: bytes = module.export(RunFindings(load_measured(path)))
    if arguments.output is None:
        sys.stdout.write(data.decode())
    else:
        _write(data, arguments.output)
    return 0


def _write(data: bytes, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise UserError(
            f"cannot write {str(path)!r}: {error.strerror}; name another file with --output"
        ) from error
