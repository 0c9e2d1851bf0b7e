"""Say what became slower over all runs of a machine, since when, and whether the machine moved.

Every case is compared with its rivals of the same run, over all runs under results/ (self-tests and
results/against/ left out). A change needs three runs before it and three after it.

exit code:
  0  nothing is slower than it has been
  2  a slow-down that runs have confirmed is still there
  1  the runs cannot be read, or what was asked for is not among them
"""

import argparse
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from timelift.commands import share
from timelift.errors import UserError

if TYPE_CHECKING:
    from timelift.analyse.changes.reading import History

#: What a build sees where a slow-down is still there.
WORSE = 2
#: argparse would say 2.
USAGE_EXIT = 1


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add which history to read, and where its report goes."""
    parser.add_argument(
        "--machine", metavar="NAME", help="whose runs (default: the machine that ran last)"
    )
    parser.add_argument("--workload", metavar="W", help="show the cases of one workload")
    parser.add_argument("--case", metavar="LABEL", help="show one case, or those of one setting")
    parser.add_argument(
        "--since",
        metavar="DATE",
        help="forget the runs before, such as 2026-01-31: so a change is accepted",
    )
    parser.add_argument(
        "--gate",
        type=share,
        default="3%",
        metavar="SHARE",
        help="the least change that counts, such as 3%% or 0.03 (default: 3%%)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="where history.md, history.csv, changes.csv and the figures go "
        "(default: results/report)",
    )


def run(arguments: argparse.Namespace, root: Path) -> int:
    """Report the history that is asked for; 2 where a slow-down is still there."""
    since = _since(arguments.since)
    from timelift.analyse.changes import reading  # noqa: PLC0415
    from timelift.present import history_table, terminal  # noqa: PLC0415

    results = root / "results"
    wanted = reading.Wanted(
        arguments.machine, arguments.workload, arguments.case, since, arguments.gate
    )
    history = reading.read(results, wanted)
    history_table.show(history, terminal.console())
    _write(history, arguments.output or results / "report")
    return WORSE if history.found.worse else 0


def _since(text: str | None) -> datetime | None:
    from timelift.journal import moment  # noqa: PLC0415

    try:
        return None if text is None else moment(text)
    except ValueError:
        raise UserError(
            f"--since: expected a date, received {text!r}; write it as 2026-01-31"
        ) from None


def _write(history: "History", folder: Path) -> None:
    """Write the report and say where it is."""
    from timelift.present import csv_files, history_table, leftovers  # noqa: PLC0415
    from timelift.present.figures import plot, plot_history  # noqa: PLC0415

    pictures = plot.save(plot_history.figures(history), folder)
    names = [picture.name for picture in pictures if picture.suffix == ".svg"]
    texts = {
        "history.md": history_table.markdown_history(history, names),
        "history.csv": history_table.csv_history(history),
        "changes.csv": history_table.csv_changes(history),
    }
    written = [csv_files.write(folder / name, text) for name, text in texts.items()] + pictures
    leftovers.clear(folder, "history", written)
    sys.stdout.write(f"\n{folder}: {', '.join(one.name for one in written)}\n")
