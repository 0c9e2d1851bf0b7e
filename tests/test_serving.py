"""Served calls: the law holds in each runtime, what fails there is blamed, slow calls are found."""

import random
from contextlib import closing
from dataclasses import replace
from functools import cache
from math import nan
from types import SimpleNamespace

import pytest

from studies import law
from tests.support import engines, journals
from tests.support.launches import LIMIT, file_of
from tests.support.projects import STRATEGIES, WORKLOADS
from timelift import messages, rounds
from timelift.analyse.results import Run
from timelift.analyse.serving import Whose, slow_calls
from timelift.axis_values import Backend, Phase, Runtime, Status, TimeAxis
from timelift.case import Setting
from timelift.inner_layer import LayerInputs
from timelift.measure import backends, machine
from timelift.measure.launch import LaunchProcess
from timelift.measure.session import Session
from timelift.measure.worker_state import WorkerState
from timelift.measurement import CaseInLaunch, Facts, Measurement, merge, tail
from timelift.messages import Busy, Exited, Task
from timelift.present.words import with_interval

#: What `make test` installs is tried there, all others by `make test-all`.
RUNTIMES = [
    pytest.param(runtime, marks=[] if runtime in {"keras", "onnxruntime"} else [pytest.mark.whole])
    for runtime in Runtime
]
EACH = pytest.mark.parametrize("runtime", RUNTIMES)
SETTING = Setting("dense", 5, 2, Phase.SERVE)
STALE = """
import keras
from keras import ops

class Stale(keras.layers.Layer):
    def __init__(self, layer):
        super().__init__()
        self.numbers = [ops.convert_to_numpy(weight) for weight in layer.weights]
        self.layer = layer

    def call(self, x):
        return ops.tanh(ops.matmul(x, self.numbers[0]) + self.numbers[1])

def build(layer, shape, dtype=None):
    x = keras.Input(shape)
    return keras.Model(x, Stale(layer)(x))
"""
DIES = """
import os, signal, keras

class Dies(keras.Model):
    def export(self, *args, **how):
        os.kill(os.getpid(), signal.SIGSEGV)

def build(layer, shape, dtype=None):
    x = keras.Input(shape)
    return Dies(x, keras.layers.TimeDistributed(layer)(x))
"""


@cache
def launch():
    return LaunchProcess("tensorflow", LIMIT)


@pytest.fixture(scope="module")
def served():
    """Measure rivals in one launch; return how each ended, by its name."""
    with closing(launch()) as process:
        process.wait_until_ready()

        def measure(setting, rivals, factory=f"{law.PLANTED}:dense", inputs=None, **more):
            how = factory, inputs or LayerInputs.of_one((6,)), 1, 0.0
            ended = process.measure(Task(setting, tuple(rivals), *how, **more))
            return {line.case.strategy: line for line in ended}

        yield measure


@EACH
def test_the_law_finds_an_axis_moved_a_weight_changed_and_stale_weights(served, runtime, tmp_path):
    lines = {
        "moved": "ops.reshape(ops.swapaxes(y, 0, 1), y.shape)",
        "changed": "y - self.layer.bias",
        "right": "y",
    }
    rivals = [*law.rivals(lines), file_of(tmp_path, "stale", STALE)]
    ends = served(replace(SETTING, runtime=runtime), rivals)
    assert ends["right"].status is Status.MEASURED, ends["right"].reason
    assert {name: ends[name].status for name in ("moved", "changed", "stale")} == dict.fromkeys(
        ("moved", "changed", "stale"), Status.LAW_BROKEN
    )
    assert "does not follow its weights" in ends["stale"].reason
    assert 0 < ends["right"].facts.law_error < 1e-5


@EACH
def test_inputs_go_by_name_to_a_model_that_takes_several(served, runtime):
    workload = WORKLOADS["rl_torso"]
    setting = Setting("rl_torso", 3, 1, Phase.SERVE, runtime=runtime)
    rivals = [STRATEGIES[name].rival() for name in ("fold_time", "loop_unstack")]
    ends = served(setting, rivals, workload.factory, workload.inputs)
    assert {end.status for end in ends.values()} == {Status.MEASURED}, ends


@EACH
def test_what_was_exported_is_told_and_an_open_time_axis_is_exported_open(served, runtime):
    setting = replace(SETTING, runtime=runtime, time_axis=TimeAxis.DYNAMIC)
    (end,) = served(setting, [STRATEGIES["fold_time"].rival()]).values()
    assert end.status is Status.MEASURED, end.reason
    facts = end.facts
    told = (facts.export_seconds, facts.load_seconds, facts.artefact_bytes, facts.largest_rank)
    if runtime is Runtime.KERAS:
        assert told == (None,) * 4
    else:
        assert min(told) > 0
        assert facts.graph_nodes == sum(facts.operations.values()) > 0
        assert facts.largest_rank >= 2


def test_the_weights_of_an_artefact_are_tried_in_the_first_launch_alone(served, tmp_path):
    setting = replace(SETTING, runtime=Runtime.ONNXRUNTIME)
    stale = file_of(tmp_path, "stale", STALE)
    (end,) = served(setting, [stale], launch=2).values()
    assert end.status is Status.MEASURED


def test_what_a_runtime_cannot_do_is_an_answer_in_the_words_of_the_tool(served):
    names, workload = ("ops_scan", "fold_time"), WORKLOADS["tokens"]
    setting = Setting("tokens", 3, 1, Phase.SERVE, runtime=Runtime.ONNXRUNTIME)
    rivals = [STRATEGIES[name].rival() for name in names]
    ends = served(setting, rivals, workload.factory, workload.inputs)
    assert ends["fold_time"].status is Status.MEASURED
    assert ends["ops_scan"].status is Status.NOT_LOADED
    why = "Failed to load model with error: Invalid tensor data type 0; write it in another way"
    assert ends["ops_scan"].reason == why


def test_a_crash_while_a_model_is_exported_costs_that_strategy_alone(served, tmp_path):
    rivals = [file_of(tmp_path, "dies", DIES), *law.rivals({"right": "y"})]
    ends = served(replace(SETTING, runtime=Runtime.ONNXRUNTIME), rivals)
    assert ends["right"].status is Status.MEASURED
    assert ends["dies"].status is Status.NOT_CONVERTED
    assert "SIGSEGV" in ends["dies"].reason


@pytest.mark.parametrize(("stage", "status"), messages.STATUS_OF_STAGE.items())
def test_a_death_is_charged_to_the_stage_of_the_runtime(stage, status):
    rivals = law.rivals({"one": "y", "other": "y"})
    task = Task(SETTING, rivals, "f", LayerInputs.of_one((6,)), 1, 0.0)
    for code, expected in ((-11, status), (-9, Status.CRASHED)):
        worker = WorkerState(task, lambda _: None)
        worker.take(Busy(stage, "other"))
        worker.die(Status.CRASHED, "why", Exited(code, 0))
        assert [(end.case.strategy, end.status) for end in worker.charged] == [("other", expected)]


MISSING = """
import importlib.util, json, sys, keras
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if "litert" in name else found(name, *rest)
from timelift.axis_values import Runtime
from timelift.worker import serving
from timelift.worker.making import LostError
def why(model, runtime):
    try:
        serving._refuse_unable(model, runtime)
    except LostError as error:
        return error.status, str(error)
half = keras.Sequential([keras.layers.Dense(2, dtype="mixed_float16")])
told = [why(keras.Sequential(), Runtime.ONNXRUNTIME), why(half, Runtime.ONNXRUNTIME)]
told += [why(half, Runtime.LITERT), sys.modules["openvino_telemetry"] is None]
keras.__version__ = "3.14.9"
node = "Input 0 of node functional_1/lstm_1/while/Identity_7 was passed float from and/or."
load = "Load model from m.onnx failed:Node (functional_2/while_1/while) Op (Loop) mismatch"
errors = ValueError(node), RuntimeError("see a/b"), RuntimeError(load)
words = [*map(serving.why_unserved, errors)]
looped = RuntimeError("No conversion rule found for operations: TensorListReserve --")
for unroll in (False, True):
    model = keras.Sequential([keras.layers.LSTM(2, unroll=unroll)])
    words.append(serving.why_unserved(looped, model))
print(json.dumps([*told, why(half, Runtime.SAVED_MODEL), words]))
"""


def test_what_an_interpreter_or_a_model_lacks_for_a_runtime_is_told():
    able, half, (status, reason), is_silent, old, told_of = engines.run("tensorflow", MISSING)
    node, other, load, looped, unrolled = told_of
    assert able is None
    assert is_silent
    assert half[0] == Status.REFUSED
    assert half[1].startswith("a layer computes in float16, and onnxruntime is held to float32")
    assert status == old[0] == Status.UNAVAILABLE
    assert "lacks ai-edge-litert for litert" in reason
    assert reason.endswith("install it there with: pip install ai-edge-litert")
    assert "expected Keras 3.15 or newer to export for saved_model, received 3.14.9" in old[1]
    told = "ValueError: Input 0 of node …/Identity_7 was passed float from and/or"
    assert node == f"{told}; write it in another way"
    assert load == "Node (…/while) Op (Loop) mismatch; write it in another way"
    assert other == "RuntimeError: see a/b; write it in another way"
    assert looped == f"{unrolled}, or a recurrent layer with unroll=True"
    assert unrolled.endswith("TensorListReserve; write it in another way")


ODD = """
import json, keras, numpy as np
from types import SimpleNamespace
from timelift.axis_values import Phase
from timelift.case import Setting
from timelift.worker import serving
from timelift.worker.engines import Feed
def fails():
    raise ValueError("no description")
inputs = [keras.Input((size,), name=name) for size, name in ((3, "input_2"), (5, "input_1"))]
model = keras.Model(inputs, keras.ops.concatenate(inputs, -1))
exported = serving.Exported(model, Setting("any", 3, 1, Phase.SERVE), print, is_first=True)
own, other = np.zeros((1, 3)), np.zeros((1, 5))
feeds = [Feed([own, other]), Feed({"input_2": own, "input_1": other})]
shapes = [exported._shapes(feed) for feed in feeds]
print(json.dumps([serving._described(SimpleNamespace(describe=fails)), *shapes]))
"""


def test_inputs_in_a_list_keep_their_order_and_no_description_costs_none():
    undescribed, in_order, by_name = engines.run("tensorflow", ODD)
    assert undescribed == [None, None]
    assert in_order == [[1, 3], [1, 5]]
    assert by_name == [[1, 5], [1, 3]]


def test_a_runtime_that_is_not_installed_is_told_before_anything_runs(monkeypatch):
    found, setting = backends.importlib.util.find_spec, replace(SETTING, runtime=Runtime.OPENVINO)
    lacking = {"openvino", "scipy"}
    monkeypatch.setattr(
        backends.importlib.util, "find_spec", lambda name: None if name in lacking else found(name)
    )
    assert machine.why_not_here(setting).startswith("openvino needs openvino and scipy; ")
    monkeypatch.setattr(backends.importlib.util, "find_spec", lambda _: None)
    assert machine.why_not_here(setting).startswith("tensorflow is not installed")
    told = "openvino needs openvino and scipy; install with: pip install openvino scipy"
    assert backends.why_not_served(Runtime.OPENVINO) == told
    assert backends.why_not_served(Runtime.SAVED_MODEL) == ""
    versions = machine.packages([Runtime.LITERT, Backend.JAX])
    assert versions[:3] == ("jax", "jaxlib", "ai-edge-litert")


BY_KERAS = """
import sys
from timelift.axis_values import Backend, Phase
from timelift.case import Setting
from timelift.inner_layer import LayerInputs
from timelift.messages import Task, WorkerChannel
from timelift.worker import prepare
from timelift.worker.engines import open_engine
from studies import law
setting = Setting("dense", 5, 2, Phase.SERVE, backend=Backend(keras.backend.backend()))
rivals = law.rivals({"right": "y", "changed": "y + 0.1"})
task = Task(setting, rivals, f"{law.PLANTED}:dense", LayerInputs.of_one((6,)), 1, 0.0)
under_test = prepare.SettingUnderTest(open_engine(setting), task, WorkerChannel(lambda _: None))
from timelift.worker.measure_setting import attempt
ends = [attempt(under_test, rival, under_test.prepare) for rival in rivals]
print(json.dumps([getattr(ends[0], "facts", ends[0])["law_error"], ends[1][0]]))
"""


@pytest.mark.whole
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_keras_serves_on_each_backend(backend):
    error, wrong = engines.run(backend, f"import json, keras\n{BY_KERAS}")
    assert 0 <= error < 1e-5
    assert wrong == Status.LAW_BROKEN


def test_a_run_in_which_nothing_converts_has_its_answer():
    of = journals.case(phase=Phase.SERVE)
    for status, nothing in ((Status.NOT_CONVERTED, False), (Status.REFUSED, True)):
        session = SimpleNamespace(not_tried={}, results={of: Measurement(of, status)})
        assert Session.measured_nothing.fget(session) is nothing


# The slow ones -----------------------------------------------------------------------------------


def calls(slow_share, seed, count=1200, slow=5.0):
    """Seconds of calls that vary by 1 %, of which a share takes so many times as long."""
    dice = random.Random(seed)
    seconds = [1e-3 * dice.lognormvariate(0, 0.01) for _ in range(count)]
    for place in dice.sample(range(count), round(slow_share * count)):
        seconds[place] *= slow
    return seconds


def run_of(slow_share, *fixed, launches=3, count=1200):
    """Slow calls of so many launches, beside fixed work with this tail, or with one a launch."""
    tails = fixed if len(fixed) > 1 else (fixed or (1.03,)) * launches
    of = journals.case(phase=Phase.SERVE)
    lines = [
        CaseInLaunch(
            of,
            number,
            seconds_per_call=calls(slow_share, number, count),
            facts=Facts(canary_tail=own),
        )
        for number, own in enumerate(tails, 1)
    ]
    return slow_calls(Run(journals.header(), merge(lines), complete=True))[of]


def test_two_per_cent_of_slow_calls_show_in_the_99th_percentile_alone():
    found = run_of(0.02)
    assert found.p90.high < 1.1e-3
    assert found.p99.low > 4e-3
    assert found.whose is Whose.OWN


def test_three_of_a_thousand_slow_calls_show_in_neither():
    for fixed, whose in ((1.03, Whose.MACHINE), (1.0, Whose.OWN)):
        found = run_of(0.003, fixed)
        assert max(found.p90.high, found.p99.high) < 1.1e-3
        assert found.whose is whose


def test_slow_calls_that_the_fixed_work_has_too_are_the_machines():
    found = run_of(0.02, 5.5)
    assert (found.whose, found.p99.is_known) == (Whose.MACHINE, False)
    assert 4e-3 < found.p99.high < 6e-3
    assert with_interval(found.p99, "{:.3f}".format) == f"at most {found.p99.high:.3f}"
    assert run_of(0.02, 1.5).whose is Whose.OWN


def test_slow_calls_that_are_not_told_from_the_fixed_works_keep_their_percentile():
    for fixed in ((2.0, 5.0, 8.0), (None, None, None)):
        found = run_of(0.02, *fixed)
        assert (found.whose, found.p99.is_known) == (Whose.UNDECIDED, True)


@pytest.mark.parametrize(
    ("count", "known"), [(399, (True, False)), (400, (True, True)), (39, (False, False))]
)
def test_few_calls_tell_no_percentile(count, known):
    found = run_of(0.05, count=count)
    assert (found.p90 is not None, found.p99 is not None) == known
    assert (found.whose is Whose.TOO_FEW) == (found.p99 is None)


def test_one_launch_bounds_no_percentile():
    found = run_of(0.02, launches=1)
    assert (found.whose, found.p99.is_known) == (Whose.UNDECIDED, False)


def test_the_tail_of_fixed_work_needs_as_many_calls_as_a_percentile():
    seconds = calls(0.02, 1, count=rounds.BLOCK * rounds.LEAST_BLOCKS)
    assert tail([*seconds, nan]) == pytest.approx(5, rel=0.1)
    assert tail(seconds[1:]) is None
