"""Which strategy lifts which workload, tried out; prints the page `docs/support.md`.

`python -m studies.support [--by-backend | --dtypes LIST | --runtimes]`; 1 where anything fails.

Every pair is built, traced, called and held to the law, forward, backward and in a train step, at a
small size: eagerly, compiled, compiled for any time, and by XLA where that takes minutes at most.
Nothing is timed, so two launches work at once.

`--by-backend` prints one table of all backends instead; `docs/backends.md` has what differs. There
every strategy is tried by eager calls, and compiled on a third of the workloads, which takes an
hour and a half; all would take hours more. `--dtypes` prints a table of dtypes a backend, with a
static time axis.
`--runtimes` prints the tables of `docs/served.md`: what each runtime serves, one sequence a call.
"""

import argparse
import itertools
import sys
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace

from studies import ROOT, installed, named, parser, program, write
from studies.scoreboard import Column, Scoreboard
from timelift.axis_values import (
    UNSERVED,
    Backend,
    Dtype,
    Gradients,
    Mode,
    Phase,
    Runtime,
    Status,
    TimeAxis,
)
from timelift.case import Setting
from timelift.errors import UserError
from timelift.measure import catalogue
from timelift.measure.backends import why_not_served
from timelift.measure.launch import LaunchProcess
from timelift.measurement import CaseInLaunch
from timelift.messages import Task
from timelift.present.words import value_in_words
from timelift.project import Project

#: Long enough for a chunk and a group, short enough to unroll.
SEQ_LEN, BATCH = 3, 2
#: Seconds that tracing and the first call may take.
LIMIT = 120
#: A time axis and a mode.
Way = tuple[TimeAxis, Mode]
EAGER, COMPILED = (TimeAxis.STATIC, Mode.EAGER), (TimeAxis.STATIC, Mode.GRAPH)
#: An unknown time is tried where it is traced: an eager call knows it.
DYNAMIC = TimeAxis.DYNAMIC, Mode.GRAPH
#: TensorFlow alone has `xla` beside `graph`, and JAX compiles for known shapes.
COLUMNS: Mapping[Backend, tuple[Way, ...]] = {
    Backend.TENSORFLOW: (EAGER, COMPILED, (TimeAxis.STATIC, Mode.XLA), DYNAMIC),
    Backend.JAX: (EAGER, COMPILED),
    Backend.TORCH: (EAGER, COMPILED, DYNAMIC),
}
#: Models of several layers: to compile every strategy of one by XLA takes ten minutes and more.
MANY_LAYERS = frozenset(
    ("documents", "pair_scorer", "rl_torso", "sentence_ids", "video_encoder", "vit_patches")
)
#: The third of the workloads that is compiled on every backend: a Dense, a Conv2D, an LSTM, whole
#: numbers, and several inputs.
COMPILED_TOO = frozenset(("sensor", "frames", "sentences", "sentence_ids", "rl_torso"))
#: Served calls have a table of their own (`--runtimes`).
PHASES = (Phase.FORWARD, Phase.BACKWARD, Phase.TRAIN)
#: What no layer does: nothing scales the loss, and Adam's epsilon vanishes.
NO_TRAINING = Phase.TRAIN, Dtype.FLOAT16
#: Strategies and workloads of the quick form.
QUICK = "native,fold_time", "sensor"
#: A backend and a workload, and the columns that are tried.
Trial = tuple[Backend, str, Sequence[Way]]
#: Of one layer and of several, of one input and of two by name, of floats and of words.
SERVED = "tokens,sensor,frames,sentences,sentence_ids,rl_torso,windows"
#: The words of a served cell, the best first.
SERVES, DIFFERS, REFUSES, FAILS = "serves", "differs", "refuses", "fails"


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
    dtype: Dtype = Dtype.FLOAT32
    runtime: Runtime = Runtime.KERAS
    #: The largest error by the law, relative, of a served cell.
    error: float = 0.0


def cells(
    workload: catalogue.Workload,
    strategies: Mapping[str, catalogue.Strategy],
    backend: Backend = Backend.TENSORFLOW,
    columns: Sequence[Way] = (),
    dtypes: Sequence[Dtype] = (Dtype.FLOAT32,),
) -> Iterator[Cell]:
    """Try every strategy on one workload, in one launch; in all columns if none is named."""
    rivals = tuple(strategy.rival() for strategy in strategies.values())
    whole = workload.inputs.is_whole
    gradients = Gradients.WEIGHTS if whole else Gradients.INPUTS_AND_WEIGHTS
    with closing(LaunchProcess(backend, LIMIT)) as launch:
        launch.wait_until_ready()
        for (axis, mode), dtype in itertools.product(columns or COLUMNS[backend], dtypes):
            usual = Setting(
                *(workload.name, SEQ_LEN, BATCH, Phase.BACKWARD, mode),
                gradients=gradients,
                time_axis=axis,
                dtype=dtype,
                backend=backend,
            )
            ends = defaultdict[str, list[CaseInLaunch]](list)
            for phase in [each for each in PHASES if (each, dtype) != NO_TRAINING]:
                setting = replace(usual, phase=phase)
                task = Task(setting, rivals, workload.factory, workload.inputs, 1, 0.0)
                for line in launch.measure(task):
                    ends[line.case.strategy].append(line)
            for strategy in strategies.values():
                word, reason = _word(strategy, ends[strategy.name])
                yield Cell(strategy.name, workload.name, axis, mode, word, reason, backend, dtype)


def _word(strategy: catalogue.Strategy, phases: Sequence[CaseInLaunch]) -> tuple[str, str]:
    """Join the phases: the first that does not lift stands for the cell, with its reason."""
    failed = [line for line in phases if line.status is not Status.MEASURED]
    if not failed:
        return "differs" if strategy.differs else "lifts", ""
    first = failed[0]
    word = "refuses" if first.status in {Status.REFUSED, Status.UNAVAILABLE} else "fails"
    only = f"{first.case.setting.phase} only: " if len(failed) < len(phases) else ""
    return word, f"{only}{first.reason}"


def served_cells(
    workload: catalogue.Workload, strategies: Mapping[str, catalogue.Strategy]
) -> Iterator[Cell]:
    """Serve one sequence of a workload by every strategy in every runtime, in one launch."""
    rivals = tuple(strategy.rival() for strategy in strategies.values())
    with closing(LaunchProcess(Backend.TENSORFLOW, LIMIT)) as launch:
        launch.wait_until_ready()
        for axis, runtime in itertools.product((TimeAxis.STATIC, TimeAxis.DYNAMIC), Runtime):
            sizes = workload.name, SEQ_LEN, 1
            setting = Setting(*sizes, Phase.SERVE, time_axis=axis, runtime=runtime)
            for line in launch.measure(
                Task(setting, rivals, workload.factory, workload.inputs, 1, 0.0)
            ):
                name = line.case.strategy
                word, error = _served_word(strategies[name], line), line.facts.law_error or 0.0
                told = name, workload.name, axis, setting.mode, word, line.reason
                yield Cell(*told, runtime=runtime, error=error)


def _served_word(strategy: catalogue.Strategy, line: CaseInLaunch) -> str:
    if line.status is Status.MEASURED:
        return DIFFERS if strategy.differs else SERVES
    if line.status in UNSERVED:
        return str(line.status)
    return REFUSES if line.status in {Status.REFUSED, Status.UNAVAILABLE} else FAILS


# The page and the table --------------------------------------------------------------------------


class Notes:
    """The reasons below a table, each with its number; `known` ones need no note."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        self._known = {"", *known}
        #: The strategies with a reason, in the order of the notes.
        self._strategies: dict[str, set[str]] = {}

    def footnoted(self, word: str, cells: Iterable[Cell]) -> str:
        """Write a word with the numbers of the cells' reasons."""
        new = [cell for cell in cells if cell.reason not in self._known]
        for cell in new:
            self._strategies.setdefault(cell.reason, set()).add(f"`{cell.strategy}`")
        numbers = {reason: number for number, reason in enumerate(self._strategies, 1)}
        marks = dict.fromkeys(str(numbers[cell.reason]) for cell in new)
        return f"{word} ({', '.join(marks)})" if marks else word

    def lines(self) -> Iterator[str]:
        yield from (f"{number}. {reason}" for number, reason in enumerate(self._strategies, 1))

    def lines_by_strategy(self) -> Iterator[str]:
        for number, (reason, strategies) in enumerate(self._strategies.items(), 1):
            yield f"{number}. {', '.join(sorted(strategies))}: {reason}"


def page(cells: Iterable[Cell]) -> Iterator[str]:
    """Write the cells as a Markdown page: a table a workload, the reasons below it."""
    yield "# Which strategy lifts which workload\n"
    yield (
        "Each cell was tried: built, traced, called and held to the law, forward, backward "
        f"(inputs and weights) and in a train step, at {SEQ_LEN} steps of {BATCH} sequences. "
        "XLA is tried on workloads of few layers. **lifts** keeps the law, "
        "**differs** runs and is declared to be no lift, **refuses** says why before anything is "
        "built, **fails** does not run. "
        "Written by `python -m studies.support`.\n"
    )
    for workload, group in itertools.groupby(cells, key=lambda cell: cell.workload):
        yield f"\n## {workload}\n"
        notes, heads = Notes(), dict[str, None]()
        by_strategy: dict[str, list[str]] = defaultdict(list)
        for cell in group:
            by_strategy[cell.strategy].append(notes.footnoted(cell.word, [cell]))
            heads[f"{cell.time_axis} {cell.mode}"] = None
        yield from _markdown(("strategy", *heads), by_strategy, notes.lines())


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
    yield from _markdown(("strategy", *heads), rows, notes.lines())


def by_dtype(cells: Iterable[Cell]) -> Iterator[str]:
    """Write a Markdown table a backend; below it the reasons that the first dtype has not."""
    for backend, group in itertools.groupby(cells, key=lambda cell: cell.backend):
        tried = list(group)
        notes = Notes(cell.reason for cell in tried if cell.dtype is tried[0].dtype)
        by_place = defaultdict[str, dict[str, list[Cell]]](lambda: defaultdict(list))
        for cell in tried:
            by_place[f"{cell.workload} {cell.mode}"][cell.dtype].append(cell)
        rows = {
            place: [_summary(strategies, notes) for strategies in by.values()]
            for place, by in by_place.items()
        }
        heads = dict.fromkeys(cell.dtype for cell in tried)
        yield f"\n## {backend}\n"
        yield from _markdown(("workload", *heads), rows, notes.lines_by_strategy())


def by_runtime(cells: Iterable[Cell]) -> Iterator[str]:
    """Write Markdown tables of what runtimes serve, of known and of open time, and their counts."""
    tried = sorted(cells, key=lambda cell: cell.time_axis)
    for axis, group in itertools.groupby(tried, key=lambda cell: cell.time_axis):
        own, by_place = list(group), defaultdict[str, dict[str, list[Cell]]](dict)
        notes = Notes(cell.reason for cell in own if cell.word == REFUSES)
        for cell in own:
            by_place[cell.strategy].setdefault(cell.runtime, []).append(cell)
        rows = {
            name: [_summary(of_runtime, notes) for of_runtime in by.values()]
            for name, by in sorted(by_place.items())
            if any(cell.word != REFUSES for each in by.values() for cell in each)
        }
        yield f"\n### {'Time known' if axis is TimeAxis.STATIC else 'Time open'}\n"
        heads = [value_in_words("runtime", runtime) for runtime in Runtime]
        yield from _markdown(("strategy", *heads), rows, notes.lines_by_strategy())
    yield "\n### Counts\n"
    yield from _markdown(("runtime", *_COUNTED), dict(_counts(tried)), ())


#: The columns of the table of counts; the last one is the largest error by the law.
_COUNTED = (SERVES, *map(str, sorted(UNSERVED)), FAILS, "largest error")


def _counts(cells: Sequence[Cell]) -> Iterator[tuple[str, list[str]]]:
    for runtime in Runtime:
        own = [cell for cell in cells if cell.runtime is runtime]
        words = Counter(cell.word for cell in own)
        worst = max((cell.error for cell in own if cell.word == SERVES), default=0.0)
        counts = (str(words[word]) for word in _COUNTED[:-1])
        yield runtime, [*counts, f"{worst:.0e}"]


def _summary(cells: Sequence[Cell], notes: Notes) -> str:
    """Write the number of workloads by word, with the reasons that are new."""
    words = Counter(cell.word for cell in cells)
    is_single = len(cells) == 1
    counts = ", ".join(word if is_single else f"{word} {count}" for word, count in words.items())
    return notes.footnoted(counts, cells)


def _markdown(
    heads: Iterable[str], rows: Mapping[str, Sequence[str]], notes: Iterable[str]
) -> Iterator[str]:
    columns = [Column(title) for title in heads]
    board = Scoreboard(columns, words=len(columns))
    yield from board.markdown((f"`{name}`", *cells) for name, cells in rows.items())
    yield ""
    yield from notes


# What is tried -----------------------------------------------------------------------------------


def columns_of(workload: str) -> list[Way]:
    """Return the columns of a workload's table on the page."""
    compiles = workload not in MANY_LAYERS
    return [way for way in COLUMNS[Backend.TENSORFLOW] if compiles or way[1] is not Mode.XLA]


def trials(workloads: Iterable[str], backends: Iterable[Backend]) -> list[Trial]:
    return [
        (backend, workload, [EAGER, COMPILED] if workload in COMPILED_TOO else [EAGER])
        for backend, workload in itertools.product(backends, workloads)
    ]


def static_trials(
    workloads: Iterable[str], backends: Iterable[Backend], modes: Collection[Mode]
) -> list[Trial]:
    """Return trials with a static time axis, in those of the modes that a backend has."""
    static = [(TimeAxis.STATIC, mode) for mode in modes]
    ways = {backend: [way for way in static if way in COLUMNS[backend]] for backend in backends}
    tried = itertools.product(filter(ways.get, backends), workloads)
    return [(backend, workload, ways[backend]) for backend, workload in tried]


OPTIONS = parser("support", __doc__)
OPTIONS.add_argument("--strategies", default="all", metavar="LIST")
OPTIONS.add_argument("--workloads", default="all", metavar="LIST")
OPTIONS.add_argument("--by-backend", action="store_true", help="one table of all backends")
OPTIONS.add_argument("--dtypes", default="", metavar="LIST", help="a table of dtypes a backend")
OPTIONS.add_argument("--runtimes", action="store_true", help="what each runtime serves")
OPTIONS.add_argument(
    "--modes", default="eager", metavar="LIST", help="of those tables (default: eager)"
)
OPTIONS.add_argument("--backends", default="all", metavar="LIST", help="of all but the page")


@program(OPTIONS)
def main(asked: argparse.Namespace) -> int:
    if asked.quick:
        asked.strategies, asked.workloads = QUICK
    project, usual = Project(ROOT), Backend.TENSORFLOW
    strategies = named(catalogue.read_strategies(project.strategies.values()), asked.strategies)
    workloads = named(catalogue.read_workloads(project.workloads.values()), asked.workloads)
    asked_trials: list[Trial] = [(usual, workload, columns_of(workload)) for workload in workloads]
    dtypes = list(named({str(dtype): dtype for dtype in Dtype}, asked.dtypes or "float32").values())
    write_cells = page
    if asked.by_backend:
        asked_trials, write_cells = trials(workloads, installed(asked.backends)), by_backend
    if asked.dtypes:
        modes = named({str(mode): mode for mode in Mode}, asked.modes).values()
        asked_trials = static_trials(workloads, installed(asked.backends), modes)
        write_cells = by_dtype
    if asked.runtimes:
        if missing := next(filter(None, map(why_not_served, Runtime)), ""):
            raise UserError(missing)
        served = SERVED if asked.workloads == "all" else asked.workloads
        asked_trials = [(usual, workload, ()) for workload in named(workloads, served)]
        write_cells = by_runtime

    def tried(trial: Trial) -> list[Cell]:
        backend, workload, columns = trial
        if asked.runtimes:
            return list(served_cells(workloads[workload], strategies))
        return list(cells(workloads[workload], strategies, backend, columns, dtypes))

    with ThreadPoolExecutor(max_workers=2) as pool:
        shown, counted = itertools.tee(itertools.chain.from_iterable(pool.map(tried, asked_trials)))
        for line in write_cells(shown):
            write(line)
        return int(any(cell.word == FAILS for cell in counted))


if __name__ == "__main__":
    sys.exit(main())
