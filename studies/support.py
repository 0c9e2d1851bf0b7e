"""Which strategy lifts which workload, tried out; prints the page `docs/support.md`.

Run it as `python -m studies.support`.

Every pair is built, traced, called and held to the law, forward and backward, in each mode and with
a static and a dynamic time axis, at a small size. Nothing is timed, so two launches work at once.
"""

import argparse
import itertools
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from timelift.case import Backend, Gradients, Mode, Phase, Setting, Status, TimeAxis
from timelift.errors import UserError, nearest
from timelift.measure import catalogue
from timelift.measure.axes import split
from timelift.measure.launch import Launch, Limits
from timelift.messages import Rival, Task

#: Long enough for a chunk and a group, short enough to unroll.
SEQ_LEN, BATCH = 3, 2
LIMITS = Limits(first_call_seconds=120, stage_seconds=120)
Thing = TypeVar("Thing")
#: A time axis and a mode.
Column = tuple[TimeAxis, Mode]
#: The time axes and modes that each backend has: only TensorFlow tells `xla` from `graph`, and JAX
#: compiles for known shapes.
COLUMNS: Mapping[Backend, tuple[Column, ...]] = {
    Backend.TENSORFLOW: tuple(itertools.product(TimeAxis, Mode)),
    Backend.JAX: tuple((TimeAxis.STATIC, mode) for mode in (Mode.EAGER, Mode.GRAPH)),
    Backend.TORCH: tuple(itertools.product(TimeAxis, (Mode.EAGER, Mode.GRAPH))),
}


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
    columns: Sequence[Column] = (),
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
    launch: Launch, workload: catalogue.Workload, rivals: tuple[Rival, ...], setting: Setting
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
        yield from _table(workload, list(group))


def _table(workload: str, found: list[Cell]) -> Iterator[str]:
    heads = list(dict.fromkeys(f"{cell.time_axis} {cell.mode}" for cell in found))
    yield f"\n## {workload}\n"
    yield f"| strategy | {' | '.join(heads)} |"
    yield "|---" * (1 + len(heads)) + "|"
    notes: dict[str, int] = {}
    for strategy in dict.fromkeys(cell.strategy for cell in found):
        row = [_text(cell, notes) for cell in found if cell.strategy == strategy]
        yield f"| `{strategy}` | {' | '.join(row)} |"
    yield ""
    for reason, number in notes.items():
        yield f"{number}. {reason}"


def _text(cell: Cell, notes: dict[str, int]) -> str:
    if not cell.reason:
        return cell.word
    number = notes.setdefault(cell.reason, len(notes) + 1)
    return f"{cell.word} ({number})"


def main() -> None:
    """Try what the command line names, everything by default, and print the page."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m studies.support")
    parser.add_argument("--strategies", default="all", metavar="LIST")
    parser.add_argument("--workloads", default="all", metavar="LIST")
    asked = parser.parse_args()
    root = Path(__file__).resolve().parents[2]
    try:
        strategies = named(catalogue.strategies(root / "strategies"), asked.strategies)
        workloads = named(catalogue.workloads(root / "workloads"), asked.workloads)
    except UserError as error:
        parser.error(str(error))
    with ThreadPoolExecutor(max_workers=2) as pool:
        tried = pool.map(lambda one: list(cells(one, strategies)), workloads.values())
        for line in page(cell for found in tried for cell in found):
            sys.stdout.write(line + "\n")


def named(known: Mapping[str, Thing], words: str) -> dict[str, Thing]:
    """Give the things that a comma-separated list names, or all; raises UserError for another."""
    names = list(known) if words == "all" else split(words)
    for name in names:
        if name not in known:
            raise UserError(f"unknown name {name!r}; nearest: {nearest(name, known)}")
    return {name: known[name] for name in names}


if __name__ == "__main__":
    main()
