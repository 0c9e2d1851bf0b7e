"""Which strategy lifts which workload, tried out; prints the page `docs/support.md`.

`python -m studies.support [--by-backend]`; 1 where anything fails.

Every pair is built, traced, called and held to the law, forward and backward, in each mode and with
a static and a dynamic time axis, at a small size. Nothing is timed, so two launches work at once.

`--by-backend` prints the table of `docs/backends.md` instead: on every backend every strategy is
tried by eager calls, and compiled on one workload, since compiling all takes hours on PyTorch.
"""

import itertools
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from studies import parser
from studies.scoreboard import Column, Scoreboard
from timelift.case import Backend, Gradients, Mode, Phase, Setting, Status, TimeAxis
from timelift.errors import UserError, nearest
from timelift.measure import catalogue
from timelift.measure.launch import Launch, Limits
from timelift.measure.machine import why_not_installed
from timelift.measure.options import split
from timelift.messages import RivalSpec, Task

#: Long enough for a chunk and a group, short enough to unroll.
SEQ_LEN, BATCH = 3, 2
ROOT = Path(__file__).resolve().parents[1]
LIMITS = Limits(first_call_seconds=120, stage_seconds=120)
Thing = TypeVar("Thing")
#: A time axis and a mode.
Way = tuple[TimeAxis, Mode]
#: The time axes and modes that each backend has: only TensorFlow tells `xla` from `graph`, and JAX
#: compiles for known shapes.
COLUMNS: Mapping[Backend, tuple[Way, ...]] = {
    Backend.TENSORFLOW: tuple(itertools.product(TimeAxis, Mode)),
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


@dataclass(frozen=True)
class Cell:
    """What became of one strategy on one workload, with one time axis, in one mode."""

    strategy: str
    workload: str
    time_axis: TimeAxis
    mode: Mode
    word: str
    reason: str = ""


def cells(
    workload: catalogue.Workload,
    strategies: Mapping[str, catalogue.Strategy],
    backend: Backend = Backend.TENSORFLOW,
    columns: Sequence[Way] = (),
) -> Iterator[Cell]:
    """Try every strategy on one workload, in one launch; in all columns if none is named."""
    rivals = tuple(one.rival() for one in strategies.values())
    with Launch(backend, LIMITS) as launch:
        for time_axis, mode in columns or COLUMNS[backend]:
            tried = [
                _try(launch, workload, rivals, replace(one, backend=backend))
                for one in _settings(workload, mode, time_axis)
            ]
            for name, strategy in strategies.items():
                yield _cell(strategy, workload.name, time_axis, mode, [one[name] for one in tried])


def _settings(workload: catalogue.Workload, mode: Mode, time_axis: TimeAxis) -> Iterator[Setting]:
    whole = bool(workload.input_dtype)
    gradients = Gradients.WEIGHTS if whole else Gradients.INPUTS_AND_WEIGHTS
    for phase in Phase:
        setting = Setting(workload.name, SEQ_LEN, BATCH, phase, mode, gradients=gradients)
        yield replace(setting, time_axis=time_axis)


def _try(
    launch: Launch, workload: catalogue.Workload, rivals: tuple[RivalSpec, ...], setting: Setting
) -> dict[str, tuple[Status, str]]:
    task = Task(
        setting,
        rivals,
        workload.factory,
        workload.features,
        1,
        0.0,
        workload.input_dtype,
        workload.input_high,
    )
    return {one.rival.name: (one.status, one.reason) for one in launch.measure(task)}


def _cell(
    strategy: catalogue.Strategy,
    workload: str,
    time_axis: TimeAxis,
    mode: Mode,
    phases: Sequence[tuple[Status, str]],
) -> Cell:
    """Join the phases: the first that does not lift speaks for the cell."""
    lifts = [status is Status.MEASURED for status, _ in phases]
    word, reason = "differs" if strategy.differs else "lifts", ""
    if not all(lifts):
        status, reason = phases[lifts.index(False)]
        word = "refuses" if status in {Status.REFUSED, Status.UNAVAILABLE} else "fails"
        if any(lifts):
            reason = f"{list(Phase)[lifts.index(False)]} only: {reason}"
    return Cell(strategy.name, workload, time_axis, mode, word, reason)


def page(found: Iterable[Cell]) -> Iterator[str]:
    """Write the cells as a Markdown page: a table a workload, the reasons below it."""
    yield "# Which strategy lifts which workload\n"
    yield (
        "Each cell was tried: built, traced, called and held to the law, forward and backward "
        f"(inputs and weights), at {SEQ_LEN} steps of {BATCH} sequences. **lifts** keeps the law, "
        "**differs** runs and is declared to be no lift, **refuses** says why before anything is "
        "built, **fails** does not run. "
        "Written by `python -m studies.support`.\n"
    )
    for workload, group in itertools.groupby(found, key=lambda cell: cell.workload):
        yield f"\n## {workload}\n"
        yield from _table(list(group))


def _table(found: list[Cell]) -> Iterator[str]:
    notes: dict[str, int] = {}
    by_strategy: dict[str, list[str]] = defaultdict(list)
    for cell in found:
        by_strategy[cell.strategy].append(_text(cell, notes))
    heads = dict.fromkeys(f"{cell.time_axis} {cell.mode}" for cell in found)
    yield from _markdown(heads, by_strategy)
    yield from (f"{number}. {reason}" for reason, number in notes.items())


def _text(cell: Cell, notes: dict[str, int]) -> str:
    if not cell.reason:
        return cell.word
    number = notes.setdefault(cell.reason, len(notes) + 1)
    return f"{cell.word} ({number})"


def _markdown(heads: Iterable[str], rows: Mapping[str, Sequence[str]]) -> Iterator[str]:
    columns = [Column(title) for title in ("strategy", *heads)]
    board = Scoreboard(columns, words=len(columns))
    yield from board.markdown((f"`{name}`", *cells) for name, cells in rows.items())
    yield ""


# On every backend --------------------------------------------------------------------------------


def trials(workloads: Iterable[str], backends: Iterable[Backend]) -> list[Trial]:
    """Name what is tried: everything eagerly, one workload compiled."""
    return [
        (backend, workload, [EAGER, COMPILED] if workload == COMPILED_TOO else [EAGER])
        for backend, workload in itertools.product(backends, workloads)
    ]


def by_backend(found: Iterable[tuple[Backend, Cell]]) -> Iterator[str]:
    """Write the cells as a Markdown table; below it the reasons that the first backend has not."""
    cells = list(found)
    backends = list(dict.fromkeys(backend for backend, _ in cells))
    usual = {cell.reason for backend, cell in cells if backend == backends[0]}
    notes: dict[str, int] = dict.fromkeys(usual - {""}, 0)
    rows = {
        strategy: [
            _summary([cell for one, cell in cells if one == backend], strategy, mode, notes)
            for backend in backends
            for mode in (Mode.EAGER, Mode.GRAPH)
        ]
        for strategy in dict.fromkeys(cell.strategy for _, cell in cells)
    }
    heads = [f"{backend} {way}" for backend in backends for way in ("eager", "compiled")]
    yield from _markdown(heads, rows)
    yield from (f"{number}. {reason}" for reason, number in notes.items() if number)


def _summary(cells: Iterable[Cell], strategy: str, mode: Mode, notes: dict[str, int]) -> str:
    """Write how many workloads came to which word, and why not to the others, if that is new."""
    mine = [cell for cell in cells if (cell.strategy, cell.mode) == (strategy, mode)]
    words = Counter(cell.word for cell in mine)
    reasons = dict.fromkeys(cell.reason for cell in mine if cell.reason)
    marks = [
        str(notes.setdefault(one, 1 + max(notes.values(), default=0)))
        for one in reasons
        if notes.get(one) != 0
    ]
    told = ", ".join(f"{word} {many}" if len(mine) > 1 else word for word, many in words.items())
    return f"{told} ({', '.join(marks)})" if marks else told


def main(words: Sequence[str] | None = None) -> int:
    """Try what the command line names, everything by default, and print the page or the table."""
    options = parser("support", __doc__)
    options.add_argument("--strategies", default="all", metavar="LIST")
    options.add_argument("--workloads", default="all", metavar="LIST")
    options.add_argument("--by-backend", action="store_true", help="one table of all backends")
    options.add_argument("--backends", default="all", metavar="LIST", help="of that table")
    asked = options.parse_args(words)
    if asked.quick:
        asked.strategies, asked.workloads = QUICK
    try:
        strategies = named(catalogue.strategies(ROOT / "strategies"), asked.strategies)
        workloads = named(catalogue.workloads(ROOT / "workloads"), asked.workloads)
        backends = _installed(asked.backends) if asked.by_backend else (Backend.TENSORFLOW,)
    except UserError as error:
        options.error(str(error))
    ways = (
        trials(workloads, backends)
        if asked.by_backend
        else [(Backend.TENSORFLOW, one, COLUMNS[Backend.TENSORFLOW]) for one in workloads]
    )

    def tried(one: Trial) -> list[tuple[Backend, Cell]]:
        backend, workload, columns = one
        return [
            (backend, cell) for cell in cells(workloads[workload], strategies, backend, columns)
        ]

    found: list[Cell] = []
    with ThreadPoolExecutor(max_workers=2) as pool:
        cells_of_all = _noting(itertools.chain.from_iterable(pool.map(tried, ways)), found)
        lines = by_backend(cells_of_all) if asked.by_backend else page(c for _, c in cells_of_all)
        sys.stdout.writelines(f"{line}\n" for line in lines)
    return int(any(cell.word == "fails" for cell in found))


def _noting(
    tries: Iterable[tuple[Backend, Cell]], found: list[Cell]
) -> Iterator[tuple[Backend, Cell]]:
    for backend, cell in tries:
        found.append(cell)
        yield backend, cell


def named(known: Mapping[str, Thing], words: str) -> dict[str, Thing]:
    """Return the things that a comma-separated list names, or all; raises UserError for another."""
    names = list(known) if words == "all" else split(words)
    for name in names:
        if name not in known:
            raise UserError(f"unknown name {name!r}; nearest: {nearest(name, known)}")
    return {name: known[name] for name in names}


def _installed(words: str) -> Iterable[Backend]:
    """Read a list of backends, or all; raises UserError where one is not installed."""
    backends = named({str(one): one for one in Backend}, words).values()
    if missing := next(filter(None, map(why_not_installed, backends)), ""):
        raise UserError(missing)
    return backends


if __name__ == "__main__":
    sys.exit(main())
