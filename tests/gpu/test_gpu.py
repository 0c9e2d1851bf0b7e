"""What only a GPU shows: run `make test-gpu`; without a GPU each test is skipped with a reason."""

import functools
import json
import math
import subprocess
import sys
from contextlib import closing

import pytest

from tests.support import engines
from tests.support.projects import ROOT, STRATEGIES, WORKLOADS
from timelift import rounds
from timelift.axis_values import Backend, Mode, Phase, Status
from timelift.case import Setting
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
    """Return what `tests.gpu.probe` measures in a fresh process, or its error as text."""
    command = [sys.executable, "-m", "tests.gpu.probe", backend, device]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    return json.loads(lines[-1]) if done.returncode == 0 else done.stderr[-2000:]


@pytest.fixture(params=list(Backend))
def backend(request):
    engines.skip_without(request.param)
    if len(options.device_names()) == 1:
        pytest.skip("this machine has no GPU with a driver")
    measurements = probe(request.param)
    if isinstance(measurements, str) and "UnavailableError" in measurements:
        pytest.skip(measurements.strip().splitlines()[-1])
    assert not isinstance(measurements, str), measurements
    return request.param


def measured(backend, rivals, mode=Mode.EAGER):
    setting = Setting("sensor", 3, 2, Phase.BACKWARD, mode, device="gpu", backend=backend)
    task = Task(setting, tuple(rivals), SENSOR.factory, SENSOR.inputs, 1, 0.0)
    with closing(LaunchProcess(backend, 120)) as launch:
        launch.wait_until_ready()
        return {end.case.strategy: end for end in launch.measure(task)}


@pytest.mark.gpu
@pytest.mark.parametrize("mode", [Mode.EAGER, Mode.GRAPH])
def test_every_default_strategy_keeps_the_law(backend, mode):
    chosen = [strategy.rival() for strategy in STRATEGIES.values() if strategy.default]
    ends = measured(backend, chosen, mode)
    assert not {name: end for name, end in ends.items() if end.status is Status.LAW_BROKEN}
    assert ends["fold_time"].status is Status.MEASURED


@pytest.mark.gpu
def test_inputs_are_on_the_device_before_the_clock(backend):
    measurements = probe(backend)
    assert any(word in measurements["device"].lower() for word in ("gpu", "cuda"))
    assert measurements["identity"]["name"]


@pytest.mark.gpu
def test_waiting_is_below_a_thousandth_of_a_sample(backend):
    assert probe(backend)["wait_share"] < 1.2 * rounds.WAIT_SHARE  # N is drawn within a tenth


@pytest.mark.gpu
def test_peak_memory_is_the_device_s_own(backend):
    measurements = probe(backend)
    if measurements["peak_bytes"] is None:
        pytest.skip(f"{backend} does not tell the peak of a call")
    assert 1 <= measurements["peak_bytes"] / measurements["output_bytes"] < 20


@pytest.mark.gpu
def test_a_sample_agrees_with_the_device_s_own_clock(backend):
    measurements = probe(backend)
    if math.isnan(measurements["event_over_clock"]):
        pytest.skip(f"{backend} hands out no event timer")
    assert measurements["event_over_clock"] == pytest.approx(1.0, abs=0.02)


@pytest.mark.gpu
def test_a_rival_out_of_device_memory_is_a_row_and_the_next_one_is_measured(backend, tmp_path):
    path = tmp_path / "greedy.py"
    path.write_text(GREEDY)
    (greedy,) = catalogue.read_variants(path).values()
    ends = measured(backend, [greedy.rival(), STRATEGIES["fold_time"].rival()])
    assert ends["greedy"].status is Status.OUT_OF_MEMORY
    assert ends["fold_time"].status is Status.MEASURED


@pytest.mark.parametrize(
    "name",
    [pytest.param(one, marks=() if one == "tensorflow" else pytest.mark.whole) for one in Backend],
)
def test_the_probe_runs_on_a_cpu_too(name):
    engines.skip_without(name)
    measurements = probe(name, "cpu")
    assert not isinstance(measurements, str), measurements
    assert measurements["peak_bytes"] is None
    assert measurements["seconds_per_call"] > 0
