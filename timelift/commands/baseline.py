"""Keep a run as a baseline small enough to commit: results/baselines/<machine>/<name>.jsonl.

It keeps every case, launch and fact that `compare` and the history need, and nothing that tells of
a person or a path. It is a journal: every other command reads it, by its path or by its name.
"""

import argparse
import re
import sys
from pathlib import Path

from timelift.analyse.runs import results
from timelift.analyse.runs.measured import load_usual
from timelift.analyse.runs.measurement import Run
from timelift.errors import UserError
from timelift.journal import BASELINE_FOLDER

#: Longer names are cut.
_LONGEST = 120


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add which run to keep, and under which name."""
    parser.add_argument(
        "run", nargs="?", default="latest", metavar="RUN", help="the run to keep (default: latest)"
    )
    parser.add_argument("--name", metavar="NAME", help="its name (default: that of the run's file)")
    parser.add_argument(
        "--replace", action="store_true", help="put it in the place of a baseline of that name"
    )


def run(arguments: argparse.Namespace, root: Path) -> int:
    """Write the baseline and say how to commit it."""
    from timelift.analyse.runs import baseline  # noqa: PLC0415

    (path,) = results.find(root / "results", [arguments.run])
    found = load_usual(path)
    folder = root / "results" / BASELINE_FOLDER / _file_name(_machine(found))
    name = _file_name(path.stem if arguments.name is None else arguments.name)
    written = baseline.write(found, folder / f"{name}.jsonl", replace=arguments.replace)
    sys.stdout.write("".join(f"{line}\n" for line in _said(found, written, root)))
    return 0


def _file_name(text: str) -> str:
    """Make a name of a file or folder that never climbs out, nor looks like an option."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text)[:_LONGEST].strip("-._") or "unnamed"


def _machine(found: Run) -> str:
    """Name the machine's folder; a run that does not tell its machine cannot be compared later."""
    machine = found.header.machine
    if not machine.name or not machine.identity:
        raise UserError(
            "expected a run that tells its machine, received one without; "
            "measure it with: pytest bench/"
        )
    return machine.name


def _said(found: Run, path: Path, root: Path) -> list[str]:
    launches = sum(len(one.launches) for one in found.measurements)
    shown = path.relative_to(root)
    size = f"{path.stat().st_size / 1024:,.0f} KiB"
    said = [f"{shown}: {len(found.measurements):,} cases, {launches:,} launches, {size}"]
    if not found.complete:
        said.append("the run was cut short, so the baseline holds what had been measured")
    return [*said, "commit it with:", f"  git add {shown}"]
