"""The canary: how fast a machine is now, and how much of it a control group may use."""

import itertools
import math
from types import SimpleNamespace

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


GIB = 1 << 30
CACHED = f"anon 5\ninactive_file {GIB}\n"
LIMITS = {
    "its own": ({"memory.max": f"{4 * GIB}\n", "memory.current": f"{GIB}\n"}, 3 * GIB),
    "files that it may forget": (
        {"memory.max": f"{4 * GIB}", "memory.current": f"{3 * GIB}", "memory.stat": CACHED},
        2 * GIB,
    ),
    "no limit": ({"memory.max": "max\n", "memory.current": f"{GIB}\n"}, math.inf),
    "nonsense": ({"memory.max": "much\n", "memory.current": "\n"}, math.inf),
}


@pytest.mark.parametrize(("files", "free"), LIMITS.values(), ids=LIMITS)
def test_a_limit_of_memory_leaves_what_is_not_used_but_for_files(tmp_path, files, free):
    assert groups(tmp_path, "0::/\n", files).free_bytes() == free


@pytest.mark.parametrize("limited", [False, True])
def test_there_is_room_until_half_of_what_was_free_is_taken(monkeypatch, limited):
    free = {"machine": 8.0 * GIB, "group": 2.0 * GIB if limited else math.inf}
    memory = SimpleNamespace(virtual_memory=lambda: SimpleNamespace(available=free["machine"]))
    monkeypatch.setattr(machine, "psutil", memory)
    monkeypatch.setattr(Groups, "free_bytes", lambda _: free["group"])
    has_room, watched = machine.room_watch(), "group" if limited else "machine"
    assert has_room()
    free[watched] *= 0.51
    assert has_room()
    free[watched] *= 0.9
    assert not has_room()


def test_a_machine_without_control_groups_has_none(tmp_path):
    assert Groups(tmp_path / "none", tmp_path / "gone").throttled_periods() is None
