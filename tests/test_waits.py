"""On a CPU a call has ended when it returns, but on JAX while an argument is being copied there."""

import pytest

from tests.support import engines

SCRIPT = """
import statistics, time
setting = changed(seq_len=64, batch=64, mode=Mode.%s)
engine = open_engine(setting)
inputs = keras.Input((64, 512))
model = keras.Model(inputs, keras.layers.Dense(1024)(inputs))
compiled = engine.compile(model, setting, training=False)
feed = Feed(engine.place(ones(64, 64, 512)))
compiled.trace(feed)
call = compiled.bind(feed)
call()
shares = []
for _ in range(5):
    started = time.perf_counter()
    result = call()
    returned = time.perf_counter()
    %s
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
    assert engines.run(backend, engines.ENGINE + SCRIPT % (mode, WAITS[backend])) < 0.25


def test_the_check_sees_a_call_that_returns_before_its_end():
    script = engines.ENGINE + SCRIPT % ("GRAPH", WAITS["jax"])
    late = script.replace(
        "setting = changed(",
        "import jax; change = jax.config.update\n"
        'jax.config.update = lambda name, value: None if "async" in name else change(name, value)\n'
        "setting = changed(",
        1,
    )
    assert engines.run("jax", late) > 0.25


COPIED = """
from timelift.worker.checks import waited_for
engine = open_engine(changed(mode=Mode.EAGER))
model = lifted(keras.layers.Activation(keras.ops.negative))
compiled = engine.compile(model, changed(mode=Mode.EAGER), training=False)
# 60 MB, which JAX copies in a thread of its own where they are not aligned to 64 bytes
large = np.zeros(1 + (1 << 20) * 5 * 3, "float32")[1:].reshape(-1, 5, 3)
for _ in range(2):  # the first call of a shape compiles, which takes longer than to copy
    result = waited_for(engine, compiled.bind(Feed(engine.place(large))))
print(json.dumps(result.is_ready()))
"""


def test_a_call_of_inputs_still_being_copied_has_ended_when_it_was_waited_for():
    assert engines.run("jax", engines.ENGINE + COPIED)


NO_WAIT = """
engine = open_engine(changed(mode=Mode.EAGER))
def refuse(*_):
    raise AssertionError("an operation ran")
%s
engine.wait(None)
print(json.dumps("waited for nothing"))
"""
FORBID = {
    "tensorflow": "import tensorflow as tf; tf.test.experimental.sync_devices = refuse",
    "torch": "import torch; torch.cuda.synchronize = refuse",
}


@pytest.mark.parametrize(
    "backend",
    [pytest.param(name, marks=pytest.mark.whole) if name == "torch" else name for name in FORBID],
)
def test_the_end_of_a_sample_runs_nothing_on_a_cpu(backend):
    assert engines.run(backend, engines.ENGINE + NO_WAIT % FORBID[backend]) == "waited for nothing"
