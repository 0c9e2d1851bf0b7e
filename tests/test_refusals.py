"""Every refusal is true: built anyway, the strategy fails or breaks the law where a fold lifts."""

import functools
import re
from dataclasses import dataclass, replace

import pytest

from tests.support import engines
from tests.support.projects import STRATEGIES
from timelift.axis_values import Backend, Dtype, Gradients, Lengths, Mode, Phase, Status, TimeAxis
from timelift.case import Setting
from timelift.inner_layer import LayerInputs, StepTensor
from timelift.measure.launch import LaunchProcess
from timelift.messages import RivalSpec, Task

LAYERS = """
import keras
from keras import layers

class Scaled(layers.Layer):
    def build(self, shape):
        self.stddev = self.add_weight(shape=(shape[-1],), initializer="ones")
        self.unused = self.add_weight(shape=(2,))  # as one that serves training alone

    def call(self, inputs):
        return inputs * self.stddev

class Block(layers.Layer):  # as people write it, without compute_output_shape
    def __init__(self, part):
        super().__init__()
        self.part = part

    def call(self, inputs):
        return self.part(inputs)

class Gate(Block):  # its part is the seed of noise, one for all features of a step, or of all steps
    def call(self, inputs, training=None):
        shape = (keras.ops.shape(inputs)[0], *[1] * (len(inputs.shape) - 1))
        return inputs * keras.random.uniform(shape, seed=self.part) if training else inputs

def dense():
    return layers.Dense(2, activation="tanh")

def noise():
    return keras.Sequential([dense(), layers.Dropout(0.5)])

def statistics():
    return keras.Sequential([dense(), layers.BatchNormalization()])

def frozen():
    layer = statistics()
    layer.trainable = False
    return layer

def attention():
    inputs = keras.Input((4, 3))
    return keras.Model(inputs, layers.MultiHeadAttention(1, 2)(inputs, inputs))

def make_layer():
    return {layer}
"""
VECTOR, SERIES, IMAGE = (3,), (4, 3), (5, 6, 2)
TWO_VECTORS = ((3,), (3,))
FORWARD, VARYING = {"phase": Phase.FORWARD}, {"lengths": Lengths.UNIFORM}
BACKWARD, TRAIN = {"phase": Phase.BACKWARD}, {"phase": Phase.TRAIN}
EAGER, EAGER_FORWARD = {"mode": Mode.EAGER}, {"mode": Mode.EAGER} | FORWARD
DYNAMIC = {"mode": Mode.GRAPH, "time_axis": TimeAxis.DYNAMIC}
#: A mask breaks a model into several graphs, which must not take their shapes for unknown ones.
MASKED = {"mode": Mode.GRAPH, "lengths": Lengths.UNIFORM}
INT8 = {"dtype": Dtype.INT8} | FORWARD
XLA, DOUBLE = {"mode": Mode.XLA}, {"dtype": Dtype.FLOAT64}
VMAP, TD, LAX = "vectorized_map", "time_distributed", "jax_lax_map[k=8]"
#: Strategies that need a known number of steps.
KNOWN_TIME = "loop_slice loop_unstack rnn_cell_unrolled fold_chunks[k=8] axis_swap_conv1d".split()
#: Strategies that call the layer inside a function that JAX transforms.
LOOPS = ("ops_scan", "ops_map", "ops_fori", "rnn_cell", "fold_chunks[k=8,remat=True]")
#: Strategies whose gradient by inputs PyTorch does not compile where time is dynamic.
CONVOLUTIONS = ("conv1d_pointwise", "conv_per_feature")
#: Strategies whose loop PyTorch unrolls.
UNROLLED = tuple("ops_fori ops_map rnn_cell time_distributed simple_rnn lstm gru".split())


@dataclass(frozen=True)
class RefusalCase:
    """A layer of steps of `features` and axes, with strategies that refuse it and that lift it.

    By default it is a backward call by inputs and weights. `sizes` are those of time and batch.
    A case is `slow` if a backend compiles it for seconds, `unseen` if the law cannot see the fault.
    """

    backend: Backend
    layer: str
    features: tuple
    axes: dict
    refused: tuple = ()
    lifted: tuple = ()
    slow: bool = False
    sizes: tuple = (5, 3)
    unseen: bool = False

    @property
    def label(self):
        return "-".join([self.backend, self.layer, *map(str, self.axes.values())])


on_tensorflow, on_jax, on_torch = (functools.partial(RefusalCase, backend) for backend in Backend)
GRU, CONV, DEPTHWISE = "layers.GRU(2)", "layers.Conv1D(2, 3)", "layers.DepthwiseConv2D(3)"
MASKED_GRU = f"keras.Sequential([layers.Masking(), {GRU}])"
SOFTMAX, NORM = "layers.Softmax()", "layers.LayerNormalization()"
SECOND_AXIS = "layers.LayerNormalization(axis=1)"
RELU = "layers.ReLU(activity_regularizer='l2')"
EINSUM = "layers.EinsumDense('...f,fu->...u', output_shape=(2,))"
CASES = [
    on_tensorflow("dense()", VECTOR, DYNAMIC | FORWARD, (*KNOWN_TIME, TD)),
    on_tensorflow("layers.Add()", TWO_VECTORS, DYNAMIC | FORWARD, ("ops_scan", TD), ("ops_map",)),
    on_tensorflow("dense()", VECTOR, DYNAMIC | XLA, (TD,), sizes=(4, 4)),
    on_tensorflow("dense()", VECTOR, XLA, ("ops_scan", "ops_fori")),
    on_tensorflow("dense()", VECTOR, XLA | VARYING, ("bucketing[k=4]", "loop_shrinking")),
    on_tensorflow("dense()", VECTOR, FORWARD, ("conv_extra_axis",)),
    on_tensorflow("dense()", VECTOR, {"dtype": Dtype.FLOAT16}, (), ("bucketing[k=4]",)),
    on_tensorflow("dense()", SERIES, FORWARD, ("conv1d_pointwise", "einsum_ellipsis", "gru")),
    on_tensorflow("Block(dense())", VECTOR, FORWARD, (TD,), ("native",)),
    on_tensorflow("dense()", VECTOR, INT8, (TD,), ("native", VMAP, "rnn_cell", "ops_scan")),
    on_jax("dense()", VECTOR, INT8, (TD,), ("native", VMAP), slow=True),
    on_torch("dense()", VECTOR, INT8, (TD,), ("native",), slow=True),
    on_tensorflow(SOFTMAX, (4,), VARYING | FORWARD, (TD, "native")),
    on_tensorflow(NORM, VECTOR, FORWARD, ("conv1d_pointwise", "einsum_letters")),
    on_tensorflow(SECOND_AXIS, VECTOR, FORWARD, ("native",)),
    on_tensorflow("layers.BatchNormalization()", VECTOR, FORWARD, ("native",)),
    on_tensorflow(EINSUM, VECTOR, FORWARD, ("native",)),
    on_tensorflow("keras.Sequential([layers.Flatten(), dense()])", SERIES, FORWARD, ("native",)),
    on_tensorflow(CONV, SERIES, FORWARD, ("native",)),
    on_tensorflow("Block(layers.LSTM(2))", SERIES, FORWARD, ("native",)),
    on_tensorflow("Block(keras.Sequential([dense()]))", VECTOR, FORWARD, ("native",)),
    on_tensorflow("layers.Lambda(lambda x: keras.ops.flip(x, 1))", VECTOR, FORWARD, ("native",)),
    on_tensorflow("layers.PReLU()", VECTOR, {}, ("native",)),
    on_tensorflow("Block(noise().layers[1])", VECTOR, {}, (), ("native",)),
    on_tensorflow("Block(dense())", VECTOR, {}, ("native",), sizes=(1, 3), unseen=True),
    on_tensorflow("Block(dense())", VECTOR, MASKED | FORWARD, ("native",), unseen=True),
    on_tensorflow(f"Block({RELU})", VECTOR, {}, ("native",), unseen=True),
    on_tensorflow("Gate(None)", VECTOR, {}, ("native",)),
    on_tensorflow("Gate(keras.random.SeedGenerator(1))", VECTOR, {}, ("native",)),
    on_tensorflow("layers.Conv1D(2, 3, padding='causal')", SERIES, FORWARD, ("conv_extra_axis",)),
    on_tensorflow("layers.LSTM(2)", SERIES, DYNAMIC | FORWARD, (VMAP,), sizes=(1, 1)),
    on_tensorflow(GRU, SERIES, DYNAMIC, (TD,), sizes=(4, 4), slow=True),
    on_tensorflow(GRU, SERIES, VARYING | FORWARD, (TD,)),
    on_tensorflow(MASKED_GRU, SERIES, VARYING, (), (TD,), slow=True),
    on_tensorflow(GRU, SERIES, {}, (VMAP,), slow=True),
    on_tensorflow(GRU, SERIES, XLA | FORWARD, (VMAP,), slow=True),
    on_tensorflow("layers.SimpleRNN(2)", SERIES, {}, ("tf_vectorized_map",), slow=True),
    on_tensorflow("layers.Conv2D(2, 3, groups=2)", IMAGE, DOUBLE, (VMAP,)),
    on_tensorflow(DEPTHWISE, IMAGE, XLA, (VMAP,)),
    on_tensorflow(DEPTHWISE, IMAGE, EAGER_FORWARD, ("tf_vectorized_map",)),
    on_tensorflow("layers.SeparableConv1D(2, 3)", SERIES, XLA, (VMAP,)),
    on_tensorflow("layers.Conv3D(2, 2)", (3, 3, 3, 1), FORWARD, ("tf_vectorized_map",)),
    on_jax("noise()", VECTOR, {}, LOOPS, ("fold_chunks[k=8]", VMAP)),
    on_jax("noise()", VECTOR, EAGER, ("ops_scan", "rnn_cell"), ("bucketing[k=4]",), slow=True),
    on_jax("statistics()", VECTOR, {}, ("ops_map", "ops_fori", LAX, VMAP), (TD,)),
    on_jax("statistics()", VECTOR, EAGER, (*LOOPS, VMAP), ("fold_chunks[k=8]",), slow=True),
    on_jax("statistics()", VECTOR, FORWARD, (), (*LOOPS, VMAP)),
    on_jax("frozen()", VECTOR, {}, (), ("ops_scan", VMAP)),
    on_jax("Scaled()", VECTOR, {}, (), (*LOOPS, VMAP)),
    on_jax(CONV, SERIES, VARYING, ("rnn_cell",), ("rnn_cell_unrolled", TD)),
    on_jax(CONV, SERIES, DOUBLE, (), ("ops_scan", "ops_map")),
    on_jax("dense()", VECTOR, VARYING, ("bucketing[k=4]",), ("rnn_cell", TD)),
    on_jax("dense()", VECTOR, FORWARD, ("bucketing[k=4]",), ("rnn_cell",)),
    on_jax("attention()", SERIES, VARYING, ("rnn_cell", TD), ("rnn_cell_unrolled",), slow=True),
    on_jax("layers.GRU(2, recurrent_dropout=0.5)", SERIES, {}, ("ops_map",), (VMAP,), slow=True),
    on_jax(GRU, SERIES, {}, (), LOOPS, slow=True),
    on_jax(GRU, SERIES, VARYING, (TD,), ("rnn_cell", "loop_slice"), slow=True),
    on_torch("layers.Dropout(0.5)", VECTOR, EAGER, (VMAP,)),
    on_torch("Block(noise())", VECTOR, EAGER, (VMAP,)),
    on_torch("layers.Dropout(0.5)", VECTOR, EAGER_FORWARD, (), (VMAP,)),
    on_torch("layers.Dropout(0.0)", VECTOR, EAGER, (), (VMAP,)),
    on_torch("layers.GaussianNoise(0.5)", VECTOR, EAGER, (VMAP,)),
    on_torch("layers.LSTM(2, dropout=0.5)", SERIES, EAGER, (VMAP,)),
    on_torch("layers.LSTM(2)", SERIES, EAGER, (), (VMAP,)),
    on_torch("layers.BatchNormalization()", VECTOR, EAGER, (VMAP,)),
    on_torch("layers.BatchNormalization()", VECTOR, EAGER_FORWARD, (), (VMAP,)),
    on_torch("frozen()", VECTOR, EAGER, (), (VMAP,)),
    on_torch("Scaled()", VECTOR, EAGER, (), (VMAP,)),
    on_torch(CONV, SERIES, EAGER, (), (VMAP,)),
    on_torch("layers.Conv2D(2, 3)", IMAGE, EAGER_FORWARD, (VMAP,)),
    on_torch("layers.Conv2D(2, 3, data_format='channels_first')", (2, 5, 6), EAGER, (), (VMAP,)),
    on_torch("layers.Conv2DTranspose(2, 3)", IMAGE, EAGER, (), (VMAP,)),
    on_torch("layers.Conv3D(2, 2)", (3, 3, 3, 1), EAGER_FORWARD, (VMAP,)),
    on_torch("layers.DepthwiseConv2D(2)", IMAGE, EAGER_FORWARD, (VMAP,)),
    on_torch("layers.SeparableConv2D(2, 2)", IMAGE, EAGER_FORWARD, (VMAP,)),
    on_torch("layers.SeparableConv1D(2, 3)", SERIES, EAGER, (), (VMAP,)),
    on_torch("dense()", VECTOR, DYNAMIC | FORWARD, ("ops_scan", *UNROLLED), slow=True),
    on_torch("dense()", VECTOR, DYNAMIC | BACKWARD, CONVOLUTIONS, slow=True),
    on_torch("dense()", VECTOR, DYNAMIC | TRAIN, (), CONVOLUTIONS, slow=True),
    on_torch("dense()", VECTOR, MASKED, (), ("conv_per_feature",), slow=True),
]
#: What has no weights, and so no train step.
WEIGHTLESS = ("layers.Dropout", "layers.GaussianNoise", "Gate")
#: Those on TensorFlow are a cover of the train steps.
QUICK = [case for case in CASES if case.backend is Backend.TENSORFLOW and not case.axes]
#: A train step is refused where a backward call is.
TRAINED = [
    replace(case, axes=case.axes | TRAIN, slow=case.slow or case not in QUICK)
    for case in CASES
    if case.refused and "phase" not in case.axes and not case.unseen
    if not case.layer.startswith(WEIGHTLESS)
]
#: What training may add to layers; noise that no seed makes may be anything.
ADDED = {"dense()": [], "noise()": ["noise"], "statistics()": ["statistics"]}
ADDED["Gate(None)"] = ["noise", "statistics", "losses"]


@functools.cache
def launched(backend):
    """A launch of a backend, which ends with this process; every setting has its own worker."""
    engines.skip_without(backend)
    return LaunchProcess(backend, 240)


OF_ONE_LAUNCH = {one: pytest.mark.xdist_group(f"refusals-{one}") for one in Backend}
WHOLE = pytest.mark.whole


def without_refusals(folder, name, judges="refuses"):
    """Return a copy of the strategy that lacks its judges, and so refuses nothing."""
    strategy, path = STRATEGIES[name], folder / f"{len(list(folder.iterdir()))}.py"
    judge = re.compile(rf"^def ({judges})\b", re.MULTILINE)
    path.write_text(judge.sub(r"def formerly_\1", strategy.path.read_text()))
    return RivalSpec(f"{name} anyway", str(path), dict(strategy.parameters))


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, marks=[OF_ONE_LAUNCH[case.backend], *([WHOLE] if case.slow else [])])
        for case in [*CASES, *TRAINED]
    ],
    ids=lambda case: case.label,
)
def test_a_strategy_refuses_only_where_it_would_fail(tmp_path, case):
    layer = tmp_path / "layer.py"
    layer.write_text(LAYERS.format(layer=case.layer))
    usual = {"phase": Phase.BACKWARD, "gradients": Gradients.INPUTS_AND_WEIGHTS}
    setting = Setting("probe", *case.sizes, backend=case.backend, **(usual | case.axes))
    names = [*case.refused, *case.lifted, "fold_time"]
    judges = "refuses|tries" if case.unseen else "refuses"
    anyway = [without_refusals(tmp_path, name, judges) for name in (*case.refused, "fold_time")]
    rivals = (*(STRATEGIES[name].rival() for name in names), *anyway)
    shapes = case.features if case.features == TWO_VECTORS else (case.features,)
    inputs = LayerInputs(tuple(map(StepTensor, shapes)))
    task = Task(setting, rivals, f"{layer}:make_layer", inputs, 1, 0.0)
    outcomes = {end.case.strategy: end for end in launched(case.backend).measure(task)}
    for name in case.refused:
        assert (outcomes[name].status, outcomes[name].reason[-1:]) == (Status.REFUSED, "."), name
        ends = {Status.MEASURED} if case.unseen else {Status.FAILED, Status.LAW_BROKEN}
        if name == "native" and not case.unseen and case.layer not in {SOFTMAX, SECOND_AXIS}:
            ends = {Status.REFUSED}  # what it tries is no fault of its own
        assert outcomes[f"{name} anyway"].status in ends, name
    for name in (*case.lifted, "fold_time", "fold_time anyway"):
        assert outcomes[name].status is Status.MEASURED, (name, outcomes[name].reason)
        assert outcomes[name].facts.added == ADDED.get(case.layer, outcomes[name].facts.added)
