"""TensorFlow's engine on a device of its own: one processor told as two."""

from tests import engines
from tests.program_variants import same_in
from tests.program_variants import told as told_of_programs

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


def test_a_graph_is_told_by_what_its_optimiser_leaves():
    names = ("renamed", "reordered", "cast", "copy", "constant", "identities", "python")
    found = told_of_programs("tensorflow", "GRAPH", "BACKWARD", *names)
    assert same_in(found) == {"renamed", "reordered", "identities"}
    assert found["renamed"] == found["reordered"] == {"same_program": True}
    assert found["identities"]["traced_operations"] == {"Identity": 23}
    assert found["cast"]["operations"]["Cast, to float16"] > 0
    assert found["python"]["operations"]["EagerPyFunc"] == 2
    assert found["constant"] == found["other sum"] == {"operations": {}}


def test_what_xla_compiles_is_told_by_its_instructions():
    names = ("renamed", "cast", "constant", "identities")
    found = told_of_programs("tensorflow", "XLA", "FORWARD", *names)
    assert same_in(found) == {"renamed", "identities"}
    assert found["cast"]["operations"]["convert, to f16"] == 1
    assert found["constant"] == found["other sum"] == {"operations": {}}
