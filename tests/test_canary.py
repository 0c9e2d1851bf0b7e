"""The canary: how fast a machine is now, and how much of it a control group may use."""

import itertools

import pytest

from tests.support.control_groups import container, groups
from timelift.canary import Groups, time_canary, time_copy
from timelift.measure import machine


def ticking(*gaps):
    """A clock whose pairs of readings lie these gaps apart."""
    readings = itertools.chain.from_iterable((0.0, gap) for gap in gaps)
    return lambda: next(readings)


def test_a_beat_that_is_disturbed_does_not_move_the_canary():
    assert time_canary(ticking(*[2e-5] * 39, 4e-5)) == 2e-5


def test_the_canary_s_copy_leaves_out_those_that_map_its_memory():
    assert time_copy(ticking(1.0, 1.0, 2e-3, 3e-3, 9e-3)) == pytest.approx(3e-3)
    assert time_copy() > 0


def test_where_no_memory_is_left_the_canary_copies_none(monkeypatch):
    monkeypatch.setattr("timelift.canary._COPIED_BYTES", 1 << 60)
    assert time_copy() is None


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


def test_a_machine_without_control_groups_has_none(tmp_path):
    assert Groups(tmp_path / "none", tmp_path / "gone").throttled_periods() is None
