"""The devices by the names that every backend understands, found without importing any."""

import subprocess

import pytest

from timelift.case import Backend
from timelift.errors import UserError
from timelift.measure import machine, options


@pytest.fixture
def folder(tmp_path):
    """A folder of device files with two GPUs, and what a driver puts beside them."""
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "null"):
        (tmp_path / name).touch()
    return tmp_path


def test_every_gpu_with_a_driver_is_named(folder, tmp_path_factory):
    """The first of a kind has no number; the driver's other files are no devices."""
    assert machine.device_names(folder, {}) == ["cpu", "gpu", "gpu:1"]
    assert machine.device_names(tmp_path_factory.mktemp("none"), {}) == ["cpu"]


@pytest.mark.parametrize(
    ("shown", "names"),
    [("1", ["cpu", "gpu"]), ("", ["cpu"]), ("-1", ["cpu"]), ("0,1,2", ["cpu", "gpu", "gpu:1"])],
)
def test_hidden_gpus_are_not_there(folder, shown, names):
    """As CUDA numbers them: what is not shown has no number."""
    assert machine.device_names(folder, {"CUDA_VISIBLE_DEVICES": shown}) == names


def test_the_first_of_a_kind_has_one_name():
    """So that `gpu` and `gpu:0` are one setting, and comparable."""
    assert machine.read_device("gpu:0") == machine.read_device("gpu") == "gpu"
    assert machine.read_device("cpu:1") == "cpu:1"
    with pytest.raises(UserError, match="unknown device 'tpu'"):
        machine.read_device("tpu")


def test_all_and_nothing_are_spelled_out(monkeypatch):
    """Nothing asks for the CPU and the first GPU, `all` for every device."""
    monkeypatch.setattr(machine, "device_names", lambda **_: ["cpu", "gpu", "gpu:1"])
    read = next(one for one in options.AXIS_OPTIONS if one.name == "devices").value
    assert read("") == ("cpu", "gpu")
    assert read("all") == ("cpu", "gpu", "gpu:1")
    assert read("gpu:1,cpu") == ("gpu:1", "cpu")


def test_gpus_are_described_as_the_driver_tells(monkeypatch):
    """Names with memory are identity; the driver's version may drift."""
    told = "NVIDIA H100 80GB HBM3, 81559 MiB, 550.54\nNVIDIA T4, 15360 MiB, 550.54\n"
    done = subprocess.CompletedProcess([], 0, told)
    monkeypatch.setattr(machine, "device_names", lambda **_: ["cpu", "gpu", "gpu:1"])
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    found = machine.describe_gpus()
    assert found["gpus"] == ["NVIDIA H100 80GB HBM3, 81559 MiB", "NVIDIA T4, 15360 MiB"]
    assert found["drivers"] == ["550.54"]


def test_a_gpu_without_its_program_is_said_all_the_same(monkeypatch):
    """A machine with a GPU is never the machine without one."""

    def missing(*_, **__):
        raise FileNotFoundError

    monkeypatch.setattr(machine, "device_names", lambda **_: ["cpu", "gpu"])
    monkeypatch.setattr(subprocess, "run", missing)
    assert machine.describe_gpus() == {"gpus": ["a GPU that nvidia-smi does not tell of"]}


def test_a_backend_that_is_not_installed_names_the_command():
    """The sentence of the skip; none where it is installed."""
    sentence = machine.why_not_installed(Backend.JAX, find=lambda _: None)
    assert sentence == "jax is not installed; install it with: pip install -e '.[jax]'"
    assert machine.why_not_installed(Backend.TENSORFLOW) == ""
