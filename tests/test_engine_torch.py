"""The engine of PyTorch, in processes of their own, since a process has one backend."""

import pytest

from tests.support import engines

engines.skip_without("torch")

PREPARED = engines.ENGINE + "USUAL = changed(mode=Mode.EAGER)\n"


def run(body):
    return engines.run("torch", PREPARED + body)


EAGER = """
import torch
setting = changed(**BACKWARD)
engine, model = open_engine(USUAL), lifted(keras.layers.Dense(4))
x = engine.place(ones(3, 5, 3))
forward = engine.compile(model, USUAL, training=False)
results = {"operations": forward.operations, "traces": forward.traces}
results["forward"] = forward.bind(Feed(x))().requires_grad
results["plain"] = model(x).requires_grad
backward = engine.compile(model, setting, training=True)
backward.bind(Feed(x, None, [engine.place(ones(3, 5, 4))]))()
results["input"] = x.requires_grad
switches = engine.switches()
torch.set_grad_enabled(False)
torch.backends.cudnn.benchmark = True
torch.set_float32_matmul_precision("medium")
for switch, value in switches:
    switch(value)
results["kept"] = [torch.is_grad_enabled(), torch.backends.cudnn.benchmark]
results["precision"] = engine.identity()["matmul_precision"]
print(json.dumps(results))
"""


def test_a_forward_call_records_no_gradients_and_a_backward_call_returns_all():
    results = run(EAGER)
    assert (results["operations"], results["traces"]) == (None, 0)
    assert results["plain"]
    assert not results["forward"]
    assert not results["input"]
    assert results["kept"] == [True, False]
    assert results["precision"] == "highest"


THREADS = """
import torch
before = torch.get_num_threads(), torch.get_num_interop_threads()
open_engine(changed(threads=%d))
print(json.dumps([before, (torch.get_num_threads(), torch.get_num_interop_threads())]))
"""


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_threads_are_as_many_as_asked_for(threads):
    before, after = run(THREADS % threads)
    assert after == ([threads, threads] if threads else before)


def test_without_a_compiler_graph_mode_names_what_to_install():
    script = "from torch._inductor import config; config.cpp.cxx = ('no-such-compiler',)\n"
    results = run(script + "print(json.dumps(unavailable(mode=Mode.GRAPH)))")
    assert results.startswith("torch.compile does not work here: ")
    assert results.endswith("apt-get install g++ python3-dev")


CACHE = """
import os
from torch._dynamo.utils import counters
from torch._inductor import config
setting = changed(mode=Mode.GRAPH)
engine, model = open_engine(setting), lifted(keras.layers.Dense(4, activation="tanh"))
os.environ["TORCHINDUCTOR_CACHE_DIR"] = {folder!r}
results = []
for config.force_disable_caches in (True, True, False, False):
    engine.compile(model, setting, training=False).bind(Feed(engine.place(ones(3, 5, 3))))()
    results.append(counters["inductor"]["fxgraph_cache_hit"])
print(json.dumps(results))
"""


@pytest.mark.whole
def test_nothing_is_taken_from_an_earlier_compilation(tmp_path):
    assert run(CACHE.format(folder=str(tmp_path))) == [0, 0, 0, 1]


COPIED = """
%s
layer = keras.layers.Bidirectional(keras.layers.GRU(2))  # it copies its layer
print(json.dumps("tensorflow" in sys.modules))
"""


@pytest.mark.parametrize(
    ("opened", "imported"),
    [("open_engine(USUAL)", False), pytest.param("", True, marks=pytest.mark.whole)],
)
def test_tensorflow_stays_out(opened, imported):
    engines.skip_without("tensorflow")
    script = PREPARED + COPIED % (opened and f"{opened}.seed(3)")
    how = engines.run if opened else engines.run_afresh  # which has not loaded the engine
    assert how("torch", script) is imported


PLACED = """
from keras.src.backend.torch.core import get_device
before = get_device()
engine = open_engine(USUAL)
layer = keras.layers.Dense(2)
layer.build((None, 3))
print(json.dumps([before, get_device(), str(layer.kernel.value.device)]))
"""


@pytest.mark.whole
def test_weights_are_made_on_the_engine_s_device_whatever_keras_would_choose():
    script = PREPARED + PLACED
    before, now, weights = engines.run_afresh("torch", script, KERAS_TORCH_DEVICE="meta")
    assert before == "meta"
    assert (now, weights) == ("cpu", "cpu")


SCOPE = """
setting = changed(mode=Mode.GRAPH)
engine = open_engine(setting)
model = lifted(keras.layers.Dense(4, activation="tanh"))
compiled = engine.compile(model, setting, training=False)
before = compiled.operations
compiled.bind(Feed(engine.place(ones(3, 5, 3))))()
with keras.StatelessScope():
    pass
compiled.bind(Feed(engine.place(ones(3, 5, 3))))()
print(json.dumps([before, compiled.traces, compiled.operations["tanh"]]))
"""


def test_operations_are_counted_and_a_later_scope_compiles_no_rival_again():
    assert run(engines.LOWERED + SCOPE) == [None, 1, 1]
