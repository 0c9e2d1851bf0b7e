"""A container's quota is part of the machine, and what holds it or a GPU back is noticed."""

from types import SimpleNamespace

import pytest

from tests.repositories import write
from timelift.canary import Groups
from timelift.measure import machine
from timelift.worker import system


def groups(folder, own, files):
    """Control groups of these files, by path, for a process that is in `own`."""
    mounted = {f"mounted/{name}": text for name, text in files.items()}
    write(folder, mounted | {"own": own})
    return Groups(folder / "mounted", folder / "own")


def stat(periods):
    return f"usage_usec 9\nnr_periods 100\nnr_throttled {periods}\nthrottled_usec 12\n"


def container(periods=0, quota="150000 100000"):
    """The files of a container that sees its own group as the root."""
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
}
NONE = {
    "no limit": ("0::/\n", container(quota="max 100000")),
    "version 1 alone": ("4:cpu,cpuacct:/a\n", {"cpu,cpuacct/a/cpu.max": "150000 100000"}),
    "nonsense": ("0::/\nx\n::::\n", {"cpu.max": "a b c\n"}),
    "a period of nothing": ("0::/\n", {"cpu.max": "100 0"}),
    "no number": ("0::/\n", {"cpu.max": "\n", "cpu.stat": "nr_throttled many\nx\n"}),
}


@pytest.mark.parametrize(("own", "files", "cores"), QUOTAS.values(), ids=QUOTAS)
def test_a_quota_is_found_wherever_it_is_set(tmp_path, own, files, cores):
    assert groups(tmp_path, own, files).quota_cores() == cores


@pytest.mark.parametrize(("own", "files"), NONE.values(), ids=NONE)
def test_where_none_is_set_or_told_there_is_none(tmp_path, own, files):
    own_groups = groups(tmp_path, own, files)
    assert own_groups.quota_cores() is None
    assert "throttled_periods" not in system.Disturbances(own_groups).facts()
    assert "quota_cores" not in machine.describe([], own_groups).identity


def test_a_machine_without_control_groups_has_none(tmp_path):
    assert Groups(tmp_path / "none", tmp_path / "gone").throttled_periods() is None


def test_a_container_with_another_quota_is_another_machine(tmp_path):
    quotas = ("150000 100000", "200000 100000", "max 100000")
    machines = [
        machine.describe([], groups(tmp_path, "0::/\n", container(quota=quota))) for quota in quotas
    ]
    assert len({described.name for described in machines}) == 3
    assert "1-5quota" in machines[0].name


def test_periods_in_which_a_group_stood_still_are_counted_from_the_first_look(tmp_path):
    files = {"a/cpu.max": "150000 100000", "a/cpu.stat": stat(3), "cpu.stat": stat(40)}
    watched = groups(tmp_path, "0::/a\n", files)
    watching = system.Disturbances(watched)
    assert watching.facts()["throttled_periods"] == 0
    groups(tmp_path, "0::/a\n", {"a/cpu.stat": stat(8), "cpu.stat": stat(42)})
    assert watching.facts()["throttled_periods"] == 7


def test_a_count_that_falls_or_goes_away_is_no_negative_number(tmp_path):
    watched = groups(tmp_path, "0::/\n", container(5))
    watching = system.Disturbances(watched)
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
def test_heat_and_the_power_brake_hold_a_gpu_down_and_the_usual_power_cap_does_not(
    reasons, held_down
):
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
