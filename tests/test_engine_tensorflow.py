"""The engine of TensorFlow: devices, and operations of a graph."""

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
