"""The engine of TensorFlow: devices, and operations of a graph; and what all engines have."""

import pytest

from tests.support import engines


def run(body):
    return engines.run("tensorflow", engines.ENGINE + body)


TWO = """
import tensorflow as tf
(cpu,) = tf.config.list_physical_devices("CPU")
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, two)
"""
PLACES = """
setting = changed(phase=Phase.BACKWARD, device=%r)
engine, layer = open_engine(setting), keras.layers.Dense(4)
compiled = engine.compile(lifted(layer), setting, training=True)
feed = Feed(engine.place(ones(3, 5, 3)), None, [engine.place(ones(3, 5, 4))])
loss, gradients = compiled.bind(feed)()
weights = [weight.value for weight in layer.weights]
tensors = [feed.inputs, *feed.cotangents, loss, *gradients, *weights]
print(json.dumps(sorted({tensor.device[-5:] for tensor in tensors})))
"""


@pytest.mark.parametrize(("device", "place"), [("cpu:1", "CPU:1"), ("cpu", "CPU:0")])
def test_inputs_weights_and_results_are_on_the_device(device, place):
    assert run(TWO + PLACES % device) == [place]


OPERATIONS = """
engine, layer, inputs = open_engine(USUAL), keras.layers.Dense(4), keras.Input((5, 3))
feed, counts = Feed(engine.place(ones(3, 5, 3))), []
for outputs in (layer(inputs), keras.ops.flip(keras.ops.flip(layer(inputs), axis=1), axis=1)):
    compiled = engine.compile(keras.Model(inputs, outputs), USUAL, training=False)
    compiled.trace(feed)
    counts.append(compiled.operations)
print(json.dumps(counts[1] - counts[0]))
"""


def test_operations_of_a_graph_are_counted_by_kind():
    assert run(OPERATIONS) == {"ReverseV2": 2, "Const": 2}


CLOCKED = """
import time
from types import SimpleNamespace
from tests.support.projects import STRATEGIES, WORKLOADS
from timelift.messages import Task, WorkerChannel
from timelift.worker import prepare
from timelift.worker.engines.tensorflow import TensorFlowCompiled
events = []
traced, clock = TensorFlowCompiled.trace, time.perf_counter
def trace(self, feed):
    events.append("trace")
    return traced(self, feed)
def perf_counter():
    events.append("clock")
    return clock()
prepare.time = SimpleNamespace(**vars(time) | {"perf_counter": perf_counter})
TensorFlowCompiled.trace = trace
counted = TensorFlowCompiled.operations.func
TensorFlowCompiled.operations = property(lambda self: (events.append("counted"), counted(self))[1])
setting, workload = changed(workload="sensor", phase=Phase.BACKWARD), WORKLOADS["sensor"]
rivals = tuple(STRATEGIES[name].rival() for name in ("native", "fold_time"))
task = Task(setting, rivals, workload.factory, workload.inputs, 1, 1.0)
under_test = prepare.SettingUnderTest(open_engine(setting), task, WorkerChannel(lambda _: None))
for rival in rivals:
    under_test.prepare(rival)
print(json.dumps(events))
"""


def test_the_tracer_is_warm_for_the_first_rival_and_nodes_are_counted_untimed():
    events = run(CLOCKED)
    assert events[0] == "trace"
    of_one = [*["clock"] * 5, "trace", "clock", "clock", "counted"]  # import, build, first call
    assert events[1:] == of_one * 2


#: What each backend lacks, by axes, and how it says so; one setting that it has says nothing.
LACKING = {
    "tensorflow": {"device='cpu:2'": "TensorFlow sees no cpu:2 on this machine", "": None},
    "jax": {
        "device='gpu:99'": "JAX sees no gpu:99 on this machine",
        "device='cpu:99'": "JAX sees no cpu:99 on this machine",
        "mode=Mode.XLA": "jax.jit compiles by XLA: measure mode graph",
        "time_axis=TimeAxis.DYNAMIC": "anew for each length",
        "time_axis=TimeAxis.DYNAMIC, mode=Mode.EAGER": None,
    },
    "torch": {
        "mode=Mode.EAGER, device='gpu:99'": "PyTorch sees no gpu:99 on this machine",
        "mode=Mode.XLA": "no XLA",
        "time_axis=TimeAxis.DYNAMIC, seq_len=1": "length of 1",
        "mode=Mode.EAGER": None,
    },
}


@pytest.mark.parametrize("backend", LACKING)
def test_a_device_or_mode_that_a_backend_lacks_is_named_in_a_sentence(backend):
    told = ", ".join(f"unavailable({axes})" for axes in LACKING[backend])
    said = engines.run(backend, f"{engines.ENGINE}print(json.dumps([{told}]))")
    for sentence, part in zip(said, LACKING[backend].values(), strict=True):
        assert (part in sentence) if part else sentence is None


@pytest.mark.parametrize(
    ("backend", "retraced"),
    [
        ("tensorflow", {"eager static": 0, "graph static": 1, "graph dynamic": 0, "xla static": 1}),
        ("jax", {"eager static": 0, "graph static": 1}),
        ("torch", {"eager static": 0}),
        pytest.param("torch", {"graph static": 1, "graph dynamic": 0}, marks=pytest.mark.whole),
    ],
)
def test_nests_of_mixed_dtypes_with_a_mask_are_called_and_differentiated(backend, retraced):
    engines.check_nests(backend, retraced, engines.LOWERED if backend == "torch" else "")
