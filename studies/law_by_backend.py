"""The law on every backend, tried out; prints the table of `docs/backends.md`.

Run it as `python -m studies.law_by_backend`.

Every strategy is built, called and held to the law on every workload, forward and backward, by
eager calls, and compiled on one workload: compiling all of them takes hours on PyTorch.
"""

import argparse
import itertools
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from studies import support
from studies.support import Cell
from timelift.case import Backend, Mode, TimeAxis
from timelift.errors import UserError
from timelift.measure import catalogue
from timelift.measure.backends import why_not

ROOT = Path(__file__).resolve().parents[2]
EAGER, COMPILED = (TimeAxis.STATIC, Mode.EAGER), (TimeAxis.STATIC, Mode.GRAPH)
#: The workload that is compiled too.
WORKLOAD = "sensor"

#: A backend and a workload, and the columns that are tried.
Trial = tuple[Backend, str, Sequence[support.Column]]


def trials(workloads: Iterable[str], backends: Iterable[Backend]) -> list[Trial]:
    """Name what is tried: everything eagerly, one workload compiled."""
    return [
        (backend, workload, [EAGER, COMPILED] if workload == WORKLOAD else [EAGER])
        for backend, workload in itertools.product(backends, workloads)
    ]


def table(found: Iterable[tuple[Backend, Cell]]) -> Iterator[str]:
    """Write the cells as a Markdown table; below it the reasons that the first backend has not."""
    cells = list(found)
    backends = list(dict.fromkeys(backend for backend, _ in cells))
    heads = [f"{backend} {way}" for backend in backends for way in ("eager", "compiled")]
    yield f"| strategy | {' | '.join(heads)} |"
    yield "|---" * (1 + len(heads)) + "|"
    usual = {cell.reason for backend, cell in cells if backend == backends[0]}
    notes: dict[str, int] = dict.fromkeys(usual - {""}, 0)
    for strategy in dict.fromkeys(cell.strategy for _, cell in cells):
        row = [
            _summary([cell for one, cell in cells if one == backend], strategy, mode, notes)
            for backend in backends
            for mode in (Mode.EAGER, Mode.GRAPH)
        ]
        yield f"| `{strategy}` | {' | '.join(row)} |"
    yield ""
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


def main() -> None:
    """Try what the command line names, everything by default, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m studies.law_by_backend")
    parser.add_argument("--workloads", default="all", metavar="LIST")
    parser.add_argument("--backends", default="all", metavar="LIST")
    asked = parser.parse_args()
    try:
        strategies = catalogue.strategies(ROOT / "strategies")
        workloads = support.named(catalogue.workloads(ROOT / "workloads"), asked.workloads)
        backends = _installed(asked.backends)
    except UserError as error:
        parser.error(str(error))

    def tried(one: Trial) -> list[tuple[Backend, Cell]]:
        backend, workload, columns = one
        found = support.cells(workloads[workload], strategies, backend, columns)
        return [(backend, cell) for cell in found]

    with ThreadPoolExecutor(max_workers=2) as pool:
        found = pool.map(tried, trials(workloads, backends))
        for line in table(itertools.chain.from_iterable(found)):
            sys.stdout.write(line + "\n")


def _installed(words: str) -> Iterable[Backend]:
    """Read a list of backends, or all; raises UserError where one is not installed."""
    backends = support.named({str(one): one for one in Backend}, words).values()
    if missing := next(filter(None, map(why_not, backends)), ""):
        raise UserError(missing)
    return backends


if __name__ == "__main__":
    main()
