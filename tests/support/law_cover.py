"""A few cells of the law instead of all: every strategy meets every value of every axis.

On a Dense layer every strategy is tried in row after row of values of the other axes, where a row
has a value that it has not met; one that lifts nothing there is tried so on a convolution. Besides
every strategy is tried in one row on one of two workloads of other kinds, in turn, so that
strategies and workloads take the rows about equally often. Where a strategy refuses, the following
rows are tried.

`make test-all` has more rows on TensorFlow, and one row on one workload of each kind of layer.
Pairs of values may go unmet: it has eager mode and dynamic time on TensorFlow for all.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence

from tests.support.law_cases import ends_of
from tests.support.projects import STRATEGIES, WORKLOADS
from timelift.axis_values import Backend, Dtype, Gradients, Lengths, Mode, Phase, Status, TimeAxis
from timelift.case import Setting
from timelift.inner_layer import LayerInputs, StepTensor
from timelift.messages import RivalSpec, Task

#: Ends of a strategy that neither lifts nor refuses.
BROKEN = {Status.LAW_BROKEN, Status.FAILED, Status.OUT_OF_MEMORY, Status.NO_LAYER}

FORWARD, BACKWARD = Phase.FORWARD, Phase.BACKWARD
FULL, UNIFORM, SKEWED = Lengths
EAGER, GRAPH = (Mode.EAGER, TimeAxis.STATIC), (Mode.GRAPH, TimeAxis.STATIC)
DYNAMIC, XLA = (Mode.GRAPH, TimeAxis.DYNAMIC), (Mode.XLA, TimeAxis.STATIC)
#: A phase, a mode with its time axis, a batch, a number of steps, and lengths.
Row = tuple[Phase, tuple[Mode, TimeAxis], int, int, Lengths]
#: Rows that `make test-all` has besides: XLA compiles as long as all others take.
WHOLE = {(BACKWARD, DYNAMIC), (BACKWARD, XLA), (FORWARD, XLA)}
#: Rows with every value of every axis of a backend. The last ones are for strategies that refuse
#: others: each has a value that some strategy meets nowhere else. PyTorch compiles for seconds, so
#: there a few strategies are tried (`test_strategies_law.py`).
ROWS: dict[Backend, tuple[Row, ...]] = {
    Backend.TENSORFLOW: (
        (FORWARD, EAGER, 1, 1, FULL),
        (FORWARD, DYNAMIC, 3, 7, UNIFORM),
        (BACKWARD, DYNAMIC, 3, 2, SKEWED),
        (BACKWARD, EAGER, 3, 7, UNIFORM),
        (BACKWARD, GRAPH, 3, 2, SKEWED),
        (BACKWARD, XLA, 3, 2, FULL),
        (FORWARD, XLA, 3, 2, FULL),
    ),
    Backend.JAX: (
        (FORWARD, EAGER, 1, 1, FULL),
        (BACKWARD, GRAPH, 3, 2, UNIFORM),
        (FORWARD, GRAPH, 3, 7, SKEWED),
        (BACKWARD, EAGER, 3, 7, UNIFORM),
        (FORWARD, EAGER, 3, 2, SKEWED),
    ),
    Backend.TORCH: (
        (FORWARD, EAGER, 1, 1, FULL),
        (BACKWARD, EAGER, 3, 2, FULL),
        (BACKWARD, EAGER, 3, 7, UNIFORM),
        (FORWARD, EAGER, 3, 2, SKEWED),
    ),
}
#: Its Dense layer is tried in row after row.
DENSE = "sensor"
#: Its convolution is tried so where a strategy lifts no Dense layer.
CONVOLUTION = "frames"
#: The other workloads by kind of layer, except for large ones, whose kind has a smaller one, or is
#: attention (`test_own_layers.py` has that). `make test-all` tries a strategy on one of each kind.
KINDS = (("tokens", "graph_nodes"), ("frames", "windows"), ("sentences",))
LARGE = ("audio_frames", "roi_head", "video_encoder", "vit_patches", "vocab_head")
#: Of several inputs, with masks or lifted twice: `make test-all` tries every strategy on them.
NESTS = ("documents", "pair_scorer", "rl_torso", "sentence_ids")
QUICK = (("frames", "sentences"),)
#: What lifts the layer of `law_nests.py` with a mask of its own for the words.
HAND_THE_MASK = {
    *("fold_time", "fold_chunks[k=8]", "fold_chunks[k=8,remat=True]", "loop_slice", "loop_unstack"),
    *("loop_lengths", "loop_shrinking", "mask_and_pad", "pack_valid", "vectorized_map"),
    *("ops_map", "ops_scan", "ops_fori", "tf_scan", "tf_while_loop", "tf_vectorized_map"),
    "tf_map_fn[parallel_iterations=10]",
}
#: A recurrent layer computes the words of a sentence one after the other: four do here, of twelve.
FEWER_WORDS = {"sentences": LayerInputs.of_one((4, 16))}
FEWER_WORDS["documents"] = LayerInputs((StepTensor((2, 4, 16)),), lifts=2)
#: Rows that take too long on layers larger than the dense one.
SLOW = {
    (Backend.TENSORFLOW, XLA): (FORWARD, BACKWARD, Phase.TRAIN),
    (Backend.JAX, EAGER): (BACKWARD,),
    (Backend.JAX, GRAPH): (BACKWARD,),
}
#: Rows for strategies that refuse the others, since every operation is compiled by itself.
LATE = {(Backend.JAX, EAGER)}
#: Their gradients would take a third of all the time: `tests/test_strategies_law.py` has those of
#: two or three strategies, and `make test-all` those of all.
FORWARD_ALONE = {"sentences"}
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

    The inner layer is called at `law_steps` single steps, by default at all of them.
    """
    workload = WORKLOADS[setting.workload]
    sizes = FEWER_WORDS.get(setting.workload, workload.inputs), 7, 0.0
    steps = law_steps or setting.seq_len + 2
    return ends_of(
        Task(setting, tuple(rivals), workload.factory, *sizes, warms=False, law_steps=steps)
    )


def rivals(names: list[str]) -> list[RivalSpec]:
    return [STRATEGIES[name].rival() for name in names]


#: Workload, row, strategy, status and reason.
Cell = tuple[str, int, str, Status, str]


def others(backend: Backend, *, whole: bool) -> tuple[tuple[str, ...], ...]:
    """Groups of workloads beside the dense one: a strategy is tried on one of each group."""
    return KINDS if whole and backend is Backend.TENSORFLOW else QUICK


def rows(backend: Backend, *, whole: bool) -> list[Row]:
    return [row for row in ROWS[backend] if whole or row[:2] not in WHOLE]


def covered(backend: Backend, *, whole: bool) -> Iterator[Cell]:
    tried = rows(backend, whole=whole)
    cells = [*_until_all_are_met(backend, tried, DENSE, list(STRATEGIES))]
    yield from cells
    lifted = {name for _, _, name, status, _ in cells if status is Status.MEASURED}
    here = {name for name, strategy in STRATEGIES.items() if backend in strategy.backends}
    if backend is not Backend.JAX:  # which takes minutes for convolutions
        yield from _until_all_are_met(backend, tried, CONVOLUTION, sorted(here - lifted))
    for offset, group in enumerate(others(backend, whole=whole)):
        yield from _in_one_row(backend, tried, group, offset)


def _until_all_are_met(
    backend: Backend, rows: Sequence[Row], workload: str, names: list[str]
) -> Iterator[Cell]:
    met: dict[str, set[object]] = defaultdict(set)
    for place, row in enumerate(rows):
        values = set(enumerate(row))
        tried = [name for name in names if values - met[name]]
        for name, (status, reason) in ends(setting(backend, workload, row), rivals(tried)).items():
            yield workload, place, name, status, reason
            if status is Status.MEASURED:
                met[name] |= values


def _in_one_row(
    backend: Backend, rows: Sequence[Row], workloads: Sequence[str], offset: int
) -> Iterator[Cell]:
    left = {name: turn for turn, name in enumerate(STRATEGIES)}
    for late in (False, True):
        places = _places(backend, rows, workloads, late=late)
        for tried in range(min(TRIES, len(places))):
            together = defaultdict(list)
            for name, turn in left.items():
                together[(turn + offset + tried) % len(places)].append(name)
            for chosen, names in together.items():
                place, row, workload = places[chosen]
                ended = ends(setting(backend, workload, row), rivals(names))
                for name, (status, reason) in ended.items():
                    yield workload, place, name, status, reason
                    if status is Status.MEASURED or status in BROKEN:
                        del left[name]


def _places(
    backend: Backend, rows: Sequence[Row], workloads: Sequence[str], *, late: bool
) -> list[tuple[int, Row, str]]:
    """Pair rows and workloads so that two in a row differ in both, where there are several."""
    chosen = [
        (place, row)
        for place, row in enumerate(rows)
        if row[0] not in SLOW.get((backend, row[1]), ()) and ((backend, row[1]) in LATE) == late
    ]
    turns = range(math.lcm(len(chosen), len(workloads)) if chosen else 0)
    pairs = [(*chosen[turn % len(chosen)], workloads[turn % len(workloads)]) for turn in turns]
    return [pair for pair in pairs if pair[1][0] is FORWARD or pair[2] not in FORWARD_ALONE]
