"""The processes of a campaign: none goes on once time is up, whenever the signal comes."""

from pathlib import Path

import pytest

from timelift.case import Backend
from timelift.measure import launch_pool
from timelift.measure.campaign_options import CampaignOptions
from timelift.measure.launch import Limits
from timelift.measure.launch_pool import LaunchPool
from timelift.messages import COMPILED_FOLDER

OPTIONS = CampaignOptions(2, 2, 0.1, 1, Limits(1, 1))
WANTED = [(1, Backend.JAX), (2, Backend.JAX), (9, Backend.JAX)]


class ScriptedLaunch:
    """A launch that counts what it is told, and may be the moment at which the signal comes."""

    made: list = []  # noqa: RUF012 - one list for a test

    def __init__(self, backend, *_, variables, **__):
        self.backend, self.early_finishes, self.closed = backend, 0, False
        self.variables = variables
        self.made.append(self)
        if self.signal:
            self.signal()

    signal = None

    def finish_early(self):
        self.early_finishes += 1

    def wait_until_ready(self):
        pass

    def close(self):
        self.closed = True


@pytest.fixture
def launch(monkeypatch):
    """Stands in for the processes."""
    monkeypatch.setattr(ScriptedLaunch, "made", [])
    monkeypatch.setattr(ScriptedLaunch, "signal", None)
    monkeypatch.setattr(launch_pool, "LaunchProcess", ScriptedLaunch)
    return ScriptedLaunch


def test_the_first_launches_start_together_and_all_end(launch):
    """One process for each number and backend among the first three."""
    with LaunchPool(OPTIONS, WANTED):
        assert [one.backend for one in launch.made] == [Backend.JAX] * 2
        assert not any(one.closed or one.early_finishes for one in launch.made)
    assert all(one.closed for one in launch.made)


def test_a_launch_that_starts_while_the_signal_comes_hears_of_it(launch, monkeypatch):
    """No process imports for a run that is to end."""
    pool = LaunchPool(OPTIONS, WANTED)
    monkeypatch.setattr(launch, "signal", staticmethod(pool.finish_early))
    with pool:
        assert all(one.early_finishes for one in launch.made)


def test_all_launches_of_a_run_have_one_folder_for_what_is_compiled_which_ends_with_it(launch):
    """Another run has another."""
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
