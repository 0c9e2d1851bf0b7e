"""Runs of the reference grid, quiet and beside a program that computes on one processor.

`python -m studies.neighbours --results FOLDER` keeps the journals. A quiet run must say nothing of
other programs, and one beside such a program that it was disturbed. Where that ends after a third
of the run, what is played again must agree with the quiet runs. Nothing else should run meanwhile.
"""

import argparse
import itertools
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Timer

import numpy as np

from studies import ROOT, parser, program, write
from studies.scoreboard import OF, Column, Row, Scoreboard
from timelift.analyse.estimates import Interval
from timelift.analyse.quality import disturbed
from timelift.analyse.ranking import rank_run
from timelift.analyse.results import Run, load
from timelift.case import Case
from timelift.errors import UserError
from timelift.journal.files import runs_under
from timelift.measurement import is_again
from timelift.selftest.trust import Proportion

GRID = (
    *("--workloads", "tokens", "--seq-lens", "16,128", "--batch-sizes", "8,32"),
    *("--strategies", "time_distributed,fold_time,native,loop_unstack,conv1d_pointwise"),
    *("--phases", "forward,backward", "--modes", "graph", "--launches", "3"),
)
QUICK = (
    *("--workloads", "tokens", "--seq-lens", "8", "--batch-sizes", "8", "--launches", "3"),
    *("--strategies", "native,fold_time", "--phases", "forward", "--modes", "graph"),
)
QUIET, BESIDE, LEAVES = "quiet", "beside", "leaves"
BOARD = Scoreboard(
    (
        Column("run", width=8),
        Column("seconds", ".0f"),
        Column("disturbed", OF, width=10),
        Column("again", width=6),
        Column("outside", OF, width=10),
        Column("apart", ".1%"),
        Column("90 %", ".1%"),
    ),
    """
run        quiet, beside a program on one processor, or beside one that leaves after a third
disturbed  settings of which it is told; again: launches of settings that were played again
outside    speed-ups whose interval and a quiet run's do not meet, beside all other quiet runs
apart      by how much speed-ups differ from a quiet run's, the median; and the 90 % quantile
""",
)


@dataclass(frozen=True)
class Played:
    """A run and its seconds; `kind` is quiet, beside or leaves."""

    kind: str
    run: Run
    seconds: float


def play(kind: str, grid: Sequence[str], results: Path, usual_seconds: float) -> Played:
    """Play a grid by the command line, beside what the kind says."""
    before, started = {*runs_under(results)}, time.monotonic()
    command = [sys.executable, "-m", "timelift", "bench", *grid, "--results", str(results)]
    other = None if kind == QUIET else subprocess.Popen([sys.executable, "-c", "while True: pass"])
    leaves = Timer(usual_seconds / 3, other.kill) if other and kind == LEAVES else None
    if leaves:
        leaves.start()
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    finally:
        if leaves:
            leaves.cancel()
        if other:
            other.kill()
            other.wait()
    new = [path for path in runs_under(results) if path not in before]
    if not new:
        raise UserError(f"expected a run, received none: {done.stdout[-500:]}{done.stderr[-500:]}")
    return Played(kind, load(new[0]), time.monotonic() - started)


def speed_ups(run: Run) -> Mapping[Case, Interval]:
    """Return the log of each speed-up over the baseline, by its case, but for that itself."""
    rows = (row for ranking in rank_run(run) for row in ranking.rows)
    known = ((row.case, row.speed_up) for row in rows if row.speed_up)
    ends = ((case, np.log([each.value, each.low, each.high])) for case, each in known)
    return {case: Interval(*logs.tolist()) for case, logs in ends if logs[1] < logs[2] < np.inf}


def rows(runs: Sequence[Played]) -> Iterator[Row]:
    found = [speed_ups(each.run) for each in runs]
    for place, each in enumerate(runs):
        pairs = [
            (own, other[case])
            for there, other in enumerate(found)
            if there != place and runs[there].kind == QUIET
            for case, own in found[place].items()
            if case in other
        ]
        outside = sum(own.low > other.high or other.low > own.high for own, other in pairs)
        apart = np.abs([own.value - other.value for own, other in pairs] or [np.nan])
        settings = {case.setting for case in each.run.measured}
        launches = itertools.chain.from_iterable(one.launches for one in each.run.measurements)
        again = {(one.case.setting, one.number) for one in launches if is_again(one.number)}
        yield (
            each.kind,
            each.seconds,
            Proportion(len(disturbed(each.run)), len(settings)),
            str(len(again)),
            Proportion(outside, len(pairs)),
            *np.expm1(np.quantile(apart, [0.5, 0.9])).tolist(),
        )


def wrong(runs: Sequence[Played]) -> bool:
    """True if a quiet run says that it was disturbed, or a disturbed one does not."""
    told = {QUIET: [], BESIDE: [], LEAVES: []}  # type: dict[str, list[bool]]
    for each in runs:
        told[each.kind].append(bool(disturbed(each.run)))
    return any(told[QUIET]) or not all(told[BESIDE])


OPTIONS = parser("neighbours", __doc__)
OPTIONS.add_argument("--results", type=Path, metavar="FOLDER", help="keep the journals there")
for kind, count in ((QUIET, 3), (BESIDE, 3), (LEAVES, 1)):
    OPTIONS.add_argument(f"--{kind}", type=int, default=count, metavar="N", help=f"{count} runs")


@program(OPTIONS)
def main(asked: argparse.Namespace) -> int:
    grid = QUICK if asked.quick else GRID
    counts = {QUIET: asked.quiet, BESIDE: asked.beside, LEAVES: asked.leaves}
    if asked.quick:
        counts = {QUIET: 1, BESIDE: 1, LEAVES: 0}
    turns = itertools.zip_longest(*([kind] * count for kind, count in counts.items()))
    runs: list[Played] = []
    with tempfile.TemporaryDirectory(prefix="timelift-neighbours-") as name:
        results = (asked.results or Path(name)).resolve()
        for kind in filter(None, itertools.chain.from_iterable(turns)):
            seconds = np.median([each.seconds for each in runs if each.kind == QUIET] or [60.0])
            runs.append(play(kind, grid, results, float(seconds)))
            write(f"{kind}: {runs[-1].seconds:.0f} s, {len(disturbed(runs[-1].run))} disturbed")
    return BOARD.show(rows(runs)) | wrong(runs)


if __name__ == "__main__":
    sys.exit(main())
