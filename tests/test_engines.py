"""What every engine promises: what it lacks is said, nests are called, and a call has ended.

On a CPU a call has ended when it returns, but on JAX while an argument is being copied there.
"""

import pytest

from tests.support import engines

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


# The end of a call -------------------------------------------------------------------------------

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
