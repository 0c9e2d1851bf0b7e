"""The engine of JAX, in processes of their own, since a process has one backend."""

import sys
from pathlib import Path

import pytest

from tests.support import engines
from tests.support.projects import write
from timelift.axis_values import Backend
from timelift.measure import users_layer
from timelift.measure.launch import importing_from
from timelift.messages import COMPILED_FOLDER

engines.skip_without("jax")


def run(body):
    return engines.run("jax", engines.ENGINE + body)


TRACES = """
setting = changed(**BACKWARD)
engine = open_engine(setting)
model = lifted(keras.Sequential([keras.layers.Dense(4), keras.layers.Dropout(0.5)]))
compiled = engine.compile(model, setting, training=True)

def feed(batch):
    return Feed(engine.place(ones(batch, 5, 3)), None, [engine.place(ones(batch, 5, 4))])

compiled.trace(feed(3))
results = {"operations": compiled.operations}
results["traced"] = compiled.traces
*_, after = compiled.bind(feed(3))()
results["called"] = compiled.traces
results["changed"] = len(after)
compiled.bind(feed(3))()
results["again"] = compiled.traces
compiled.bind(feed(2))()
results["other batch"] = compiled.traces
eager = engine.compile(model, dataclasses.replace(setting, mode=Mode.EAGER), training=True)
eager.trace(feed(3))
results["eager operations"] = eager.operations
eager.bind(feed(3))()
results["eager traces"] = eager.traces
model.set_weights([0 * value for value in model.get_weights()])
results["loss of zeros"] = float(compiled.bind(feed(3))()[0])
print(json.dumps(results))
"""


def test_a_trace_serves_the_first_call_and_weights_are_arguments():
    results = run(TRACES)
    assert results["operations"]["dot_general"] == 3  # forward, by the inputs, by the weights
    counts = [results[word] for word in ("traced", "called", "again", "other batch")]
    assert counts == [1, 1, 1, 2]
    assert results["changed"] == 1  # the seed of the dropout
    assert results["eager operations"] is None
    assert results["eager traces"] == 0
    assert results["loss of zeros"] == 0


THREADS = """
import os
import jax
engine = open_engine(changed(threads=%d))
square = engine.place(ones(700, 700))
product = jax.jit(lambda x: jax.numpy.tanh(x @ x))
engine.wait(product(square))

def worked():
    nanoseconds = {}
    for thread in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{thread}/schedstat") as file:
            nanoseconds[thread] = int(file.read().split()[0])
    return nanoseconds

before = worked()
for _ in range(10):
    engine.wait(product(square))
after = worked()
by_thread = [after[thread] - before.get(thread, 0) for thread in after]
print(json.dumps(max(by_thread) / sum(by_thread)))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Linux counts the time of each thread")
@pytest.mark.parametrize(("threads", "alone"), [(1, True), (2, False)])
def test_one_thread_does_all_the_work_where_one_is_asked_for(threads, alone):
    assert (run(THREADS % threads) > 0.97) is alone


SECOND = """
import jax
jax.config.update("jax_num_cpu_devices", 2)
engine = open_engine(changed(device="cpu:1"))
layer = keras.layers.Dense(4)
compiled = engine.compile(lifted(layer), changed(device="cpu:1"), training=False)
placed = engine.place(ones(3, 5, 3))
places = [placed, layer.kernel.value, compiled.bind(Feed(placed))()]
print(json.dumps([sorted(device.id for device in array.devices()) for array in places]))
"""


def test_arrays_weights_and_results_land_on_the_second_device():
    assert run(SECOND) == [[1], [1], [1]]


KEPT = """
import jax
engine = open_engine(USUAL)
switches = engine.switches()
jax.config.update("jax_disable_jit", True)
jax.config.update("jax_enable_x64", True)
jax.config.update("jax_default_matmul_precision", "highest")
state = lambda: [engine.identity(), jax.config.jax_enable_x64]
turned = state()
for switch, value in switches:
    switch(value)
print(json.dumps([turned, state(), jax.config.jax_disable_jit]))
"""


def test_switches_are_restored():
    turned, after, disabled = run(KEPT)
    assert (turned[0]["matmul_precision"], turned[1]) == ("highest", True)
    assert (after[0]["matmul_precision"], after[1], disabled) == ("None", False, False)


DOUBLE = """
import jax
engine = open_engine(changed(dtype=Dtype.FLOAT64))
print(json.dumps([str(engine.place(np.ones(2)).dtype), jax.config.jax_enable_x64]))
"""


def test_float64_is_enabled_for_a_float64_setting_alone():
    assert run(DOUBLE) == ["float64", True]
    assert run(DOUBLE.replace("dtype=Dtype.FLOAT64", "")) == ["float32", False]


WORKER = """
from jax._src import xla_bridge
from tests.support.projects import STRATEGIES, WORKLOADS
from timelift.messages import Task, WorkerChannel
from timelift.worker.measure_setting import measure_setting
assert not xla_bridge.backends_are_initialized()
workload = WORKLOADS["sensor"]
rivals = tuple(STRATEGIES[name].rival() for name in ("fold_time", "native", "loop_unstack"))
events = []
setting = changed(workload="sensor", phase=Phase.BACKWARD)
task = Task(setting, rivals, workload.factory, workload.inputs, 1, 0.02, names_device=True)
measure_setting(task, WorkerChannel(events.append))
ended = [event.status for event in events if type(event).__name__ == "CaseInLaunch"]
print(json.dumps([ended, [name for name in ("tensorflow", "torch") if name in sys.modules]]))
"""


def test_a_worker_on_jax_imports_jax_alone_and_starts_nothing_before_its_fork():
    ended, imported = run(WORKER)
    assert ended == ["measured"] * 3
    assert imported == []


REUSED = """
import os
from jax import monitoring
from timelift.messages import COMPILED_FOLDER
hits = []
monitoring.register_event_listener(lambda name, **_: hits.append(name) if "hit" in name else None)
folder = os.environ[COMPILED_FOLDER] = FOLDER
engine = open_engine(USUAL)
layer = keras.layers.Dense(4, activation="tanh", kernel_initializer="ones")
layer.build((None, 3))

def rival_called():
    compiled = engine.compile(lifted(layer), USUAL, training=False)
    feed = Feed(engine.place(ones(3, 5, 3)))
    compiled.trace(feed)
    compiled.bind(feed)()

rival_called()
results = {"before": len(os.listdir(folder))}
with engine.reusing_compiled():
    (outputs,) = engine.apply(layer, engine.place(ones(7, 3)), None, training=False)
    results["outputs"] = outputs.tolist()
results |= {"kept": len(os.listdir(folder)), "hits": len(hits)}
rival_called()
results |= {"after": len(os.listdir(folder)), "hits after": len(hits)}
print(json.dumps(results))
"""


def test_what_an_inner_layer_compiles_is_reused_and_no_program_of_a_rival_is(tmp_path):
    script = REUSED.replace("= FOLDER", f"= {str(tmp_path)!r}")
    first, second = run(script), run(script)
    for worker in (first, second):
        assert worker["before"] in {0, first["kept"]}
        assert worker["kept"] == worker["after"] > 0
        assert worker["hits after"] == worker["hits"]
    assert (first["hits"], second["kept"]) == (0, first["kept"])
    assert second["hits"] > 0
    for entry in tmp_path.iterdir():
        entry.write_bytes(entry.read_bytes()[:20])
    torn = run(script)
    assert torn["outputs"] == second["outputs"] == first["outputs"]
    assert torn["hits"] == 0


LOOKED_AT = "import keras\nlayer = keras.layers.Dense(4)\nlayer.build((None, {}))\n"


def test_launches_find_what_jax_compiled_while_a_layer_was_looked_at(tmp_path, monkeypatch):
    kept = Path(importing_from([])[COMPILED_FOLDER])

    def look(units):
        before = {*kept.glob("*")}
        write(tmp_path, {"mine.py": LOOKED_AT.format(units)})
        users_layer.look_at("mine:layer", Backend.JAX, [tmp_path])
        return {*kept.glob("*")} - before

    assert look(177)
    monkeypatch.setattr(users_layer, "_LOOKING", {"JAX_ENABLE_COMPILATION_CACHE": "0"})
    assert not look(178)


def test_a_users_own_cache_takes_no_compiling_out_of_first_calls(tmp_path):
    script = REUSED.replace("= FOLDER", '= ""')
    script = script.replace("os.listdir(folder)", f"os.listdir({str(tmp_path)!r})")
    own = f"""
import jax
jax.config.update("jax_enable_compilation_cache", True)
jax.config.update("jax_compilation_cache_dir", {str(tmp_path)!r})
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
"""
    assert run(own + script)["after"] == 0
    opened = "engine = open_engine(USUAL)\n"
    assert run(script.replace(opened, opened + own))["before"] > 0  # had the engine left it on
