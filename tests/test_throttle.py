"""A GPU that heat or its power supply holds down is seen; the driver's library is faked."""

from types import SimpleNamespace

import pytest

from timelift.worker import system


def library(reasons, seen):
    """NVML as far as it is asked: each look gives the next of `reasons`."""
    left = list(reasons)

    def by_index(number):
        seen.append(number)
        return number

    return SimpleNamespace(
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByIndex=by_index,
        nvmlDeviceGetHandleByUUID=by_index,
        nvmlDeviceGetCurrentClocksThrottleReasons=lambda _: left.pop(0),
    )


@pytest.mark.parametrize(("reason", "grows"), [(0x40, 1), (0x08, 1), (0x04, 0), (0x01, 0), (0, 0)])
def test_heat_and_the_power_brake_count_and_the_usual_power_cap_does_not(reason, grows):
    count = system.held_down_count("gpu", lambda: library([0, 0, reason], []))
    assert count() == 0
    assert count() == grows


@pytest.mark.parametrize(
    ("device", "shown", "handle"),
    [("gpu", "", 0), ("gpu:1", "", 1), ("gpu", "3", 3), ("gpu:1", "3,GPU-5f", "GPU-5f")],
)
def test_the_device_is_the_one_that_cuda_numbers_so(monkeypatch, device, shown, handle):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", shown)
    seen = []
    system.held_down_count(device, lambda: library([0], seen))
    assert seen == [handle]


def test_without_the_library_or_a_gpu_nothing_is_ever_throttled():
    def missing():
        raise ImportError

    assert system.held_down_count("gpu", missing)() == 0
    assert system.held_down_count("cpu", missing)() == 0
