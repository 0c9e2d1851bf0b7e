"""PyTorch behind the engine's surface: asked in fresh processes, for a backend is chosen once."""

import pytest

from tests import engines

engines.skip_without("torch")

PREPARED = engines.ENGINE + "USUAL = changed(mode=Mode.EAGER)\n"


def told(body, **variables):
    return engines.told("torch", PREPARED + body, **variables)


TRACES = """
setting = changed(mode=Mode.GRAPH, time_axis=TimeAxis.%s)
engine = open_engine(setting)
model = lifted(keras.layers.Dense(4, activation="tanh"), None)
compiled = engine.compile(model, setting, training=False)
compiled.trace(Feed(None))
said = [compiled.operations]

def called(batch, time):
    x = ones(batch, time, 3)
    found = engine.to_numpy(compiled.bind(Feed(engine.place(x)))())
    assert np.allclose(found, engine.apply(model, engine.place(x), training=False), atol=1e-6)
    return compiled.traces

said += [called(3, 5), called(3, 5), called(3, 6), called(3, 9), compiled.operations]
print(json.dumps(said))
"""


@pytest.mark.whole  # which compiles C++; `make test` counts graphs below, without it
@pytest.mark.parametrize(("axis", "counts"), [("STATIC", [1, 1, 2]), ("DYNAMIC", [1, 1, 1])])
def test_graphs_are_counted_and_a_dynamic_length_needs_no_other(axis, counts):
    traced, *found, last, operations = told(TRACES % axis)
    assert traced is None
    assert found == counts
    assert operations["tanh"] == last


EAGER = """
import torch
setting = changed(**BACKWARD)
engine, model = open_engine(USUAL), lifted(keras.layers.Dense(4))
x = engine.place(ones(3, 5, 3))
forward = engine.compile(model, USUAL, training=False)
said = {"operations": forward.operations, "traces": forward.traces}
said["forward"] = forward.bind(Feed(x))().requires_grad
said["plain"] = model(x).requires_grad
backward = engine.compile(model, setting, training=True)
loss, gradients = backward.bind(Feed(x, None, engine.place(ones(3, 5, 4))))()
said["shapes"] = [list(one.shape) for one in gradients]
said["input"] = x.requires_grad
try:
    backward.bind(Feed(x, None, engine.place(ones(3, 5, 1))))()
except ValueError as error:
    said["broadcast"] = str(error)
switches = engine.switches()
torch.set_grad_enabled(False)
torch.backends.cudnn.benchmark = True
torch.set_float32_matmul_precision("medium")
for switch, value in switches:
    switch(value)
said["kept"] = [torch.is_grad_enabled(), torch.backends.cudnn.benchmark]
said["precision"] = engine.identity()["matmul_precision"]
print(json.dumps(said))
"""


def test_a_forward_call_notes_nothing_for_gradients_and_a_backward_call_gives_all():
    said = told(EAGER)
    assert (said["operations"], said["traces"]) == (None, 0)
    assert said["plain"]
    assert not said["forward"]
    assert said["shapes"] == [[3, 5, 3], [3, 4], [4]]
    assert not said["input"]
    assert said["broadcast"] == "Shapes (3, 5, 4) and (3, 5, 1) are incompatible"
    assert said["kept"] == [True, False]
    assert said["precision"] == "highest"


THREADS = """
import torch
before = torch.get_num_threads(), torch.get_num_interop_threads()
open_engine(changed(threads=%d))
print(json.dumps([before, (torch.get_num_threads(), torch.get_num_interop_threads())]))
"""


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_threads_are_as_many_as_asked_for(threads):
    before, after = told(THREADS % threads)
    assert after == ([threads, threads] if threads else before)


LACKING = """
print(json.dumps([
    unavailable(device="gpu:99"),
    unavailable(mode=Mode.XLA),
    unavailable(mode=Mode.GRAPH, time_axis=TimeAxis.DYNAMIC, seq_len=1),
    unavailable(),
]))
"""


def test_what_is_lacking_is_said_in_a_sentence():
    device, xla, length, nothing = told(LACKING)
    assert device == "PyTorch sees no gpu:99 on this machine"
    assert "no XLA" in xla
    assert "length of 1" in length
    assert nothing is None


def test_without_a_compiler_graph_mode_says_what_to_install():
    said = told("print(json.dumps(unavailable(mode=Mode.GRAPH)))", CXX="no-such-compiler")
    assert said.startswith("torch.compile does not work here: ")
    assert said.endswith("apt-get install g++ python3-dev")


CACHE = """
import os
from torch._dynamo.utils import counters
from torch._inductor import config
setting = changed(mode=Mode.GRAPH)
engine, model = open_engine(setting), lifted(keras.layers.Dense(4, activation="tanh"))
os.environ["TORCHINDUCTOR_CACHE_DIR"] = {folder!r}
said = []
for config.force_disable_caches in (True, True, False, False):
    engine.compile(model, setting, training=False).bind(Feed(engine.place(ones(3, 5, 3))))()
    said.append(counters["inductor"]["fxgraph_cache_hit"])
print(json.dumps(said))
"""


@pytest.mark.whole
def test_nothing_is_taken_from_an_earlier_compilation(tmp_path):
    assert told(CACHE.format(folder=str(tmp_path))) == [0, 0, 0, 1]


COPIED = """
%s
layer = keras.layers.Bidirectional(keras.layers.GRU(2))  # which copies the layer it is given
print(json.dumps("tensorflow" in sys.modules))
"""


@pytest.mark.parametrize(
    ("opened", "imported"),
    [("open_engine(USUAL)", False), pytest.param("", True, marks=pytest.mark.whole)],
)
def test_tensorflow_stays_out(opened, imported):
    engines.skip_without("tensorflow")
    script = PREPARED + COPIED % (opened and f"{opened}.seed(3)")
    assert engines.told_afresh("torch", script) is imported


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
    before, now, weights = told(PLACED, KERAS_TORCH_DEVICE="meta")
    assert before == "meta"
    assert (now, weights) == ("cpu", "cpu")


#: The passes of inductor without its C++.
LOWERED = """
from functools import partial
import timelift.worker.engines.torch as ours
from functorch.compile import make_boxed_func
from torch._guards import detect_fake_mode
from torch._inductor.fx_passes.post_grad import post_grad_passes
from torch._inductor.virtualized import V

def lowered(graph, examples, **how):
    with V.set_fake_mode(detect_fake_mode(examples)):
        post_grad_passes(graph, bool(how.get("is_inference")))
    return make_boxed_func(graph.forward)

ours._prepare_compiler = lambda *_: None
ours.compile_fx = partial(ours.compile_fx, inner_compile=lowered)
"""


SCOPE = """
setting = changed(mode=Mode.GRAPH)
engine = open_engine(setting)
compiled = engine.compile(lifted(keras.layers.Dense(4)), setting, training=False)
compiled.bind(Feed(engine.place(ones(3, 5, 3))))()
with keras.StatelessScope():
    pass
compiled.bind(Feed(engine.place(ones(3, 5, 3))))()
print(json.dumps(compiled.traces))
"""


def test_what_keras_does_for_a_later_rival_compiles_no_earlier_one_again():
    assert told(LOWERED + SCOPE) == 1
