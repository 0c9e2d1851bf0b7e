"""Measure what reading a year of nightly runs takes: `python -m studies.year`, about two minutes.

365 runs of 400 cases in 3 launches of 20 rounds are written, as runs write them now and as they did
before a line had its median, and each kind is read and compared in a process of its own. Processor
time is what counts where the machine has other work. `--quick` takes a month.
"""

import argparse
import json
import math
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from studies import answer, in_fresh_process, noise, parser
from studies.scoreboard import Column, Row, Scoreboard
from timelift.case import Case, Phase, Setting
from timelift.journal import (
    Commit,
    End,
    Facts,
    Header,
    Machine,
    measured_case,
    write_whole,
)
from timelift.journal.writing import json_line

CASES, LAUNCHES, ROUNDS = 400, 3, 20
_YEAR = 365
STRATEGIES = ("native", "fold_time", "conv1d_pointwise", "loop_slice", "time_distributed")
_FIRST = datetime(2026, 1, 1, 2, tzinfo=UTC)
_MACHINE = Machine(name="example", identity={"cpu": "Example", "cores": 2})
#: Processor seconds that a year may take, by kind of journal; the imports take a second of any.
LIMITS = {"with medians": 10.0, "without": 30.0}
_IMPORTS_SECONDS = 2.0
_NIGHTS = noise.Scenario("nights", round_sd=0.02)
BOARD = Scoreboard(
    (
        Column("journals", width=14),
        Column("MB", ".0f", 6),
        Column("wall s", ".1f", 8),
        Column("processor s", ".1f"),
        Column("of its limit", ".0%", most=1.0),
        # what a build machine has room for
        Column("largest MiB", ".0f", most=1024),
    )
)


def main(words: Sequence[str] | None = None) -> int:
    return answer(parser("year", __doc__), words, _run)


def _run(asked: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="timelift-year-") as folder:
        results = Path(folder)
        for night in range(30 if asked.quick else _YEAR):
            _write(results / f"{night:03}.jsonl", night, asked.seed)
        return BOARD.show(_rows(results))


def _rows(results: Path) -> Iterator[Row]:
    yield _measured("with medians", results)
    for path in results.glob("*.jsonl"):
        _forget_medians(path)
    yield _measured("without", results)


def _write(path: Path, night: int, seed: int) -> None:
    rivals = len(STRATEGIES)
    shape = noise.Shape(CASES // rivals, rivals, LAUNCHES, ROUNDS)
    times = noise.seconds(_NIGHTS, shape, np.zeros(rivals), np.random.default_rng([seed, night]))
    facts = Facts(
        build_seconds=0.0123456, trace_seconds=0.0234567, first_call_seconds=0.12345678,
        traces=1, graph_nodes=123, weights=4096, valid_steps=128, law_error=1.2e-7, steady=True,
        dropped_rounds=0, waited_share=0.012, stolen_share=0.0, canary_seconds=4.2e-5, built=3,
    )  # fmt: skip
    lines = []
    for launch, setting, rival in np.ndindex(LAUNCHES, *times.shape[:2]):
        axes = Setting("tokens", 8 * (1 + setting), 8, Phase.FORWARD)
        played = times[setting, rival, launch].tolist()
        case = Case(axes, STRATEGIES[rival])
        lines.append(measured_case(case, launch + 1, rivals, played, 16, facts))
    started = (_FIRST + timedelta(days=night)).isoformat()
    commit = Commit(f"{night:040x}")
    head = Header(id=str(night), started=started, commit=commit, machine=_MACHINE, cases=CASES)
    write_whole(path, [head, *lines, End(exit="complete")])


def _forget_medians(path: Path) -> None:
    lines = []
    for line in path.read_text().splitlines():
        fields = json.loads(line)
        fields.pop("median_seconds_per_call", None)
        lines.append(json_line(fields))
    path.write_text("".join(lines))


def _measured(kind: str, results: Path) -> Row:
    nights = list(results.iterdir())
    size = sum(path.stat().st_size for path in nights) / 1e6
    try:
        wall, processor, largest = in_fresh_process(_read, results)
    except BrokenProcessPool:  # out of memory
        wall = processor = largest = math.inf
    limit = _IMPORTS_SECONDS + LIMITS[kind] * len(nights) / _YEAR
    return kind, size, wall, processor, processor / limit, largest


def _read(results: Path) -> tuple[float, float, float]:
    """Return wall and processor seconds, and the largest MiB."""
    # Its import is part of the price.
    from timelift.analyse.changes.history import HistoryOptions, read  # noqa: PLC0415

    begun = time.perf_counter()
    history = read(results, HistoryOptions())
    assert len(history.cases) == CASES
    used = resource.getrusage(resource.RUSAGE_SELF)
    wall = time.perf_counter() - begun
    return wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


if __name__ == "__main__":
    sys.exit(main())
