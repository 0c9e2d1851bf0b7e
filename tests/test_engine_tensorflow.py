"""TensorFlow's engine on a device of its own: one processor told as two."""

from tests import engines

SECOND = """
import json
import numpy as np
import tensorflow as tf
from timelift.case import Phase, Setting
from timelift.worker.engines import Feed, UnavailableError, open_engine

(cpu,) = tf.config.list_physical_devices("CPU")
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, two)
setting = Setting("any", 5, 3, Phase.BACKWARD, device=%r)
try:
    engine = open_engine(setting)
except UnavailableError as error:
    print(json.dumps(str(error)))
    raise SystemExit
import keras
layer = keras.layers.Dense(4)
inputs = keras.Input((5, 3))
model = keras.Model(inputs, layer(inputs))
feed = Feed(
    engine.place(np.ones((3, 5, 3), "float32")), None, engine.place(np.ones((3, 5, 4), "float32"))
)
compiled = engine.compile(model, setting, training=True)
loss, gradients = compiled.bind(feed)()
found = [feed.inputs, feed.cotangent, loss, *gradients, *(one.value for one in layer.weights)]
print(json.dumps(sorted({one.device[-5:] for one in found})))
"""


def told(device):
    """What a fresh process says of a device."""
    return engines.told("tensorflow", SECOND % device)


def test_inputs_weights_and_results_are_on_the_second_device():
    assert told("cpu:1") == ["CPU:1"]
    assert told("cpu") == ["CPU:0"]


def test_a_device_that_is_not_there_is_said():
    assert told("cpu:2") == "TensorFlow sees no cpu:2 on this machine"


OPERATIONS = """
import json
import keras
import numpy as np
from timelift.case import Mode, Phase, Setting
from timelift.worker.engines import Feed, open_engine

setting = Setting("any", 5, 3, Phase.FORWARD)
engine = open_engine(setting)
layer, inputs = keras.layers.Dense(4), keras.Input((5, 3))
feed = Feed(engine.place(np.ones((3, 5, 3), "float32")))
counts = []
for outputs in (layer(inputs), keras.ops.flip(keras.ops.flip(layer(inputs), axis=1), axis=1)):
    compiled = engine.compile(keras.Model(inputs, outputs), setting, training=False)
    compiled.trace(feed)
    counts.append(compiled.operations)
print(json.dumps(counts[1] - counts[0]))
"""


def test_what_a_graph_has_more_is_counted_by_kind():
    assert engines.told("tensorflow", OPERATIONS) == {"ReverseV2": 2, "Const": 2}
