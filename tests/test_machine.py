"""The machine: its devices, its name and its description."""

import subprocess

import pytest

from tests.support.control_groups import container, groups
from tests.support.projects import write
from timelift.errors import UserError
from timelift.measure import machine, options


def test_a_machine_is_described_with_how_fast_and_how_busy_it_is_now(monkeypatch):
    monkeypatch.setattr(machine.psutil, "cpu_percent", lambda _: 75.0)
    state = machine.this_machine(()).information
    assert state["canary_seconds"] > 0
    assert state["busy"] == 0.75


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
    read = options.option_named("devices").value
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
    name = machine.this_machine([]).name
    assert name.endswith("-8x-nvidia-h100-80gb-hbm3-81559-mib")
    gpus["gpus"] = [f"Accelerator of kind {number}" for number in range(40)]
    long = machine.this_machine([]).name
    assert len(long) <= machine.LONGEST_NAME
    (tmp_path / long).mkdir()


def test_a_gpu_without_its_program_is_said_all_the_same(monkeypatch):
    def missing(*_, **__):
        raise FileNotFoundError

    monkeypatch.setattr(machine, "device_names", lambda **_: ["cpu", "gpu"])
    monkeypatch.setattr(subprocess, "run", missing)
    assert machine.describe_gpus() == {"gpus": ["a GPU of which nvidia-smi reports nothing"]}


def test_what_keras_json_says_of_axes_and_numbers_is_among_the_flags(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    text = '{"backend": "jax", "floatx": "float32", "image_data_format": "channels_first"}'
    write(tmp_path, {"keras.json": text})
    flags = machine.this_machine([]).drift["flags"]
    assert flags["image_data_format"] == "channels_first"
    assert not {"backend", "floatx"} & {*flags}


@pytest.mark.parametrize("version", ["none", "2.15.0", "3.3.3"])
def test_a_keras_that_is_too_old_is_refused_before_anything_starts(monkeypatch, version):
    monkeypatch.setattr(machine, "versions", lambda _: {"keras": version})
    with pytest.raises(UserError, match=f"expected Keras 3.4 or newer in .*, received {version};"):
        machine.refuse_without_backend()
    machine.refuse_old_keras("3.10.0rc1", "python")


def test_a_container_with_another_quota_is_another_machine(tmp_path):
    quotas = ("150000 100000", "200000 100000", "max 100000")
    machines = [
        machine.this_machine([], groups(tmp_path, "0::/\n", container(quota=quota)))
        for quota in quotas
    ]
    assert len({described.name for described in machines}) == 3
    assert "1-5quota" in machines[0].name
