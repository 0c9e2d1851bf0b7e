"""Every lift keeps the law on every step, and a strategy that does not is caught."""

import gc
import random
from collections import Counter, defaultdict
from dataclasses import replace
from itertools import chain, combinations, product

import pytest

from studies import law as studied_law
from studies import support
from studies.planted import STEP
from tests.support import engines, law_cover
from tests.support.law_cases import CASES, PHASES, SEED, TIME
from tests.support.law_cover import DENSE, DYNAMIC, EAGER, NESTS, ends, rivals, setting
from tests.support.projects import STRATEGIES, WORKLOADS
from tests.support.tensorflow_here import keras
from timelift.axis_values import Backend, Dtype, Lengths, Phase, Status
from timelift.messages import Task
from timelift.worker import law

#: Strategies that need a known number of steps.
KNOWN_TIME = (
    *("axis_swap_conv1d", "fold_chunks[k=8]", "fold_chunks[k=8,remat=True]", "loop_slice"),
    *("loop_unstack", "rnn_cell_unrolled", "time_distributed"),
)
#: Values that a strategy lifts in no row of a backend, each by its place in the row: an unknown
#: number of steps, and on JAX the graph mode, in which lengths are unknown.
LIFTS_NOWHERE = {
    Backend.TENSORFLOW: {name: {(1, DYNAMIC)} for name in KNOWN_TIME},
    Backend.JAX: {"bucketing[k=4]": {(1, law_cover.GRAPH)}},
    Backend.TORCH: {},
}
#: Strategies that lift convolutions alone, which are tried in one row on JAX.
OF_CONVOLUTIONS = {Backend.JAX: {"conv_extra_axis"}}
#: Strategies that lift layers of every kind.
OF_ANY_LAYER = {"fold_time", "loop_slice", "loop_unstack", "ops_map", "time_distributed"}


def covered(backend, whole):
    asked = f"[*covered(Backend('{backend}'), whole={whole})]"
    return engines.evaluate(backend, "tests.support.law_cover", asked)


#: Whether all cells of a backend are tried; JAX compiles them for most of a minute.
TRIED_WHOLE = {
    (Backend.TENSORFLOW, False): (),
    (Backend.TENSORFLOW, True): (pytest.mark.whole,),
    (Backend.JAX, True): (pytest.mark.whole,),
    (Backend.TORCH, False): (),
}
COVERED = pytest.mark.parametrize(
    ("backend", "whole"),
    [
        pytest.param(
            *tried, marks=[pytest.mark.xdist_group("-".join(map(str, ("law", *tried)))), *marks]
        )
        for tried, marks in TRIED_WHOLE.items()
    ],
)


@COVERED
def test_every_strategy_keeps_the_law_or_refuses(backend, whole):
    assert not [cell for cell in covered(backend, whole) if cell[3] in law_cover.BROKEN]


@COVERED
def test_every_strategy_meets_other_layers_than_dense_ones(backend, whole):
    groups = law_cover.others(backend, whole=whole)
    met, lifted = defaultdict(set), defaultdict(set)
    for workload, _, name, status, _ in covered(backend, whole):
        met[workload].add(name)
        if status == Status.MEASURED:
            lifted[workload].add(name)
    assert met.keys() == {DENSE, *chain(*groups)}
    for group in ((DENSE,), *groups):
        assert set().union(*(met[workload] for workload in group)) == set(STRATEGIES)
        assert set().union(*(lifted[workload] for workload in group)) >= OF_ANY_LAYER


def test_every_other_workload_is_of_a_kind():
    assert sorted([DENSE, *law_cover.LARGE, *NESTS, *chain(*law_cover.KINDS)]) == sorted(WORKLOADS)


@COVERED
def test_every_strategy_meets_every_value_of_every_axis(backend, whole):
    rows = law_cover.rows(backend, whole=whole)
    values = {value for row in rows for value in enumerate(row)}
    met = {name: set() for name in STRATEGIES if name not in OF_CONVOLUTIONS.get(backend, ())}
    for _, place, name, status, _ in covered(backend, whole):
        if status == Status.MEASURED and name in met:
            met[name] |= set(enumerate(rows[place]))
    unmet = {name: values - own for name, own in met.items() if own != values}
    of_others = {
        name: values for name, strategy in STRATEGIES.items() if backend not in strategy.backends
    }
    assert unmet == LIFTS_NOWHERE[backend] | of_others


#: Batches with a number of steps.
SIZES = [(3, 1), (1, 2), (2, 3)]
#: Static time runs eagerly, the same model without a price of tracing.
WAYS = [EAGER, DYNAMIC]
#: Every workload in every phase, with sizes and ways in turn: every pair of these four is tried.
#: The phase says what a lift must compute, the way how it is traced.
EVERYWHERE = [
    (workload, (phase, WAYS[(number // 3 + turn) % 2], *SIZES[(number + turn) % 3], Lengths.FULL))
    for number, workload in enumerate(WORKLOADS)
    for turn, phase in enumerate(support.PHASES)
]
#: Sequences of many steps, and of lengths of their own where a kind of layer takes them. On
#: `sensor` all kinds of lengths meet all phases, on others some.
MANY_STEPS = [
    *product(["sensor"], support.PHASES, Lengths),
    ("frames", Phase.FORWARD, Lengths.UNIFORM),
    *product(["frames"], [Phase.BACKWARD, Phase.TRAIN], [Lengths.SKEWED]),
    *product(["sentences"], PHASES, [Lengths.UNIFORM]),
    *product(["vit_patches"], [Phase.BACKWARD, Phase.TRAIN], [Lengths.UNIFORM]),
]
EVERYWHERE += [
    (workload, (phase, WAYS[turn % 2], 3, 7, lengths))
    for turn, (workload, phase, lengths) in enumerate(MANY_STEPS)
]


def test_the_whole_catalogue_has_every_pair_of_workload_phase_way_and_size():
    cells = [(workload, *row[:2], row[2:4]) for workload, row in EVERYWHERE]
    for pair in combinations(enumerate((WORKLOADS, support.PHASES, WAYS, SIZES)), 2):
        (one, values), (other, others) = pair
        assert {(cell[one], cell[other]) for cell in cells} >= {*product(values, others)}


@pytest.fixture
def forgets():
    """Free the models of a test, and their graphs: those of all cells take 16 GB."""
    yield
    keras.utils.clear_session()
    gc.collect()


@pytest.mark.whole
@pytest.mark.usefixtures("forgets")
@pytest.mark.parametrize(
    ("workload", "row"),
    EVERYWHERE,
    ids=lambda one: (
        one if isinstance(one, str) else "-".join(map(str, (*one[:1], *one[1], *one[2:])))
    ),
)
def test_the_whole_catalogue_keeps_the_law(workload, row):
    ended = ends(setting(Backend.TENSORFLOW, workload, row), rivals(list(STRATEGIES)))
    assert not {name: end for name, end in ended.items() if end[0] in law_cover.BROKEN}
    assert Status.MEASURED in {status for status, _ in ended.values()}


#: PyTorch takes seconds to compile each; some have Python between their graphs.
QUICKER = ("fold_time", "native", "ops_map", "loop_slice", "vectorized_map", "rnn_cell")


@pytest.mark.whole
@pytest.mark.parametrize("backend", [Backend.JAX, Backend.TORCH])
def test_what_the_other_backends_compile_keeps_the_law(monkeypatch, backend):
    """`python -m studies.support --by-backend` tries every workload there."""
    engines.skip_without(backend)
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    names = QUICKER if backend is Backend.TORCH else STRATEGIES
    chosen = {name: STRATEGIES[name] for name in names}
    cells = support.cells(WORKLOADS[DENSE], chosen, backend, [support.COMPILED])
    ends = {cell.strategy: (cell.word, cell.reason) for cell in cells}
    assert not {name: end for name, end in ends.items() if end[0] == "fails"}
    assert ends["fold_time"][0] == ends["loop_slice"][0] == "lifts"


#: Strategies that sum in another order, by a workload of each kind of layer; TensorFlow has no LSTM
#: in bfloat16.
SUMS = {
    "tokens": ("native", "fold_time", "loop_slice", "einsum_letters", "conv1d_pointwise"),
    "frames": ("fold_time", "loop_slice", "conv_extra_axis"),
    "vit_patches": ("fold_time", "loop_slice", "vectorized_map"),
    "sentences": ("fold_time", "loop_slice"),
}
#: Each computes as another one does.
LIKE_OTHERS = {Dtype.MIXED_BFLOAT16, Dtype.FLOAT16}


def is_covered(workload, dtype):
    """True if every strategy has outputs and gradients in `support/law_cover.py`, or a like one."""
    if dtype in LIKE_OTHERS:
        return True
    if workload == "vit_patches":  # takes seconds in each dtype; `test_own_layers.py` has attention
        return True
    return dtype is Dtype.FLOAT64 and workload not in law_cover.FORWARD_ALONE


@pytest.mark.parametrize(
    ("workload", "dtype"),
    [
        pytest.param(kind, dtype, marks=[pytest.mark.whole] if is_covered(kind, dtype) else [])
        for kind, dtype in product(SUMS, Dtype)
        if (kind, dtype) != ("sentences", Dtype.BFLOAT16) and dtype is not Dtype.INT8
    ],
)
def test_what_sums_in_another_order_keeps_the_law_in_every_dtype(workload, dtype):
    """Where four steps of six are drawn; nothing but rounding sets the strategies apart."""
    for phase in PHASES:
        drawn = setting(Backend.TENSORFLOW, workload, (phase, EAGER, 8, 6, Lengths.UNIFORM))
        chosen = rivals(list(SUMS[workload]))
        ended = ends(replace(drawn, dtype=dtype), chosen, law_steps=Task.law_steps)
        assert ended == dict.fromkeys(SUMS[workload], (Status.MEASURED, ""))


def test_what_takes_a_quantised_layer_keeps_its_law():
    """Keras quantises Dense alone of these, and no gradient is asked for."""
    names = ["native", "fold_time", "ops_map", "rnn_cell", "vectorized_map", "loop_slice"]
    how = Phase.FORWARD, EAGER, 8, 6, Lengths.UNIFORM
    drawn = replace(setting(Backend.TENSORFLOW, "tokens", how), dtype=Dtype.INT8)
    ended = ends(drawn, rivals(names), law_steps=Task.law_steps)
    assert ended == dict.fromkeys(names, (Status.MEASURED, ""))


#: Cases for the other backends: each way of calling an engine, once.
FEW_CASES = (
    "a mean over time, and the rounding of an FFT",
    "NaN in training of a layer with noise",
    "another token at one step",
)
#: The cases of each backend, and a mark.
TRIED = {
    Backend.TENSORFLOW: (tuple(CASES),),
    Backend.JAX: (FEW_CASES, pytest.mark.whole),
    Backend.TORCH: (FEW_CASES,),
}


@pytest.mark.parametrize(
    ("backend", "name"),
    [
        pytest.param(backend, name, marks=[pytest.mark.xdist_group(f"cases-{backend}"), *marks])
        for backend, (names, *marks) in TRIED.items()
        for name in names
    ],
)
def test_a_wrong_strategy_is_caught_and_the_right_one_passes(backend, name):
    by_name = f"{{name: ends_by_phase(name, '{backend}') for name in {TRIED[backend][0]}}}"
    by_phase = engines.evaluate(backend, "tests.support.law_cases", by_name)[name]
    for phase in PHASES:
        ends, expected = by_phase[phase], CASES[name].reasons.get(phase)
        assert ends["right"] == [Status.MEASURED, ""]
        status, reason = ends["wrong"]
        if expected is None:
            assert (status, reason) == (Status.MEASURED, "")
        else:
            assert status == Status.LAW_BROKEN
            assert expected in reason


def test_a_layer_that_disagrees_with_itself_condemns_nobody():
    by_phase = engines.evaluate(
        "tensorflow", "tests.support.law_cases", "ends_by_phase('noise', 'tensorflow')"
    )
    for status, reason in chain.from_iterable(each.values() for each in by_phase.values()):
        assert status == Status.REFUSED
        assert "called again on the same inputs" in reason


#: Planted mistakes for the other backends: in outputs, in gradients, and in training.
FEW_KINDS = ("kept", "a gradient stopped at one step", "another output in training")
#: Every kind of mistake, of those at a place at one of nine.
EACH_KIND = ("at one step", *(mistake.name for mistake in studied_law.SPECIAL), "mean", "carried")


@pytest.mark.parametrize(
    ("backend", "kinds", "in_train", "least"),
    [
        (Backend.TENSORFLOW, EACH_KIND, FEW_KINDS, 30),
        pytest.param(Backend.TENSORFLOW, ("",), ("",), 281, marks=pytest.mark.whole),  # all
        pytest.param(Backend.JAX, FEW_KINDS, FEW_KINDS, 3, marks=pytest.mark.whole),
        (Backend.TORCH, FEW_KINDS, FEW_KINDS, 3),
    ],
)
def test_planted_mistakes_are_found_and_no_right_lift_is_condemned(backend, kinds, in_train, least):
    asked = f"ends_of_mistakes('{backend}', {kinds}, in_train={in_train})"
    mistakes, right = engines.evaluate(backend, "tests.support.law_cases", asked)
    assert len(mistakes) >= least
    assert not [each for each in mistakes if each[1] not in {Status.LAW_BROKEN, Status.FAILED}]
    assert not [each for each in right if each[1] != Status.MEASURED]


@pytest.mark.parametrize(
    "dtype",
    [
        pytest.param(dtype, marks=[pytest.mark.whole] if dtype in LIKE_OTHERS else [])
        for dtype in studied_law.SIZES
    ],
)
def test_a_right_lift_passes_in_16_bits_and_planted_mistakes_are_found(dtype):
    sizes = studied_law.SIZES[dtype]
    kinds = (
        f"outputs {sizes.outputs:g} too large at one step",
        f"a gradient {sizes.gradients:g} too large everywhere",
        "outputs of the step before at the last step",
        "a mean over time",
    )
    asked = f"ends_of_mistakes('tensorflow', {kinds}, '{dtype}')"
    mistakes, right = engines.evaluate("tensorflow", "tests.support.law_cases", asked)
    phases = [phase for phase in support.PHASES if (dtype, phase) != (Dtype.FLOAT16, Phase.TRAIN)]
    tried = Counter(name.rpartition(", ")[2] for name, *_ in mistakes)
    assert tried == dict.fromkeys(phases, 3)
    assert not [each for each in mistakes if each[1] != Status.LAW_BROKEN]
    assert not [each for each in right if each[1] != Status.MEASURED]


def test_these_cases_err_at_a_step_that_was_not_drawn():
    assert STEP not in law.draw_steps(TIME, Task.law_steps, random.Random(SEED))
