"""A few cells of the law instead of all: every strategy meets every value of every axis.

On a workload or two every strategy is tried in every row of values of the other axes; on the other
workloads in one row, in turn, so that strategies and workloads take the rows about equally often.
Where a strategy refuses, the following rows are tried.
"""

import itertools
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from timelift.case import (
    Backend,
    Dtype,
    Gradients,
    Lengths,
    Mode,
    Phase,
    Setting,
    Status,
    TimeAxis,
)
from timelift.measure import catalogue
from timelift.messages import Ended, RivalSpec, Task, WorkerChannel

ROOT = Path(__file__).parent.parent
STRATEGIES = catalogue.read_strategies(ROOT / "strategies")
WORKLOADS = catalogue.read_workloads(ROOT / "workloads")
#: Refusing is an answer; these are not.
BROKEN = {Status.LAW_BROKEN, Status.FAILED, Status.OUT_OF_MEMORY, Status.NO_LAYER}

FORWARD, BACKWARD = Phase
FULL, UNIFORM, SKEWED = Lengths
EAGER, GRAPH = (Mode.EAGER, TimeAxis.STATIC), (Mode.GRAPH, TimeAxis.STATIC)
DYNAMIC, XLA = (Mode.GRAPH, TimeAxis.DYNAMIC), (Mode.XLA, TimeAxis.STATIC)
#: A phase, a mode with its time axis, a batch, a number of steps, and lengths.
Row = tuple[Phase, tuple[Mode, TimeAxis], int, int, Lengths]
#: Every value of every axis that a backend has; PyTorch compiles in seconds a strategy, so that is
#: tried for a few (`tests/test_backends.py`).
ROWS: dict[Backend, tuple[Row, ...]] = {
    Backend.TENSORFLOW: (
        (FORWARD, EAGER, 1, 1, FULL),
        (BACKWARD, DYNAMIC, 3, 1, FULL),
        (BACKWARD, EAGER, 3, 2, FULL),
        (FORWARD, DYNAMIC, 1, 2, UNIFORM),
        (BACKWARD, EAGER, 1, 7, UNIFORM),
        (FORWARD, DYNAMIC, 3, 7, SKEWED),
        (BACKWARD, GRAPH, 3, 2, SKEWED),
        (FORWARD, XLA, 3, 2, FULL),
        (BACKWARD, XLA, 3, 2, FULL),
    ),
    Backend.JAX: (
        (FORWARD, EAGER, 1, 1, FULL),
        (BACKWARD, GRAPH, 3, 2, FULL),
        (BACKWARD, EAGER, 1, 2, UNIFORM),
        (FORWARD, GRAPH, 3, 7, SKEWED),
        (FORWARD, EAGER, 3, 7, SKEWED),
    ),
    Backend.TORCH: (
        (FORWARD, EAGER, 1, 1, FULL),
        (BACKWARD, EAGER, 3, 2, FULL),
        (BACKWARD, EAGER, 1, 7, UNIFORM),
        (FORWARD, EAGER, 3, 2, SKEWED),
    ),
}
#: Workloads that are tried in every row, of a Dense layer and of a convolution.
IN_EVERY_ROW = {
    Backend.TENSORFLOW: ("sensor", "frames"),
    Backend.JAX: ("sensor",),  # a convolution takes JAX minutes
    Backend.TORCH: ("sensor", "frames"),
}
#: Those tried in one row: on TensorFlow all the others, elsewhere one of each kind of layer.
IN_ONE_ROW = {
    Backend.TENSORFLOW: tuple(one for one in WORKLOADS if one not in ("sensor", "frames")),
    Backend.JAX: ("frames", "sentences", "set_attention"),
    Backend.TORCH: ("frame_encoder", "sentences", "set_attention"),
}
#: Rows tried in turn where a strategy refuses.
TRIES = 3
#: By strategy, how it ended and why.
Ends = dict[str, tuple[Status, str]]


def setting(backend: Backend, workload: str, row: Row) -> Setting:
    """Return a row's setting, in the most precise dtype of the backend."""
    phase, (mode, time_axis), batch, seq_len, lengths = row
    return Setting(
        workload,
        seq_len,
        batch,
        phase,
        mode,
        lengths,
        gradients=Gradients.INPUTS_AND_WEIGHTS,
        time_axis=time_axis,
        dtype=Dtype.FLOAT64 if backend is Backend.TENSORFLOW else Dtype.FLOAT32,
        backend=backend,
    )


def ends(setting: Setting, rivals: list[RivalSpec], law_steps: int = 0) -> Ends:
    """Hold rivals to the law of a setting, in this process.

    The inner layer is asked at `law_steps` steps, by default at all of them.
    """
    from timelift.worker.engines import open_engine
    from timelift.worker.setting_under_test import SettingUnderTest

    workload = WORKLOADS[setting.workload]
    sizes = workload.features, 7, 0.0
    steps = law_steps or setting.seq_len + 2
    task = Task(setting, tuple(rivals), workload.factory, *sizes, warms=False, law_steps=steps)
    events = []
    under_test = SettingUnderTest(open_engine(setting), task, WorkerChannel(events.append))
    measured = {one.name: (Status.MEASURED, "") for one in rivals if under_test.prepare(one)}
    return measured | {e.rival: (e.status, e.reason) for e in events if isinstance(e, Ended)}


def rivals(names: list[str]) -> list[RivalSpec]:
    """Return the catalogue's strategies as a worker is told of them."""
    return [STRATEGIES[name].rival() for name in names]


def covered(backend: Backend) -> Iterator[tuple[str, int, str, Status, str]]:
    """Hold every strategy to the law: workload, row, strategy, status and reason."""
    for workload in IN_EVERY_ROW[backend]:
        for place, row in enumerate(ROWS[backend]):
            found = ends(setting(backend, workload, row), rivals(list(STRATEGIES)))
            yield from ((workload, place, name, *end) for name, end in found.items())
    for offset, workload in enumerate(IN_ONE_ROW[backend]):
        yield from _in_one_row(backend, workload, offset)


def _in_one_row(
    backend: Backend, workload: str, offset: int
) -> Iterator[tuple[str, int, str, Status, str]]:
    rows = ROWS[backend]
    left = dict(zip(STRATEGIES, itertools.cycle(range(len(rows)))))
    for tried in range(TRIES):
        by_row = defaultdict(list)
        for name, place in left.items():
            by_row[(place + offset + tried) % len(rows)].append(name)
        for place, names in by_row.items():
            found = ends(setting(backend, workload, rows[place]), rivals(names))
            for name, (status, reason) in found.items():
                yield workload, place, name, status, reason
                if status is Status.MEASURED or status in BROKEN:
                    del left[name]


def printed(backend: str) -> None:
    """Print what `covered` finds, as JSON: the door of a process whose Keras has that backend."""
    print(json.dumps(list(covered(Backend(backend)))))  # noqa: T201
