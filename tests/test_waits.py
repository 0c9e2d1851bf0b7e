"""On a CPU a call has ended when it returns, so a sample waits for nothing at its end."""

import pytest

from tests import engines

SCRIPT = """
import json, statistics, time
import numpy as np
from timelift.worker import engines
from timelift.case import Backend, Mode, Phase, Setting
engines.load("{backend}")
from timelift.worker.engines import Feed, open_engine
import keras
setting = Setting("wait", 64, 64, Phase.FORWARD, mode=Mode.{mode}, backend=Backend("{backend}"))
engine = open_engine(setting)
inputs = keras.Input((64, 512))
model = keras.Model(inputs, keras.layers.Dense(1024)(inputs))
compiled = engine.compile(model, setting, training=False)
feed = Feed(engine.place(np.ones((64, 64, 512), np.float32)))
compiled.trace(feed)
call = compiled.bind(feed)
call()
shares = []
for _ in range(5):
    started = time.perf_counter()
    result = call()
    returned = time.perf_counter()
    {wait}
    shares.append((time.perf_counter() - returned) / (returned - started))
print(json.dumps(statistics.median(shares)))
"""
WAITS = {
    "tensorflow": "import tensorflow as tf; tf.test.experimental.sync_devices()",
    "jax": "import jax; jax.block_until_ready(result)",
}


@pytest.mark.parametrize(
    ("backend", "mode"),
    [("tensorflow", mode) for mode in ("EAGER", "GRAPH", "XLA")]
    + [("jax", mode) for mode in ("EAGER", "GRAPH")],
)
def test_after_a_call_there_is_nothing_left_to_wait_for(backend, mode):
    script = SCRIPT.format(backend=backend, mode=mode, wait=WAITS[backend])
    assert engines.told(backend, script) < 0.25


def test_the_check_sees_a_call_that_returns_before_its_end():
    script = SCRIPT.format(backend="jax", mode="GRAPH", wait=WAITS["jax"])
    late = script.replace(
        "setting = Setting(",
        "import jax; change = jax.config.update\n"
        'jax.config.update = lambda name, value: None if "async" in name else change(name, value)\n'
        "setting = Setting(",
        1,
    )
    assert engines.told("jax", late) > 0.25


ENGINE = """
import json
from timelift.worker import engines
from timelift.case import Backend, Phase, Setting
engines.load("{backend}")
from timelift.worker.engines import open_engine
engine = open_engine(Setting("wait", 1, 1, Phase.FORWARD, backend=Backend("{backend}")))
def refuse(*_):
    raise AssertionError("an operation ran")
{forbid}
engine.wait(None)
print(json.dumps("waited for nothing"))
"""
FORBID = {
    "tensorflow": "import tensorflow as tf; tf.test.experimental.sync_devices = refuse",
    "jax": "import jax; jax.block_until_ready = refuse",
    "torch": "import torch; torch.cuda.synchronize = refuse",
}


@pytest.mark.parametrize(
    "backend",
    [pytest.param(one, marks=pytest.mark.whole) if one == "torch" else one for one in FORBID],
)
def test_the_end_of_a_sample_runs_nothing_on_a_cpu(backend):
    script = ENGINE.format(backend=backend, forbid=FORBID[backend])
    assert engines.told(backend, script) == "waited for nothing"
