"""Every refusal is true: where a strategy refuses, it fails or breaks the law when asked anyway."""

from dataclasses import dataclass, field, replace
from types import FunctionType, SimpleNamespace

import numpy as np
import pytest

from tests.projects import STRATEGIES
from tests.tensorflow_here import floating, keras, tf
from timelift.case import Dtype, Lengths, Mode, Phase, Setting, TimeAxis
from timelift.worker.isolation import load_module

layers = keras.layers
DYNAMIC = {"time_axis": TimeAxis.DYNAMIC}
XLA_BACKWARD = {"mode": Mode.XLA, "phase": Phase.BACKWARD}
EAGER = {"mode": Mode.EAGER}
DOUBLE = {"dtype": Dtype.FLOAT64}
GRAPH_BACKWARD = {"phase": Phase.BACKWARD}


@pytest.fixture(autouse=True)
def single_precision():
    """Ask in float32, in which the layers below are made."""
    with floating("float32"):
        yield


@dataclass(frozen=True)
class Refused:
    """A strategy, a layer for one step of `features`, and where in the axes it is refused."""

    strategy: str
    layer: keras.layers.Layer
    features: tuple
    axes: dict = field(default_factory=dict)
    batch: int = 3
    time: int = 5

    @property
    def setting(self):
        """The setting with its unusual axes."""
        axes = {"phase": Phase.FORWARD, **self.axes}
        return Setting("probe", self.time, self.batch, **axes)

    @property
    def label(self):
        """The case in a few words."""
        return "-".join([self.strategy, type(self.layer).__name__, *map(str, self.axes.values())])


def dense():
    """A layer from vectors to vectors."""
    return layers.Dense(2, activation="tanh")


class Doubled(layers.Layer):
    """A layer that is subclassed as people do it, without `compute_output_shape`."""

    def call(self, x):
        return 2 * x


def refused():
    """A sample of refusals, each reason at least once."""
    square = {"batch": 4, "time": 4}
    varying = {**XLA_BACKWARD, "lengths": Lengths.UNIFORM}
    image, series = (5, 6, 2), (4, 3)
    grouped = layers.Conv2D(2, 3, groups=2, dtype="float64")
    return [
        Refused("loop_slice", dense(), (3,), DYNAMIC),
        Refused("loop_unstack", dense(), (3,), DYNAMIC),
        Refused("rnn_cell_unrolled", dense(), (3,), DYNAMIC),
        Refused("fold_chunks[k=8]", dense(), (3,), DYNAMIC),
        Refused("time_distributed", dense(), (3,), DYNAMIC),
        Refused("time_distributed", dense(), (3,), {**DYNAMIC, **XLA_BACKWARD}, **square),
        Refused("time_distributed", layers.GRU(2), series, {**DYNAMIC, **GRAPH_BACKWARD}, **square),
        Refused("time_distributed", layers.GRU(2), series, {"lengths": Lengths.UNIFORM}),
        Refused("time_distributed", layers.Softmax(), (4,), {"lengths": Lengths.UNIFORM}),
        Refused("native", layers.Softmax(), (4,), {"lengths": Lengths.UNIFORM}),
        Refused("time_distributed", Doubled(), (3,)),
        Refused("vectorized_map", layers.LSTM(2), series, DYNAMIC, batch=1, time=1),
        Refused("vectorized_map", layers.GRU(2), series, GRAPH_BACKWARD),
        Refused("vectorized_map", layers.GRU(2), series, {"mode": Mode.XLA}),
        Refused("vectorized_map", grouped, image, {**GRAPH_BACKWARD, **DOUBLE}),
        Refused("vectorized_map", layers.DepthwiseConv2D(3), image, XLA_BACKWARD),
        Refused("vectorized_map", layers.SeparableConv1D(2, 3), series, XLA_BACKWARD),
        Refused("tf_vectorized_map", layers.DepthwiseConv2D(3), image, EAGER),
        Refused("tf_vectorized_map", layers.Conv3D(2, 2), (3, 3, 3, 1)),
        Refused("tf_vectorized_map", layers.SimpleRNN(2), series, GRAPH_BACKWARD),
        Refused("ops_scan", dense(), (3,), XLA_BACKWARD),
        Refused("ops_fori", dense(), (3,), XLA_BACKWARD),
        Refused("bucketing[k=4]", dense(), (3,), varying),
        Refused("loop_shrinking", dense(), (3,), varying),
        Refused("native", layers.BatchNormalization(), (3,)),
        Refused("native", layers.EinsumDense("...f,fu->...u", output_shape=(2,)), (3,)),
        Refused("native", layers.LayerNormalization(axis=1), (3,)),
        Refused("native", layers.Conv1D(2, 3), series),
        Refused("native", layers.LSTM(2), series),
        Refused("native", keras.Sequential([layers.Flatten(), dense()]), series),
        Refused("conv1d_pointwise", dense(), series),
        Refused("conv1d_pointwise", layers.LayerNormalization(), (3,)),
        Refused("einsum_letters", layers.LayerNormalization(), (3,)),
        Refused("einsum_ellipsis", dense(), series),
        Refused("conv_extra_axis", layers.Conv1D(2, 3, padding="causal"), series),
        Refused("conv_extra_axis", dense(), (3,)),
        Refused("axis_swap_conv1d", dense(), (3,), DYNAMIC),
        Refused("gru", dense(), series),
    ]


@pytest.mark.parametrize("case", refused(), ids=lambda case: case.label)
def test_a_refusal_is_true(case):
    module = load_module(str(STRATEGIES[case.strategy].path))
    case.layer.build((None, *case.features))
    sentence = module.refuses(case.layer, case.setting)
    assert isinstance(sentence, str)
    assert sentence.endswith((".", "tf_keras"))
    assert failing(module, case)


@pytest.mark.parametrize("case", refused(), ids=lambda case: case.label)
def test_a_false_refusal_is_caught(case):
    module = load_module(str(STRATEGIES["fold_time"].path))
    case.layer.build((None, *case.features))
    assert failing(module, replace(case, strategy="fold_time")) == ""


def test_a_missing_package_is_refused_with_the_command_that_installs_it(monkeypatch):
    module = load_module(str(STRATEGIES["tf_keras_time_distributed"].path))
    absent = SimpleNamespace(util=SimpleNamespace(find_spec=lambda _: None))
    monkeypatch.setattr(module, "importlib", absent)
    assert module.refuses(None, None).endswith("pip install tf_keras")


@pytest.mark.parametrize(
    ("version", "refused"),
    [("3.9.2", False), ("3.13.2", False), ("3.14.0", True), ("3.15.0.dev0", True), ("4.0", True)],
)
def test_versions_of_keras_are_compared_as_numbers(monkeypatch, version, refused):
    module = load_module(str(STRATEGIES["time_distributed"].path))
    monkeypatch.setattr(module.keras, "version", lambda: version)
    case = Refused("time_distributed", dense(), (3,), DYNAMIC)
    assert bool(module.refuses(case.layer, case.setting)) == refused


def failing(module, case):
    """Build, run and compare without asking `refuses`; say what went wrong, or nothing."""
    try:
        model = module.build(case.layer, declared_time(case), **parameters(case))
        found = run(model, case)
    except Exception as error:  # noqa: BLE001 - whatever it raises, it does not lift
        return type(error).__name__
    step = keras.KerasTensor((None, *case.features))
    outputs = case.layer.compute_output_spec(step).shape[1:]
    if model.output_shape != (None, declared_time(case)[0], *outputs):
        return f"declares {model.output_shape}"
    expected = run(steps_of(case.layer), case)
    same = all(alike(one, other) for one, other in zip(found, expected, strict=True))
    return "" if same else "breaks the law"


def alike(found, expected):
    """Compare two results in single precision; a weight may have an axis of size 1 more."""
    if found.shape.num_elements() != expected.shape.num_elements():
        return False
    return np.allclose(np.reshape(found, expected.shape), expected, rtol=1e-4, atol=1e-5)


def declared_time(case):
    """The shape handed to `build`."""
    return (None if case.setting.time_axis is TimeAxis.DYNAMIC else case.time, *case.features)


def parameters(case):
    """The keyword arguments of the variant."""
    return dict(STRATEGIES[case.strategy].parameters)


def steps_of(layer):
    """The law itself as a function that runs eagerly."""

    def lifted(x, mask=None):  # noqa: ARG001
        return tf.stack([layer(x[:, t]) for t in range(x.shape[1])], axis=1)

    lifted.trainable_weights = layer.trainable_weights
    return lifted


def run(model, case):
    """Call a model in the setting: its valid outputs, in the backward phase its gradients too."""
    noise = np.random.default_rng(3)
    shape = (case.batch, case.time)
    x = tf.constant(noise.standard_normal((*shape, *case.features)), case.setting.dtype)
    lengths = np.full(case.batch, case.time)
    if case.setting.lengths is not Lengths.FULL:
        lengths = np.array([case.time, *range(1, case.batch)])
    valid = np.arange(case.time) < lengths[:, None]
    mask = None if valid.all() else tf.constant(valid)
    weights = [weight.value for weight in model.trainable_weights]

    def body(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = model(x, mask=mask)
            kept = tf.where(valid.reshape(*shape, *[1] * (len(y.shape) - 2)), y, tf.zeros_like(y))
            loss = tf.reduce_sum(tf.sin(kept))
        if case.setting.phase is Phase.FORWARD:
            return [kept]
        gradients = tape.gradient(loss, [x, *weights])
        return [kept, *map(tf.convert_to_tensor, gradients)]

    lawful = isinstance(model, FunctionType)
    return body(x) if lawful else traced(body, x, case)(x)


def traced(body, x, case):
    """Wrap the body as the setting's mode and time axis want it."""
    if case.setting.mode is Mode.EAGER:
        return body
    time = None if case.setting.time_axis is TimeAxis.DYNAMIC else case.time
    spec = tf.TensorSpec((case.batch, time, *case.features), x.dtype)
    xla = case.setting.mode is Mode.XLA
    return tf.function(body, input_signature=[spec], jit_compile=xla, autograph=False)
