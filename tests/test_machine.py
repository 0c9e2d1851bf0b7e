"""The machine: its devices and backends, a canary, stolen time, a description that never raises."""

import itertools
import subprocess

import psutil
import pytest

from tests import engines
from tests.repositories import write
from timelift.canary import time_canary, time_copy
from timelift.case import Backend
from timelift.errors import UserError
from timelift.measure import backends, machine, options
from timelift.worker import system

OPTIONS = {option.name: option for option in options.OPTIONS}


def ticking(*gaps):
    """A clock whose pairs of readings lie these gaps apart."""
    readings = itertools.chain.from_iterable((0.0, gap) for gap in gaps)
    return lambda: next(readings)


def test_a_beat_that_is_disturbed_does_not_move_the_canary():
    assert time_canary(ticking(*[2e-5] * 39, 4e-5)) == 2e-5


def test_the_canary_s_copy_leaves_out_those_that_map_its_memory():
    assert time_copy(ticking(1.0, 1.0, 2e-3, 3e-3, 9e-3)) == pytest.approx(3e-3)
    assert 0 < time_copy() < 1


def test_where_no_memory_is_left_the_canary_copies_none(monkeypatch):
    monkeypatch.setattr("timelift.canary._COPIED_BYTES", 1 << 60)
    assert time_copy() is None


class Times(tuple):
    """Processor times as psutil gives them: a tuple of all, some by name."""

    __slots__ = ()

    @property
    def steal(self):
        return self[-1]


def test_stolen_time_is_a_share_of_what_has_passed(monkeypatch):
    readings = iter([Times((100, 50, 5)), Times((106, 52, 7))])
    monkeypatch.setattr(psutil, "cpu_times", lambda: next(readings))
    assert system.Disturbances().facts()["stolen_share"] == pytest.approx(0.2)


def test_where_no_time_has_passed_or_none_is_told_nothing_is_known_of_what_was_stolen(monkeypatch):
    for times in ((100.0, 50.0), Times((100.0, 50.0))):
        monkeypatch.setattr(psutil, "cpu_times", lambda times=times: times)
        assert "stolen_share" not in system.Disturbances().facts()


def test_a_machine_is_described_with_how_fast_and_how_busy_it_is_now():
    state = machine.describe(()).information
    assert state["canary_seconds"] > 0
    assert 0 <= state["busy"] <= 1


def test_what_threads_wait_for_a_processor_is_seen():
    script = (
        "import os, time\n"
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from timelift.worker import system\n"
        "def spin():\n"
        "    end = time.monotonic() + 0.5\n"
        "    while time.monotonic() < end: pass\n"
        "seen = system.Disturbances()\n"
        "if os.fork() == 0:\n"
        "    spin(); os._exit(0)\n"
        "spin(); print(seen.facts()['waited_share'])\n"
    )
    share = engines.run_afresh(Backend.TENSORFLOW, script)
    assert 0.2 < share < 2  # as a share, not in any other unit of time


@pytest.mark.parametrize(
    ("variables", "names"),
    [
        ({}, ["cpu", "gpu", "gpu:1"]),
        ({"CUDA_VISIBLE_DEVICES": "1"}, ["cpu", "gpu"]),
        ({"CUDA_VISIBLE_DEVICES": ""}, ["cpu"]),
        ({"CUDA_VISIBLE_DEVICES": "-1,0"}, ["cpu"]),
        ({"CUDA_VISIBLE_DEVICES": "0,1,2"}, ["cpu", "gpu", "gpu:1"]),
    ],
)
def test_every_gpu_with_a_driver_is_named_and_hidden_ones_are_not_there(tmp_path, variables, names):
    assert options.device_names(tmp_path, variables) == ["cpu"]
    write(tmp_path, dict.fromkeys("nvidia0 nvidia1 nvidiactl nvidia-uvm null".split(), ""))
    assert options.device_names(tmp_path, variables) == names


def test_the_first_of_a_kind_has_one_name():
    assert options.read_device("gpu:0") == options.read_device("gpu") == "gpu"
    assert options.read_device("cpu:1") == "cpu:1"


def test_all_and_nothing_are_spelled_out(monkeypatch):
    monkeypatch.setattr(options, "device_names", lambda **_: ["cpu", "gpu", "gpu:1"])
    read = OPTIONS["devices"].value
    assert read("") == ("cpu", "gpu")
    assert read("all") == ("cpu", "gpu", "gpu:1")
    assert read("gpu:1,cpu") == ("gpu:1", "cpu")


def test_gpus_are_described_as_the_driver_tells(monkeypatch):
    rows = "NVIDIA H100 80GB HBM3, 81559 MiB, 550.54\nNVIDIA T4, 15360 MiB, 550.54\n"
    done = subprocess.CompletedProcess([], 0, rows)
    monkeypatch.setattr(machine, "device_names", lambda **_: ["cpu", "gpu", "gpu:1"])
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    gpus = machine.describe_gpus()
    assert gpus["gpus"] == ["NVIDIA H100 80GB HBM3, 81559 MiB", "NVIDIA T4, 15360 MiB"]
    assert gpus["drivers"] == ["550.54"]


def test_equal_gpus_are_counted_in_a_name_that_a_folder_can_have(monkeypatch, tmp_path):
    gpus = {"gpus": ["NVIDIA H100 80GB HBM3, 81559 MiB"] * 8, "drivers": ["550.54"]}
    monkeypatch.setattr(machine, "describe_gpus", lambda: gpus)
    name = machine.describe([]).name
    assert name.endswith("-8x-nvidia-h100-80gb-hbm3-81559-mib")
    gpus["gpus"] = [f"Accelerator of kind {number}" for number in range(40)]
    long = machine.describe([]).name
    assert len(long) <= machine.LONGEST_NAME
    (tmp_path / long).mkdir()


def test_a_gpu_without_its_program_is_said_all_the_same(monkeypatch):
    def missing(*_, **__):
        raise FileNotFoundError

    monkeypatch.setattr(machine, "device_names", lambda **_: ["cpu", "gpu"])
    monkeypatch.setattr(subprocess, "run", missing)
    assert machine.describe_gpus() == {"gpus": ["a GPU of which nvidia-smi reports nothing"]}


FIRST, EXPECTED = "the first that is installed", "expected tensorflow, jax, torch as the backend,"


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (("tensorflow jax torch", "", "{}"), f"backend tensorflow, {FIRST}"),
        (("jax torch", "", "{}"), f"backend jax, {FIRST}"),
        (("", "", "{}"), f"backend tensorflow, {FIRST}"),
        (("tensorflow jax", "", '{"backend": "jax"}'), "backend jax, as FILE says"),
        (("tensorflow jax", "", '{"backend": "jax",}'), f"backend tensorflow, {FIRST}"),
        (("tensorflow jax", "jax", "[]"), "backend jax, as KERAS_BACKEND says"),
        (("jax", "", '{"backend": "torch"}'), "backend jax, since torch, as FILE says, is no"),
        (("tensorflow", "openvino", "{}"), f"KERAS_BACKEND: {EXPECTED} received 'openvino'"),
        (("tensorflow", "jax", "{}"), "KERAS_BACKEND: jax is not installed; install it with: "),
        (("tensorflow", "", '{"backend": ["jax"]}'), f"FILE: {EXPECTED} received ['jax']; change"),
        (("jax", "", "[1]"), f"backend jax, {FIRST}"),
    ],
)
def test_the_usual_backend_is_keras_s_own_or_the_first_installed(
    monkeypatch, tmp_path, told, words
):
    installed, variable, text = told
    monkeypatch.setattr("importlib.util.find_spec", installed.split().__contains__)
    monkeypatch.setenv("KERAS_BACKEND", variable)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "keras.json").write_text(text)
    try:
        usual, said = *OPTIONS["backends"].value(""), backends.usual_backend()[1]
    except UserError as error:
        usual, said = None, str(error)
    assert said.replace(str(tmp_path / "keras.json"), "FILE").startswith(words)
    assert words.startswith(f"backend {usual}, ") == (usual is not None)


def test_what_keras_json_says_of_axes_and_numbers_is_among_the_flags(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    text = '{"backend": "jax", "floatx": "float32", "image_data_format": "channels_first"}'
    write(tmp_path, {"keras.json": text})
    flags = machine.describe([]).drift["flags"]
    assert flags["image_data_format"] == "channels_first"
    assert not {"backend", "floatx"} & {*flags}


@pytest.mark.parametrize("version", ["none", "2.15.0", "3.3.3"])
def test_a_keras_that_is_too_old_is_refused_before_anything_starts(monkeypatch, version):
    monkeypatch.setattr(machine, "versions", lambda _: {"keras": version})
    with pytest.raises(UserError, match=f"expected Keras 3.4 or newer in .*, received {version};"):
        machine.refuse_without_backend()
    machine.refuse_old_keras("3.10.0rc1", "python")
