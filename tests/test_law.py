"""Every lift keeps the law on every step, and a strategy that does not is caught."""

import dataclasses
import functools
import random
from collections import defaultdict
from itertools import chain, product

import pytest

from tests import broken, engines
from tests.law_cases import CASES, SEED, STEP, TIME
from tests.law_cover import (
    BROKEN,
    DENSE,
    DYNAMIC,
    FORWARD_ALONE,
    GRAPH,
    KINDS,
    LARGE,
    OTHERS,
    ROWS,
    STRATEGIES,
    WORKLOADS,
    ends,
    rivals,
)
from timelift.case import Backend, Dtype, Gradients, Lengths, Mode, Phase, Setting, Status, TimeAxis
from timelift.messages import RivalSpec, Task
from timelift.worker import law

#: What a strategy lifts nowhere on a backend: where the number of steps is not known, or where
#: lengths are not known while JAX compiles.
LIFTS_NOWHERE = {
    Backend.TENSORFLOW: dict.fromkeys(
        (
            "axis_swap_conv1d",
            "fold_chunks[k=8]",
            "fold_chunks[k=8,remat=True]",
            "loop_slice",
            "loop_unstack",
            "rnn_cell_unrolled",
            "time_distributed",
        ),
        frozenset({(1, DYNAMIC)}),
    ),
    Backend.JAX: {"bucketing[k=4]": {(1, GRAPH)}},
    Backend.TORCH: {},
}
#: It lifts convolutions alone, which are tried in one row on JAX.
OF_CONVOLUTIONS = {Backend.JAX: {"conv_extra_axis"}}


#: They lift layers of every kind.
OF_ANY_LAYER = {"fold_time", "loop_slice", "loop_unstack", "ops_map", "time_distributed"}


@functools.cache
def covered(backend):
    """What became of the cells of `tests/law_cover.py`, in a process of the backend."""
    script = f"from tests import law_cover\nlaw_cover.printed('{backend}')"
    return engines.told(backend, script)


@pytest.mark.parametrize("backend", Backend)
def test_every_strategy_keeps_the_law_or_refuses(backend):
    assert not [cell for cell in covered(backend) if cell[3] in BROKEN]


@pytest.mark.parametrize("backend", Backend)
def test_every_strategy_meets_other_layers_than_dense_ones(backend):
    met, lifted = defaultdict(set), defaultdict(set)
    for workload, _, name, status, _ in covered(backend):
        met[workload].add(name)
        if status == Status.MEASURED:
            lifted[workload].add(name)
    assert met.keys() == {DENSE, *chain(*OTHERS[backend])}
    for group in ((DENSE,), *OTHERS[backend]):
        assert set().union(*(met[one] for one in group)) == set(STRATEGIES)
        assert set().union(*(lifted[one] for one in group)) >= OF_ANY_LAYER


def test_every_workload_but_the_large_is_of_a_kind():
    assert sorted([DENSE, *LARGE, *chain(*KINDS)]) == sorted(WORKLOADS)


@pytest.mark.parametrize("backend", Backend)
def test_every_strategy_meets_every_value_of_every_axis(backend):
    rows = ROWS[backend]
    values = {value for row in rows for value in enumerate(row)}
    met = {name: set() for name in STRATEGIES if name not in OF_CONVOLUTIONS.get(backend, ())}
    for _, place, name, status, _ in covered(backend):
        if status == Status.MEASURED and name in met:
            met[name] |= set(enumerate(rows[place]))
    missing = {name: values - found for name, found in met.items() if found != values}
    elsewhere = {name: values for name, one in STRATEGIES.items() if backend not in one.backends}
    assert missing == LIFTS_NOWHERE[backend] | elsewhere


def settings(workload: str, seq_len: int, batch: int, time_axis: TimeAxis) -> list[Setting]:
    """The forward and the backward setting, in the verdict dtype.

    A static time axis is checked in eager mode, which runs the same model without the price of
    tracing; a dynamic one means nothing unless it is traced.
    """
    mode = Mode.EAGER if time_axis is TimeAxis.STATIC else Mode.GRAPH
    return [
        Setting(
            workload,
            seq_len,
            batch,
            phase,
            mode,
            gradients=Gradients.INPUTS_AND_WEIGHTS,
            time_axis=time_axis,
            dtype=Dtype.FLOAT64,
        )
        for phase in Phase
    ]


def assert_kept(setting: Setting, names: list[str]) -> None:
    """Every strategy keeps the law in a setting, or refuses it; some keep it."""
    found = ends(setting, rivals(names))
    assert not {name: why for name, why in found.items() if why[0] in BROKEN}
    assert sum(status is Status.MEASURED for status, _ in found.values()) >= 1


#: A batch, a number of steps and a time axis. Where that is dynamic all numbers of steps have one
#: graph, so that one step and several are tried.
SIZES = [
    *product([1, 3], [1, 2, 7], [TimeAxis.STATIC]),
    *product([1, 3], [1, 7], [TimeAxis.DYNAMIC]),
]


@pytest.mark.whole
@pytest.mark.parametrize("time_axis", TimeAxis)
@pytest.mark.parametrize("workload", WORKLOADS)
def test_the_whole_catalogue_keeps_the_law_on_every_workload(workload, time_axis):
    for setting in settings(workload, 3, 2, time_axis):
        assert_kept(setting, list(STRATEGIES))


@pytest.mark.whole
@pytest.mark.parametrize(("batch", "seq_len", "time_axis"), SIZES)
def test_the_whole_catalogue_keeps_the_law_at_every_size(batch, seq_len, time_axis):
    for setting in settings("sensor", seq_len, batch, time_axis):
        assert_kept(setting, list(STRATEGIES))


@pytest.mark.whole
@pytest.mark.parametrize("time_axis", TimeAxis)
@pytest.mark.parametrize(
    ("workload", "lengths"),
    [
        *product(["sensor", "frames"], [Lengths.UNIFORM, Lengths.SKEWED]),
        *product(["sentences", "set_attention"], [Lengths.UNIFORM]),
    ],
)
def test_the_law_holds_on_valid_steps_where_lengths_vary(workload, lengths, time_axis):
    for setting in settings(workload, 7, 3, time_axis):
        assert_kept(dataclasses.replace(setting, lengths=lengths), list(STRATEGIES))


#: By a workload of each kind what sums in another order; TensorFlow has no LSTM in bfloat16.
SUMS = {
    "tokens": ("native", "fold_time", "loop_slice", "einsum_letters", "conv1d_pointwise"),
    "frames": ("fold_time", "loop_slice", "conv_extra_axis"),
    "set_attention": ("fold_time", "loop_slice", "vectorized_map"),
    "sentences": ("fold_time", "loop_slice"),
}


def is_covered(workload: str, dtype: Dtype) -> bool:
    """True if every strategy has outputs and gradients in `tests/law_cover.py`."""
    return dtype is Dtype.FLOAT64 and workload not in FORWARD_ALONE


@pytest.mark.parametrize(
    ("workload", "dtype"),
    [
        pytest.param(kind, dtype, marks=[pytest.mark.whole] if is_covered(kind, dtype) else [])
        for kind, dtype in product(SUMS, Dtype)
        if (kind, dtype) != ("sentences", Dtype.BFLOAT16)
    ],
)
def test_what_sums_in_another_order_keeps_the_law_in_every_dtype(workload, dtype):
    """Where four steps of six are drawn; nothing but rounding sets the strategies apart.

    `make test` has no case that `tests/law_cover.py` has for every strategy.
    """
    for phase in Phase:
        setting = Setting(workload, 6, 8, phase, Mode.EAGER, Lengths.UNIFORM, dtype=dtype)
        if phase is Phase.BACKWARD:
            setting = dataclasses.replace(setting, gradients=Gradients.INPUTS_AND_WEIGHTS)
        found = ends(setting, rivals(list(SUMS[workload])), law_steps=Task.law_steps)
        assert found == dict.fromkeys(SUMS[workload], (Status.MEASURED, ""))


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("name", broken.STRATEGIES)
def test_a_strategy_that_breaks_the_law_is_caught(tmp_path, name, phase):
    text, sentences = broken.STRATEGIES[name]
    path = tmp_path / f"{name}.py"
    path.write_text(text)
    wrong = RivalSpec(name, str(path), {})
    setting = next(one for one in settings("sensor", 5, 3, TimeAxis.STATIC) if one.phase is phase)
    status, reason = ends(setting, [wrong])[name]
    if phase not in sentences:
        assert status is Status.MEASURED
    else:
        assert status in BROKEN
        assert sentences[phase] in reason


# Pairs of a wrong and a right strategy ------------------------------------------------------------

#: What is tried on the other backends: each way to ask an engine, once.
ELSEWHERE = (
    "NaN in an input gradient",
    "one step's gradient stopped",
    "another output in training",
    "a mean over time, and the rounding of an FFT",
    "NaN in training of a layer with noise",
    "another token at one step",
)
TRIED = {Backend.TENSORFLOW: tuple(CASES), Backend.JAX: ELSEWHERE, Backend.TORCH: ELSEWHERE}


@functools.cache
def of_cases(backend):
    """What becomes of the cases on a backend, in one process of its own."""
    script = (
        "import json\nfrom tests.law_cases import held\n"
        f"print(json.dumps({{one: held(one, '{backend}') for one in {list(TRIED[backend])}}}))"
    )
    return engines.told(backend, script)


@pytest.mark.parametrize(
    ("backend", "name"),
    [
        pytest.param(backend, name, marks=[pytest.mark.whole] if backend is Backend.JAX else [])
        for backend, names in TRIED.items()
        for name in names
    ],
)
def test_the_wrong_one_is_caught_and_the_right_one_passes(backend, name):
    for phase in Phase:
        told = of_cases(backend)[name][phase]
        assert told["right"] == [Status.MEASURED, ""]
        status, reason = told["wrong"]
        if phase in CASES[name].said:
            assert status == Status.LAW_BROKEN
            assert CASES[name].said[phase] in reason
        else:
            assert (status, reason) == (Status.MEASURED, "")


def test_these_cases_err_at_a_step_that_was_not_drawn():
    assert STEP not in law.draw_steps(TIME, Task.law_steps, random.Random(SEED))
