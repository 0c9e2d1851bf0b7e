"""Which strategy lifts which workload, tried out; prints the page `docs/support.md`.

`python -m studies.support [--by-backend]`; 1 where anything fails.

Every pair is built, traced, called and held to the law, forward and backward, in each mode and with
a static and a dynamic time axis, at a small size. Nothing is timed, so two launches work at once.

`--by-backend` prints one table of all backends instead; `docs/backends.md` has what differs. There
every strategy is tried by eager calls, and compiled on one workload, since compiling all takes
hours on PyTorch.
"""

import argparse
import itertools
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace

from studies import ROOT, installed, named, parser, program, write
from studies.scoreboard import Column, Scoreboard
from timelift.case import Backend, Gradients, Mode, Phase, Setting, Status, TimeAxis
from timelift.measure import catalogue
from timelift.measure.launch import LaunchProcess
from timelift.measurement import CaseInLaunch
from timelift.messages import Task
from timelift.project import Project

#: Long enough for a chunk and a group, short enough to unroll.
SEQ_LEN, BATCH = 3, 2
#: Seconds that tracing and the first call may take.
LIMIT = 120
#: A time axis and a mode.
Way = tuple[TimeAxis, Mode]
#: The time axes and modes that each backend has: only TensorFlow has `xla` beside `graph`, and JAX
#: compiles for known shapes.
COLUMNS: Mapping[Backend, tuple[Way, ...]] = {
    Backend.TENSORFLOW: tuple(itertools.product(TimeAxis, (Mode.EAGER, Mode.GRAPH, Mode.XLA))),
    Backend.JAX: tuple((TimeAxis.STATIC, mode) for mode in (Mode.EAGER, Mode.GRAPH)),
    Backend.TORCH: tuple(itertools.product(TimeAxis, (Mode.EAGER, Mode.GRAPH))),
}
EAGER, COMPILED = (TimeAxis.STATIC, Mode.EAGER), (TimeAxis.STATIC, Mode.GRAPH)
#: The workload that is compiled on every backend.
COMPILED_TOO = "sensor"
#: Strategies and workloads of the quick form.
QUICK = "native,fold_time", "sensor"
#: A backend and a workload, and the columns that are tried.
Trial = tuple[Backend, str, Sequence[Way]]


# Cells -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cell:
    """The result of one strategy on one workload, on a backend, with a time axis, in a mode."""

    strategy: str
    workload: str
    time_axis: TimeAxis
    mode: Mode
    word: str
    reason: str = ""
    backend: Backend = Backend.TENSORFLOW


def cells(
    workload: catalogue.Workload,
    strategies: Mapping[str, catalogue.Strategy],
    backend: Backend = Backend.TENSORFLOW,
    columns: Sequence[Way] = (),
) -> Iterator[Cell]:
    """Try every strategy on one workload, in one launch; in all columns if none is named."""
    rivals = tuple(strategy.rival() for strategy in strategies.values())
    whole = workload.inputs.is_whole
    gradients = Gradients.WEIGHTS if whole else Gradients.INPUTS_AND_WEIGHTS
    with closing(LaunchProcess(backend, LIMIT)) as launch:
        launch.wait_until_ready()
        for axis, mode in columns or COLUMNS[backend]:
            usual = Setting(workload.name, SEQ_LEN, BATCH, Phase.FORWARD, mode, gradients=gradients)
            ends = defaultdict[str, list[CaseInLaunch]](list)
            for phase in Phase:
                setting = replace(usual, time_axis=axis, backend=backend, phase=phase)
                task = Task(setting, rivals, workload.factory, workload.inputs, 1, 0.0)
                for line in launch.measure(task):
                    ends[line.case.strategy].append(line)
            for strategy in strategies.values():
                word, reason = _word(strategy, ends[strategy.name])
                yield Cell(strategy.name, workload.name, axis, mode, word, reason, backend)


def _word(strategy: catalogue.Strategy, phases: Sequence[CaseInLaunch]) -> tuple[str, str]:
    """Join the phases: the first that does not lift stands for the cell, with its reason."""
    failed = [line for line in phases if line.status is not Status.MEASURED]
    if not failed:
        return "differs" if strategy.differs else "lifts", ""
    first = failed[0]
    word = "refuses" if first.status in {Status.REFUSED, Status.UNAVAILABLE} else "fails"
    only = f"{first.case.setting.phase} only: " if len(failed) < len(phases) else ""
    return word, f"{only}{first.reason}"


# The page and the table --------------------------------------------------------------------------


class Notes:
    """The reasons below a table, each with its number; `known` ones need no note."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        self._known = {"", *known}
        self._numbers: dict[str, int] = {}

    def footnoted(self, word: str, reasons: Iterable[str]) -> str:
        """Write a word with the numbers of its reasons."""
        new = [reason for reason in dict.fromkeys(reasons) if reason not in self._known]
        marks = [str(self._numbers.setdefault(reason, len(self._numbers) + 1)) for reason in new]
        return f"{word} ({', '.join(marks)})" if marks else word

    def lines(self) -> Iterator[str]:
        yield from (f"{number}. {reason}" for reason, number in self._numbers.items())


def page(cells: Iterable[Cell]) -> Iterator[str]:
    """Write the cells as a Markdown page: a table a workload, the reasons below it."""
    yield "# Which strategy lifts which workload\n"
    yield (
        "Each cell was tried: built, traced, called and held to the law, forward and backward "
        f"(inputs and weights), at {SEQ_LEN} steps of {BATCH} sequences. **lifts** keeps the law, "
        "**differs** runs and is declared to be no lift, **refuses** says why before anything is "
        "built, **fails** does not run. "
        "Written by `python -m studies.support`.\n"
    )
    for workload, group in itertools.groupby(cells, key=lambda cell: cell.workload):
        yield f"\n## {workload}\n"
        notes, heads = Notes(), dict[str, None]()
        by_strategy: dict[str, list[str]] = defaultdict(list)
        for cell in group:
            by_strategy[cell.strategy].append(notes.footnoted(cell.word, [cell.reason]))
            heads[f"{cell.time_axis} {cell.mode}"] = None
        yield from _markdown(heads, by_strategy, notes)


def by_backend(cells: Iterable[Cell]) -> Iterator[str]:
    """Write the cells as a Markdown table; below it the reasons that the first backend has not."""
    cells = list(cells)
    backends = list(dict.fromkeys(cell.backend for cell in cells))
    notes = Notes(cell.reason for cell in cells if cell.backend is backends[0])
    columns = list(itertools.product(backends, (Mode.EAGER, Mode.GRAPH)))
    by_place: dict[tuple[str, Backend, Mode], list[Cell]] = defaultdict(list)
    for cell in cells:
        by_place[cell.strategy, cell.backend, cell.mode].append(cell)
    rows = {
        strategy: [_summary(by_place[strategy, *column], notes) for column in columns]
        for strategy in dict.fromkeys(cell.strategy for cell in cells)
    }
    heads = [f"{backend} {way}" for backend in backends for way in ("eager", "compiled")]
    yield from _markdown(heads, rows, notes)


def _summary(cells: Sequence[Cell], notes: Notes) -> str:
    """Write the number of workloads by word, with the reasons that are new."""
    words = Counter(cell.word for cell in cells)
    is_single = len(cells) == 1
    counts = ", ".join(word if is_single else f"{word} {count}" for word, count in words.items())
    return notes.footnoted(counts, (cell.reason for cell in cells))


def _markdown(
    heads: Iterable[str], rows: Mapping[str, Sequence[str]], notes: Notes
) -> Iterator[str]:
    columns = [Column(title) for title in ("strategy", *heads)]
    board = Scoreboard(columns, words=len(columns))
    yield from board.markdown((f"`{name}`", *cells) for name, cells in rows.items())
    yield ""
    yield from notes.lines()


# What is tried -----------------------------------------------------------------------------------


def trials(workloads: Iterable[str], backends: Iterable[Backend]) -> list[Trial]:
    return [
        (backend, workload, [EAGER, COMPILED] if workload == COMPILED_TOO else [EAGER])
        for backend, workload in itertools.product(backends, workloads)
    ]


OPTIONS = parser("support", __doc__)
OPTIONS.add_argument("--strategies", default="all", metavar="LIST")
OPTIONS.add_argument("--workloads", default="all", metavar="LIST")
OPTIONS.add_argument("--by-backend", action="store_true", help="one table of all backends")
OPTIONS.add_argument("--backends", default="all", metavar="LIST", help="of that table")


@program(OPTIONS)
def main(asked: argparse.Namespace) -> int:
    if asked.quick:
        asked.strategies, asked.workloads = QUICK
    project, usual = Project(ROOT), Backend.TENSORFLOW
    strategies = named(catalogue.read_strategies(project.strategies.values()), asked.strategies)
    workloads = named(catalogue.read_workloads(project.workloads.values()), asked.workloads)
    asked_trials: list[Trial] = [(usual, workload, COLUMNS[usual]) for workload in workloads]
    if asked.by_backend:
        asked_trials = trials(workloads, installed(asked.backends))

    def tried(trial: Trial) -> list[Cell]:
        backend, workload, columns = trial
        return list(cells(workloads[workload], strategies, backend, columns))

    with ThreadPoolExecutor(max_workers=2) as pool:
        shown, counted = itertools.tee(itertools.chain.from_iterable(pool.map(tried, asked_trials)))
        for line in by_backend(shown) if asked.by_backend else page(shown):
            write(line)
        return int(any(cell.word == "fails" for cell in counted))


if __name__ == "__main__":
    sys.exit(main())
