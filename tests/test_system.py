"""What the system tells: other programs, disturbances, a GPU's clocks, and the memory of a call."""

import mmap
import os
from contextlib import closing
from types import SimpleNamespace

import pytest

from tests.support import engines
from tests.support.control_groups import container, groups, stat
from tests.support.projects import write
from timelift.axis_values import Backend, Mode, Phase, Status
from timelift.case import Setting
from timelift.inner_layer import LayerInputs
from timelift.measure.launch import LaunchProcess
from timelift.measure.launch_pool import PEAK_READING_ENVIRONMENT
from timelift.messages import RUN_PROCESS, RivalSpec, Task
from timelift.worker import system
from timelift.worker.system import Neighbours


def proc(folder, busy, idle, **processes):
    """A /proc of two processors in ticks, and of processes: (parent, own ticks, its children's)."""
    folder.mkdir(exist_ok=True)
    stolen = busy // 5
    lines = (f"cpu{core} {busy - stolen} 0 0 {idle} 7 0 0 {stolen} 0 0" for core in (0, 1))
    (folder / "stat").write_text("\n".join(["cpu 1 2 3", *lines, "btime 5"]))
    for name, (parent, ticks, ended) in processes.items():
        own = folder / name.strip("p")
        own.mkdir(exist_ok=True)
        before = f"{own.name} (a (name) S {parent} 1 1 0 -1 0 0 0 0 0"
        (own / "stat").write_text(f"{before} {ticks} 0 {ended} 0 20 0 1")
    return folder


@pytest.fixture
def seen(tmp_path, monkeypatch):
    """Facts after 10 s in which two processors worked 5 s each, 1 s for guests, 2 s for the run."""
    clock = iter([0.0, 10.0])
    monkeypatch.setattr(system.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setenv(RUN_PROCESS, "10")
    tick = os.sysconf("SC_CLK_TCK")

    def facts(threads, quota=None):
        folder = proc(tmp_path / "proc", 0, 0, p10=(1, 5, 0), p11=(10, 0, 0), p99=(1, 0, 0))
        watching = Neighbours(threads, SimpleNamespace(quota_cores=lambda: quota), folder)
        run = {"p10": (1, 5 + tick // 2, tick // 2), "p11": (10, tick, 0)}
        with watching.watched():
            proc(folder, 5 * tick, 5 * tick, **run, p99=(1, 8 * tick, 0))
        return watching.facts()

    return facts


@pytest.mark.parametrize(
    ("threads", "quota", "missing"),
    [(0, None, 0.8), (2, None, 0.8), (1, None, 0.0), (0, 1.5, 0.3), (8, None, 0.8)],
)
def test_others_take_what_the_run_and_its_ended_children_did_not(seen, threads, quota, missing):
    told = {"others_cores": 0.8, "missing_cores": missing, "stolen_share": 0.1}
    assert seen(threads, quota) == told


def test_what_is_watched_in_bursts_counts_and_nothing_between(tmp_path, monkeypatch):
    clock = iter([10.0, 10.3, 20.0, 20.3])
    monkeypatch.setattr(system.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setenv(RUN_PROCESS, "10")
    tick, folder = os.sysconf("SC_CLK_TCK"), tmp_path / "proc"
    proc(folder, 0, 0, p10=(1, 0, 0))
    watching = Neighbours(0, SimpleNamespace(quota_cores=lambda: None), folder)
    for before, after in ((4, 4.15), (9, 9.15)):  # seconds that each of two processors worked
        proc(folder, round(before * tick), round(before * tick), p10=(1, 0, 0))
        with watching.watched():
            proc(folder, round(after * tick), round(after * tick), p10=(1, 0, 0))
    assert watching.facts()["others_cores"] == pytest.approx(1.0)


def test_where_no_processor_time_is_reported_nothing_is_known_of_others(tmp_path):
    assert Neighbours(proc=tmp_path / "none").facts() == {}


def test_where_no_group_counts_periods_none_are_told(tmp_path):
    own_groups = groups(tmp_path, "0::/\n", {"cpu.stat": "nr_throttled many\nx\n"})
    assert "throttled_periods" not in system.Disturbances(groups=own_groups).facts()


def test_periods_in_which_a_group_stood_still_are_counted_in_what_is_watched_alone(tmp_path):
    files = {"a/cpu.max": "150000 100000", "a/cpu.stat": stat(3), "cpu.stat": stat(40)}
    watched = groups(tmp_path, "0::/a\n", files)
    watching = system.Disturbances(groups=watched)
    assert watching.facts()["throttled_periods"] == 0
    for own, above in ((8, 42), (9, 50)):
        with watching.watched():
            groups(tmp_path, "0::/a\n", {"a/cpu.stat": stat(own), "cpu.stat": stat(above)})
        groups(tmp_path, "0::/a\n", {"a/cpu.stat": stat(own), "cpu.stat": stat(above + 5)})
    assert watching.facts()["throttled_periods"] == 7 + 4


def test_a_count_that_falls_or_goes_away_is_no_negative_number(tmp_path):
    watched = groups(tmp_path, "0::/\n", container(5))
    watching = system.Disturbances(groups=watched)
    with watching.watched():
        groups(tmp_path, "0::/\n", container(2))
    assert watching.facts()["throttled_periods"] == 0
    with watching.watched():
        (tmp_path / "mounted" / "cpu.stat").unlink()
    assert "throttled_periods" not in watching.facts()


def nvml(reasons, handles=None):
    """NVML as far as it is asked; the handles that are asked for are `seen`."""
    handle = (handles if handles is not None else []).append
    return SimpleNamespace(
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByIndex=handle,
        nvmlDeviceGetHandleByUUID=handle,
        nvmlDeviceGetCurrentClocksThrottleReasons=lambda _: reasons,
    )


@pytest.mark.parametrize(
    ("reasons", "held_down"), [(0x40, True), (0x08, True), (0x04, False), (0x01, False), (0, False)]
)
def test_heat_and_the_power_brake_hold_a_gpu_down_and_the_usual_cap_does_not(reasons, held_down):
    assert system.Clocks("gpu", lambda: nvml(reasons)).held_down() is held_down


@pytest.mark.parametrize(
    ("device", "shown", "handle"),
    [("gpu", "", 0), ("gpu:1", "", 1), ("gpu", "3", 3), ("gpu:1", "3,GPU-5f", "GPU-5f")],
)
def test_the_device_is_the_one_that_cuda_numbers_so(monkeypatch, device, shown, handle):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", shown)
    handles = []
    clocks = system.Clocks(device, lambda: nvml(0, handles))
    assert handles == [handle]  # before they are read
    clocks.held_down()
    assert handles == [handle]


def test_without_the_library_or_a_gpu_nothing_is_held_down():
    def missing():
        raise ImportError

    assert not system.Clocks("gpu", missing).held_down()
    assert not system.Clocks("cpu", lambda: nvml(0x40)).held_down()


# Peak memory is what a call needs: known sizes are read, and none below the resolution. ----------

MIB = 1 << 20
#: The least reading of a MiB: it may share the pages at its two ends with earlier blocks, and 255
#: pages of 4 KiB are its own wherever it begins.
LEAST = MIB - mmap.PAGESIZE
#: One MiB of outputs: 32 sequences of 128 steps of 64 floats of 4 bytes.
SEQ_LEN, BATCH, FEATURES = 128, 32, (64,)
LAYER = """import keras


def make():
    return keras.layers.Activation(keras.ops.negative)


def wide():
    return keras.layers.Dense(4096, use_bias=False)
"""
STRATEGY = """
import keras


def build(layer, shape, dtype=None):
    inputs = keras.Input(shape)
    return keras.Model(inputs, {outputs})
"""
#: A strategy returns its outputs, or its model holds them while it makes a copy.
OUTPUTS = {"once": "layer(inputs)", "twice": "layer(inputs) + 0.0"}


@pytest.fixture
def files(tmp_path):
    strategies = {f"{name}.py": STRATEGY.format(outputs=line) for name, line in OUTPUTS.items()}
    return write(tmp_path, strategies | {"layer.py": LAYER})


def readings(files, launch, sizes, phase=Phase.FORWARD, layer="make"):
    """Peak bytes by strategy, as a run reads them, eagerly: nothing is optimised away."""
    backend, process = launch
    task = Task(
        setting=Setting("held", *sizes, phase, mode=Mode.EAGER, backend=backend),
        rivals=tuple(RivalSpec(name, str(files / f"{name}.py")) for name in OUTPUTS),
        factory=f"{files / 'layer.py'}:{layer}",
        inputs=LayerInputs.of_one(FEATURES),
        seed=1,
        round_seconds=0.0,
        reads_peak_memory=True,
    )
    outcomes = process.measure(task)
    assert {end.status for end in outcomes} == {Status.MEASURED}, outcomes
    return {end.case.strategy: end.facts.peak_bytes for end in outcomes}


@pytest.fixture(
    scope="module",
    params=[Backend.TENSORFLOW, Backend.JAX, pytest.param(Backend.TORCH, marks=pytest.mark.whole)],
)
def launch(request):
    engines.skip_without(request.param)
    with closing(LaunchProcess(request.param, 60, variables=PEAK_READING_ENVIRONMENT)) as started:
        started.wait_until_ready()
        yield request.param, started


@pytest.mark.alone  # a system that takes pages back for others moves a reading by a quarter
def test_a_mebibyte_of_outputs_reads_as_one_and_a_second_copy_as_two(files, launch):
    peaks = [readings(files, launch, (SEQ_LEN, BATCH)) for _ in range(3)]
    for peak in peaks:
        assert LEAST <= peak["once"] <= 2 * MIB
        assert 1.5 <= peak["twice"] / peak["once"] <= 2.5
    for name in OUTPUTS:
        sizes = [peak[name] for peak in peaks]
        assert max(sizes) <= 1.1 * min(sizes)


@pytest.mark.alone  # beside the one above, whose process it shares
def test_a_size_below_the_resolution_is_left_out(files, launch):
    assert set(readings(files, launch, (8, 8)).values()) == {None}


@pytest.mark.alone  # as above
def test_a_train_step_needs_the_moments_of_adam_beside_the_gradients(files, launch):
    """Weights of a MiB have two moments and a gradient, of which a backward call needs the last."""
    backward, train = (
        readings(files, launch, (2, 2), phase, "wide")["once"]
        for phase in (Phase.BACKWARD, Phase.TRAIN)
    )
    assert backward >= LEAST
    assert train - backward >= 2 * MIB


def test_memory_that_a_thread_frees_late_is_not_counted_as_free_before():
    script = (
        "import json\nfrom timelift.worker import system\nheld = []\n"
        "def call():\n"
        "    held.clear()\n"
        f"    held.append(bytearray(b'x') * {MIB})\n"
        "    return held[0]\n"
        "print(json.dumps(system.host_peak_facts(call, lambda _: 0)))"
    )
    facts = engines.run_afresh(Backend.TENSORFLOW, script, **PEAK_READING_ENVIRONMENT)
    assert LEAST <= facts["peak_bytes"] <= 2 * MIB
