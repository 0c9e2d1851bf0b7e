"""What only a GPU shows: run `make test-gpu`; elsewhere each test says why it is skipped."""

import functools
import json
import math
import subprocess
import sys
from contextlib import closing

import pytest

from tests import engines
from tests.projects import ROOT, STRATEGIES, WORKLOADS
from timelift import rounds
from timelift.case import Backend, Mode, Phase, Setting, Status
from timelift.measure import catalogue, options
from timelift.measure.launch import LaunchProcess
from timelift.messages import Task

SENSOR = WORKLOADS["sensor"]
GREEDY = '''"""A strategy that asks for more memory than any device has."""
import keras

def build(layer, shape):
    x = keras.Input(shape)
    y = layer(x)
    huge = keras.ops.ones((1 << 21, 1 << 20))
    return keras.Model(x, y + keras.ops.sum(huge))
'''


@functools.cache
def probe(backend, device="gpu"):
    """What a fresh process of the backend says of the device, or why it says nothing."""
    command = [sys.executable, "-m", "tests.gpu.probe", backend, device]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    return json.loads(lines[-1]) if done.returncode == 0 else done.stderr[-2000:]


@pytest.fixture(params=list(Backend))
def backend(request):
    """Each backend that sees a GPU."""
    engines.skip_without(request.param)
    if len(options.device_names()) == 1:
        pytest.skip("this machine has no GPU with a driver")
    found = probe(request.param)
    if isinstance(found, str) and "UnavailableError" in found:
        pytest.skip(found.strip().splitlines()[-1])
    assert not isinstance(found, str), found
    return request.param


def measured(backend, rivals, mode=Mode.EAGER, device="gpu", phase=Phase.BACKWARD):
    """How rivals end on a device, by name."""
    setting = Setting("sensor", 3, 2, phase, mode, device=device, backend=backend)
    task = Task(setting, tuple(rivals), SENSOR.factory, SENSOR.inputs, 1, 0.0)
    with closing(LaunchProcess(backend, 120)) as launch:
        launch.wait_until_ready()
        return {one.case.strategy: one for one in launch.measure(task)}


@pytest.mark.gpu
@pytest.mark.parametrize("mode", [Mode.EAGER, Mode.GRAPH])
def test_every_default_strategy_keeps_the_law(backend, mode):
    chosen = [one.rival() for one in STRATEGIES.values() if one.default]
    found = measured(backend, chosen, mode)
    assert not {name: one for name, one in found.items() if one.status is Status.LAW_BROKEN}
    assert found["fold_time"].status is Status.MEASURED


@pytest.mark.gpu
def test_inputs_are_on_the_device_before_the_clock(backend):
    found = probe(backend)
    assert any(word in found["device"].lower() for word in ("gpu", "cuda"))
    assert found["identity"]["name"]


@pytest.mark.gpu
def test_waiting_is_below_a_thousandth_of_a_sample(backend):
    assert probe(backend)["wait_share"] < 1.2 * rounds.WAIT_SHARE  # N is drawn within a tenth


@pytest.mark.gpu
def test_peak_memory_is_the_device_s_own(backend):
    found = probe(backend)
    if found["peak_bytes"] is None:
        pytest.skip(f"{backend} does not tell the peak of a call")
    assert found["output_bytes"] <= found["peak_bytes"] < 20 * found["output_bytes"]


@pytest.mark.gpu
def test_a_sample_agrees_with_the_device_s_own_clock(backend):
    found = probe(backend)
    if math.isnan(found["event_over_clock"]):
        pytest.skip(f"{backend} hands out no event timer")
    assert found["event_over_clock"] == pytest.approx(1.0, abs=0.02)


@pytest.mark.gpu
def test_who_runs_out_of_device_memory_is_a_row_and_the_next_one_is_measured(backend, tmp_path):
    path = tmp_path / "greedy.py"
    path.write_text(GREEDY)
    (greedy,) = catalogue.read_variants(path).values()
    found = measured(backend, [greedy.rival(), STRATEGIES["fold_time"].rival()])
    assert found["greedy"].status is Status.OUT_OF_MEMORY
    assert found["fold_time"].status is Status.MEASURED


@pytest.mark.parametrize(
    "name",
    [
        Backend.TENSORFLOW,
        pytest.param(Backend.JAX, marks=pytest.mark.whole),
        pytest.param(Backend.TORCH, marks=pytest.mark.whole),
    ],
)
def test_the_probe_asks_on_a_cpu_what_it_asks_on_a_gpu(name):
    engines.skip_without(name)
    found = probe(name, "cpu")
    assert not isinstance(found, str), found
    assert found["peak_bytes"] is None
    assert found["seconds_per_call"] > 0
