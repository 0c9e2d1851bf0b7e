"""Layers as people write them are lifted, and held to the law in their own precision.

They have a dtype policy of their own, are frozen in whole or in part, or are subclassed without
`build` and `compute_output_shape`, or lifted twice. Besides our strategies some are made here.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from studies import law
from tests.support import engines, law_cover
from tests.support.law_cases import BOTH, ends_of
from tests.support.projects import STRATEGIES
from timelift.axis_values import Backend, Dtype, Gradients, Mode, Phase, Status
from timelift.case import Setting
from timelift.inner_layer import LayerInputs, StepTensor
from timelift.messages import RivalSpec, Task

LAYERS = '''"""Layers."""
import keras
from keras.layers import Activation, Dense

def of_dtype(dtype):
    return lambda: Dense(5, activation="tanh", dtype=dtype)

single, mixed = of_dtype("float32"), of_dtype("mixed_bfloat16")
half, double = of_dtype("float16"), of_dtype("float64")

def half_inside():
    return keras.Sequential([Dense(5, activation="tanh", dtype="mixed_bfloat16"), Dense(4)])

class Block(keras.Layer):
    def __init__(self):
        super().__init__()
        self.first, self.second = Dense(5, activation="tanh"), Dense(4)
        self.first.trainable = False

    def call(self, x):
        return self.second(self.first(x))

def partly_frozen():
    return Block()

def bias_alone():
    layer = Dense(5, activation="tanh")
    layer.build((None, 6))
    layer.kernel.trainable = False
    return layer

def frozen():
    return Dense(5, activation="tanh", trainable=False)

def no_weights():
    return Activation("tanh")

def single_at_last():
    layers = [Dense(5, activation="tanh"), Activation("softmax", dtype="float32")]
    return keras.Sequential(layers)

def overflows():
    return keras.Sequential([Dense(5), keras.layers.Rescaling(1e6)])

def orthogonal():
    return Dense(5, kernel_initializer="orthogonal")

def attention():
    x = keras.Input((6,))
    y = keras.layers.Reshape((3, 2))(x)
    return keras.Model(x, keras.layers.MultiHeadAttention(1, 2, dtype="float16")(y, y))

def broken():
    raise NotImplementedError("no such kernel")
'''
#: Strategies made here, each with a line that changes the lifted outputs `y`. One is right: its
#: gradient by the inputs is in part rounded to float32 on its way.
OTHERS = {
    "partly_by_float32": "0.3 * y + 0.7 * self.lift(ops.cast(x, 'float32'), training)",
    "in_bfloat16": "ops.cast(ops.cast(y, 'bfloat16'), y.dtype)",
    "in_float32": "ops.cast(ops.cast(y, 'float32'), y.dtype)",
    "off_by_5_percent": "y * ops.cast(1.05, y.dtype)",
}


@dataclass(frozen=True)
class OwnLayerCase:
    layer: str
    phase: Phase
    strategies: tuple[str, ...]
    gradients: Gradients = Gradients.WEIGHTS
    dtype: Dtype = Dtype.FLOAT32
    mode: Mode = Mode.EAGER

    def ends(self, backend, folder):
        rivals = tuple(
            STRATEGIES[name].rival() if name in STRATEGIES else law.rivals({name: OTHERS[name]})[0]
            for name in self.strategies
        )
        axes = {"dtype": self.dtype, "gradients": self.gradients, "backend": backend}
        setting = Setting("own", 6, 8, self.phase, self.mode, **axes)
        layer = f"{folder}/layers.py:{self.layer}"
        return ends_of(Task(setting, rivals, layer, LayerInputs.of_one((6,)), 7, 0.0, warms=False))


FORWARD, BACKWARD = Phase.FORWARD, Phase.BACKWARD
FEW, COPIED = ("fold_time", "loop_slice"), ("fold_time", "conv1d_pointwise", "einsum_letters")
MIXED = ("fold_time", "off_by_5_percent")
OFF, BY_ROUNDING = {"off_by_5_percent"}, {"in_bfloat16"}
#: Each case with the strategies that must be caught.
HELD = {
    OwnLayerCase("single", FORWARD, (*FEW, "in_bfloat16")): BY_ROUNDING,
    OwnLayerCase("single", BACKWARD, (*FEW, "in_bfloat16"), BOTH): BY_ROUNDING,
    OwnLayerCase("mixed", FORWARD, (*FEW, "in_bfloat16", "off_by_5_percent")): OFF,
    OwnLayerCase("mixed", BACKWARD, MIXED, BOTH): OFF,
    OwnLayerCase("half", FORWARD, MIXED): OFF,
    OwnLayerCase("half", BACKWARD, MIXED, BOTH): OFF,
    OwnLayerCase("half_inside", FORWARD, MIXED): OFF,
    OwnLayerCase("single", FORWARD, (*FEW, "in_bfloat16"), dtype=Dtype.MIXED_BFLOAT16): BY_ROUNDING,
    OwnLayerCase("single_at_last", FORWARD, MIXED, dtype=Dtype.MIXED_FLOAT16): OFF,
    OwnLayerCase("single_at_last", BACKWARD, MIXED, dtype=Dtype.MIXED_FLOAT16): OFF,
    OwnLayerCase("single", BACKWARD, FEW, BOTH, Dtype.FLOAT64): set(),
    OwnLayerCase("partly_frozen", FORWARD, FEW): set(),
    OwnLayerCase("partly_frozen", BACKWARD, MIXED): OFF,
    OwnLayerCase("bias_alone", BACKWARD, (*COPIED, "off_by_5_percent")): OFF,
    OwnLayerCase("frozen", FORWARD, COPIED): set(),
    OwnLayerCase("frozen", BACKWARD, (*COPIED, "off_by_5_percent"), BOTH): OFF,
}
#: A layer computes in float64 on TensorFlow alone; its inputs and their gradient are float32.
DOUBLE = {
    OwnLayerCase("double", FORWARD, (*FEW, "in_float32")): {"in_float32"},
    OwnLayerCase("double", BACKWARD, (*FEW, "partly_by_float32"), BOTH): set(),
}
#: Cases in which nothing trains, with the class that the reason names.
NOTHING = {
    OwnLayerCase("no_weights", Phase.TRAIN, ("fold_time", "loop_slice", "lstm")): "Activation",
    OwnLayerCase("frozen", BACKWARD, ("fold_time", "loop_slice", "lstm")): "Dense",
    OwnLayerCase("no_weights", BACKWARD, ("fold_time", "loop_slice", "lstm")): "Activation",
}
ORTHOGONAL = OwnLayerCase("orthogonal", FORWARD, FEW)
COMPILED_ATTENTION = OwnLayerCase("attention", FORWARD, FEW, mode=Mode.GRAPH)
OVERFLOWS = OwnLayerCase("overflows", FORWARD, FEW)
#: Cases in which a kernel may be lacking, or a dtype too narrow: the backends that lack it, and the
#: end on the others.
KERNELS = {
    ORTHOGONAL: (set(), Status.MEASURED),
    replace(ORTHOGONAL, dtype=Dtype.MIXED_BFLOAT16): (set(), Status.MEASURED),
    replace(ORTHOGONAL, dtype=Dtype.BFLOAT16): (set(Backend), Status.MEASURED),
    replace(ORTHOGONAL, dtype=Dtype.FLOAT16): ({Backend.JAX, Backend.TORCH}, Status.MEASURED),
    replace(ORTHOGONAL, dtype=Dtype.BFLOAT16, layer="broken"): (set(), Status.NO_LAYER),
    replace(OVERFLOWS, dtype=Dtype.MIXED_FLOAT16): (set(Backend), Status.MEASURED),
    replace(OVERFLOWS, dtype=Dtype.MIXED_BFLOAT16): (set(), Status.MEASURED),
    COMPILED_ATTENTION: ({Backend.JAX}, Status.MEASURED),
    replace(COMPILED_ATTENTION, mode=Mode.EAGER): (set(), Status.MEASURED),
}
#: Cases that are tried on JAX, which takes a second or more for each.
ON_JAX = ("partly_frozen backward", "no_weights backward")


def cases(backend):
    kernels = [case for case in KERNELS if backend is not Backend.TORCH or case.mode is Mode.EAGER]
    if backend is Backend.JAX:
        chosen = [*HELD, *NOTHING]
        return kernels + [case for case in chosen if f"{case.layer} {case.phase}" in ON_JAX]
    return [*HELD, *NOTHING, *kernels, *(DOUBLE if backend is Backend.TENSORFLOW else ())]


def ends_of_cases(backend):
    with TemporaryDirectory() as folder:
        (Path(folder) / "layers.py").write_text(LAYERS)
        return [case.ends(Backend(backend), Path(folder)) for case in cases(Backend(backend))]


def ends_by_case(backend):
    ends = engines.evaluate(backend, "tests.test_own_layers", f"ends_of_cases('{backend}')")
    return dict(zip(cases(backend), ends, strict=True))


#: By backend, what is marked beside its group, which shares one answer.
NOT_TENSORFLOW = Backend.JAX, Backend.TORCH
MARKS = {Backend.TENSORFLOW: (), Backend.JAX: (pytest.mark.whole,), Backend.TORCH: ()}
BACKENDS = [
    pytest.param(each, marks=[pytest.mark.xdist_group(f"own_layers-{each}"), *marks])
    for each, marks in MARKS.items()
]


@pytest.mark.parametrize(
    "backend",
    [Backend.TENSORFLOW, *(pytest.param(each, marks=pytest.mark.whole) for each in NOT_TENSORFLOW)],
)
def test_a_layer_is_held_to_its_own_precision_and_by_its_trainable_weights(backend):
    caught = HELD | DOUBLE
    for case, ends in ends_by_case(backend).items():
        if case in caught:
            broken = {name for name, (status, _) in ends.items() if status == Status.LAW_BROKEN}
            measured = {name for name, (status, _) in ends.items() if status == Status.MEASURED}
            assert (broken, broken | measured) == (caught[case], set(case.strategies)), case


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_backward_without_anything_to_train_is_refused_in_one_sentence(backend):
    refused = {case: ends for case, ends in ends_by_case(backend).items() if case in NOTHING}
    assert refused
    for case, ends in refused.items():
        also = "" if case.phase is Phase.TRAIN else "--gradients inputs_and_weights, or for "
        sentence = f"{NOTHING[case]} has no weights that train; ask for {also}--phases forward."
        assert {tuple(end) for end in ends.values()} == {(Status.REFUSED, sentence)}


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_a_backend_or_a_dtype_lacks_is_a_refusal_and_another_error_is_none(backend):
    ended = {case: ends for case, ends in ends_by_case(backend).items() if case in KERNELS}
    for case, ends in ended.items():
        lacking, otherwise = KERNELS[case]
        expected = Status.REFUSED if backend in lacking else otherwise
        assert {status for status, _ in ends.values()} == {expected}, (case, ends)
    assert any(backend in KERNELS[case][0] for case in ended)


# A layer that is lifted twice, over the steps of the steps of a sequence --------------------------

#: As many inner steps as steps, so that a swap of both axes shows in values alone.
STEPS = 4
OUTER, INNER = "{} if x.shape[2:] != (6,) else y", "{} if x.shape[2:] == (6,) else y"
MEAN = "self.lift(x + 0.01 * ops.mean(x, axis=1, keepdims=True))"
RIGHT = {"folded": "y", "step by step": "self.steps(x, training)"}
#: The last one shows in no output.
WRONG = {
    "swaps the axes of time": OUTER.format("ops.swapaxes(y, 1, 2)"),
    "mixes steps": OUTER.format(MEAN),
    "mixes inner steps": INNER.format(MEAN),
    "is late by an inner step": INNER.format("ops.roll(y, 1, axis=1)"),
    "is wrong at one inner step": INNER.format("ops.where(at(y, 1, 2), 1.01 * y, y)"),
    "stops a gradient": INNER.format("ops.where(at(y, 1, 2), ops.stop_gradient(y), y)"),
}
LIFT_DENSE = ("fold_time", "native", "loop_unstack", "vectorized_map", "time_distributed")
#: A layer in a closure, which Keras does not see, so it trains nothing; as one of two layers it
#: cannot be lifted again.
CLOSURE = """
import keras

def build(layer, shape, dtype=None, *, twice=False):
    inputs = keras.Input(shape, dtype=dtype)
    y = keras.layers.Lambda(lambda x: layer(x))(inputs)
    return keras.Model(inputs, keras.layers.Identity()(y) if twice else y)
"""


def ends_on_dense(backend, phase, folder):
    usual = Setting("nested", STEPS, 3, Phase(phase), Mode.EAGER, gradients=BOTH, backend=backend)
    inputs = LayerInputs((StepTensor((STEPS, 6)),), lifts=2)
    closures = [RivalSpec(str(n), f"{folder}/closure.py", {"twice": n > 1}) for n in (1, 2)]
    chosen = *law.rivals(RIGHT | WRONG), *law_cover.rivals([*LIFT_DENSE]), *closures
    how = f"{law.PLANTED}:dense", inputs, 7, 0.0
    return ends_of(Task(usual, chosen, *how, warms=False, law_steps=STEPS))


@pytest.mark.parametrize(
    "cell",
    [
        "tensorflow forward",
        "tensorflow backward",
        pytest.param("jax forward", marks=pytest.mark.whole),
        "torch backward",
    ],
)
def test_both_lifts_are_held_to_the_law(tmp_path, cell):
    backend, phase = cell.split()
    (tmp_path / "closure.py").write_text(CLOSURE)
    asked = f"ends_on_dense(Backend('{backend}'), '{phase}', '{tmp_path}')"
    ended = engines.evaluate(backend, "tests.test_own_layers", asked)
    shown = list(WRONG) if phase == "backward" else list(WRONG)[:-1]
    kept = {name for name, (status, _) in ended.items() if status == Status.MEASURED}
    assert kept == {*RIGHT, *WRONG, *LIFT_DENSE} - {*shown}
    assert {ended[name][0] for name in shown} == {Status.LAW_BROKEN}
    assert "would not train the layer" in ended["1"][1]
    assert ended["2"][0] == Status.REFUSED
    assert "by several operations, and a second lift is of one layer" in ended["2"][1]


LIFTING = ["fold_time", "time_distributed", "loop_unstack"]


def ends_on_documents(phase):
    row = Phase(phase), law_cover.GRAPH, 3, 2, law_cover.FULL
    graph = law_cover.setting(Backend.TENSORFLOW, "documents", row)
    return law_cover.ends(graph, law_cover.rivals([*LIFTING, "native", "vectorized_map"]))


@pytest.mark.parametrize("phase", [pytest.param("forward", marks=pytest.mark.whole), "backward"])
def test_a_recurrent_layer_is_lifted_twice(phase):
    asked = f"ends_on_documents({phase!r})"
    ended = engines.evaluate("tensorflow", "tests.test_own_layers", asked)
    assert [name for name, (status, _) in ended.items() if status == Status.MEASURED] == LIFTING
    assert ended["native"][1] == "LSTM gives a meaning to other axes than the last."
    assert ended["vectorized_map"][0] == Status.REFUSED
