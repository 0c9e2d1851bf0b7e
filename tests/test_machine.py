"""The machine: devices, backends and quota, a canary, what disturbs it, and its description."""

import itertools
import subprocess
from types import SimpleNamespace

import pytest

from tests.support.projects import write
from timelift.canary import Groups, time_canary, time_copy
from timelift.errors import UserError
from timelift.measure import backends, machine, options
from timelift.worker import system


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


def test_a_machine_is_described_with_how_fast_and_how_busy_it_is_now():
    state = machine.this_machine(()).information
    assert state["canary_seconds"] > 0
    assert 0 <= state["busy"] <= 1


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
def test_the_usual_backend_is_keras_s_or_the_first_installed(monkeypatch, tmp_path, told, words):
    installed, variable, text = told
    monkeypatch.setattr("importlib.util.find_spec", installed.split().__contains__)
    monkeypatch.setenv("KERAS_BACKEND", variable)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "keras.json").write_text(text)
    try:
        usual, said = *options.option_named("backends").value(""), backends.usual_backend()[1]
    except UserError as error:
        usual, said = None, str(error)
    assert said.replace(str(tmp_path / "keras.json"), "FILE").startswith(words)
    assert words.startswith(f"backend {usual}, ") == (usual is not None)


#: What metadata says of an extra, of a base that all need, and of Pythons that this one is not.
REQUIRES = [
    "pytest>=8",
    *("jax>=0.4; extra == 'jax'", 'keras[a]<4,>=3.4; extra == "jax"', "keras; extra == 'torch'"),
    "old; python_version < '3' and extra == 'jax'",
]


def test_what_lacks_is_told_by_its_own_names_until_ours_is_published(monkeypatch):
    ours = [SimpleNamespace(requires=REQUIRES)]
    monkeypatch.setattr(backends, "distributions", lambda **_: ours)
    assert backends.how_to_install("jax") == "pip install jax keras"
    ours.clear()  # a checkout that is not installed
    assert backends.how_to_install("jax") == "pip install '.[jax]' in timelift's folder"
    monkeypatch.setattr(backends, "ON_PYPI", True)
    assert backends.how_to_install("jax") == "pip install 'timelift[jax]'"


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


def groups(folder, own, files):
    """Control groups of these files, by path, for a process that is in `own`."""
    mounted = {f"mounted/{name}": text for name, text in files.items()}
    write(folder, mounted | {"own": own})
    return Groups(folder / "mounted", folder / "own")


def stat(periods):
    return f"usage_usec 9\nnr_periods 100\nnr_throttled {periods}\nthrottled_usec 12\n"


def container(periods=0, quota="150000 100000"):
    return {"cpu.max": f"{quota}\n", "cpu.stat": stat(periods)}


QUOTAS = {
    "as a container sees it": ("0::/\n", container(), 1.5),
    "as the host sees it": ("0::/a/b\n", {"a/b/cpu.max": "50000 100000\n"}, 0.5),
    "the group above allows less": (
        "0::/a/b\n",
        {"a/b/cpu.max": "400000 100000", "a/cpu.max": "200000 100000", "cpu.max": "max 100000"},
        2.0,
    ),
    "a group outside of what is mounted": ("0::/../../b\n", container(), 1.5),
    "no limit": ("0::/\n", container(quota="max 100000"), None),
    "version 1 alone": ("4:cpu,cpuacct:/a\n", {"cpu,cpuacct/a/cpu.max": "150000 100000"}, None),
    "nonsense": ("0::/\nx\n::::\n", {"cpu.max": "a b c\n"}, None),
    "a period of nothing": ("0::/\n", {"cpu.max": "100 0"}, None),
    "no number": ("0::/\n", {"cpu.max": "\n", "cpu.stat": "nr_throttled many\nx\n"}, None),
}


@pytest.mark.parametrize(("own", "files", "cores"), QUOTAS.values(), ids=QUOTAS)
def test_a_quota_is_found_wherever_it_is_set_and_nowhere_else(tmp_path, own, files, cores):
    own_groups = groups(tmp_path, own, files)
    assert own_groups.quota_cores() == cores
    assert machine.this_machine([], own_groups).identity.get("quota_cores") == cores


def test_where_no_group_counts_periods_none_are_told(tmp_path):
    own_groups = groups(tmp_path, "0::/\n", {"cpu.stat": "nr_throttled many\nx\n"})
    assert "throttled_periods" not in system.Disturbances(groups=own_groups).facts()


def test_a_machine_without_control_groups_has_none(tmp_path):
    assert Groups(tmp_path / "none", tmp_path / "gone").throttled_periods() is None


def test_a_container_with_another_quota_is_another_machine(tmp_path):
    quotas = ("150000 100000", "200000 100000", "max 100000")
    machines = [
        machine.this_machine([], groups(tmp_path, "0::/\n", container(quota=quota)))
        for quota in quotas
    ]
    assert len({described.name for described in machines}) == 3
    assert "1-5quota" in machines[0].name


def test_periods_in_which_a_group_stood_still_are_counted_from_the_first_look(tmp_path):
    files = {"a/cpu.max": "150000 100000", "a/cpu.stat": stat(3), "cpu.stat": stat(40)}
    watched = groups(tmp_path, "0::/a\n", files)
    watching = system.Disturbances(groups=watched)
    assert watching.facts()["throttled_periods"] == 0
    groups(tmp_path, "0::/a\n", {"a/cpu.stat": stat(8), "cpu.stat": stat(42)})
    assert watching.facts()["throttled_periods"] == 7


def test_a_count_that_falls_or_goes_away_is_no_negative_number(tmp_path):
    watched = groups(tmp_path, "0::/\n", container(5))
    watching = system.Disturbances(groups=watched)
    groups(tmp_path, "0::/\n", container(2))
    assert watching.facts()["throttled_periods"] == 0
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
