"""The processes of a campaign: none goes on once time is up, whenever the signal comes."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from timelift.case import Backend
from timelift.errors import UserError
from timelift.measure import launch_pool
from timelift.measure.campaign_options import CampaignOptions
from timelift.measure.launch_pool import LaunchPool, LaunchSlot
from timelift.measure.locks import BuildOrPlayLock
from timelift.messages import COMPILED_FOLDER, RivalSpec

OPTIONS = CampaignOptions.read({"launches": "2"})
WANTED = [(number, Backend.JAX, "") for number in (1, 2, 9)]


class ScriptedLaunch:
    """A launch that counts what it is told, and may be the moment at which the signal comes."""

    made: list = []  # noqa: RUF012 - one list for a test

    def __init__(self, backend, _limits, python="", *, variables):
        self.python = python
        self.backend, self.early_finishes, self.closed = backend, 0, False
        self.variables = variables
        self.made.append(self)
        if self.signal:
            self.signal()

    signal = None

    def finish_early(self):
        self.early_finishes += 1

    def share_lock(self, _, limits):
        self.limits = limits

    def wait_until_ready(self):
        pass

    def close(self):
        self.closed = True


@pytest.fixture
def launch(monkeypatch):
    monkeypatch.setattr(ScriptedLaunch, "made", [])
    monkeypatch.setattr(ScriptedLaunch, "signal", None)
    monkeypatch.setattr(launch_pool, "LaunchProcess", ScriptedLaunch)
    return ScriptedLaunch


def test_the_first_launches_start_together_and_all_end(launch):
    with LaunchPool(OPTIONS, WANTED):
        assert [one.backend for one in launch.made] == [Backend.JAX] * 2
        assert not any(one.closed or one.early_finishes for one in launch.made)
    assert all(one.closed for one in launch.made)


@pytest.mark.parametrize("fails", [False, True])
def test_what_reads_peaks_is_waited_for_and_may_fail_to_start(launch, monkeypatch, fails):
    waited = []

    def wait(self):
        waited.append(self)
        if fails and "MALLOC_ARENA_MAX" in self.variables:
            raise UserError("it cannot be imported")

    monkeypatch.setattr(launch, "wait_until_ready", wait)
    with LaunchPool(OPTIONS, [*WANTED, (2, Backend.JAX, sys.executable)]):
        assert waited == launch.made
        assert len(waited) == 3


def test_a_launch_that_starts_while_the_signal_comes_hears_of_it(launch, monkeypatch):
    pool = LaunchPool(OPTIONS, WANTED)
    monkeypatch.setattr(launch, "signal", staticmethod(pool.finish_early))
    with pool:
        assert all(one.early_finishes for one in launch.made)


def test_all_launches_of_a_run_have_one_folder_for_what_is_compiled_which_ends_with_it(launch):
    folders = set()
    for _ in range(2):
        with LaunchPool(OPTIONS, WANTED):
            (folder,) = {Path(one.variables[COMPILED_FOLDER]) for one in launch.made}
            assert folder.is_dir()
            (folder / "left by a worker").touch()
        assert not folder.exists()
        folders.add(folder)
        launch.made.clear()
    assert len(folders) == 2


# Beside another launch of its group, or the process that reads its peaks; not in the first launch,
# which gives up what takes longer than was asked for.
@pytest.mark.parametrize(
    ("group", "reads_beside", "alone", "times"),
    [
        ((1,), False, True, 1),
        ((1,), True, False, 1),
        ((2,), True, False, 2),
        ((3,), False, True, 1),
        ((4, 5), False, False, 2),
    ],
)
@pytest.mark.usefixtures("launch")
def test_what_builds_beside_another_process_has_twice_as_long(group, reads_beside, alone, times):
    slot = LaunchSlot(group[0], group, BuildOrPlayLock(), reads_beside)
    assert slot.alone == alone
    with LaunchPool(OPTIONS) as pool:
        readers = pool.open_peak_readers(slot, Backend.JAX, [RivalSpec("fold", "fold.py")])
        for one in (pool.open(slot, Backend.JAX), readers[False]):
            assert one.limits == OPTIONS.limits.times(times)


def test_each_interpreter_that_builds_has_a_reader_unless_it_cannot_start(launch, monkeypatch):
    def wait(self):
        if self.python == "no/such/python":
            raise UserError("it cannot be imported there")

    monkeypatch.setattr(launch, "wait_until_ready", wait)
    rivals = [RivalSpec(f"r{there}", "r.py", in_other_python=there) for there in (True, False)]
    slot = LaunchSlot(1, (1,), BuildOrPlayLock())
    for python, opened in (("no/such/python", {False}), ("other/python", {False, True})):
        with LaunchPool(replace(OPTIONS, other_python=python)) as pool:
            assert pool.open_peak_readers(slot, Backend.JAX, rivals).keys() == opened
            assert pool.open_peak_readers(slot, Backend.JAX, []) == {}
