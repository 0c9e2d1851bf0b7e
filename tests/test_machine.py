"""Looking at the machine: a canary, stolen time, and a description that never raises."""

import itertools
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from timelift.canary import canary
from timelift.measure import machine
from timelift.worker import system

ROOT = Path(__file__).parent.parent


def ticking(*gaps):
    """A clock whose pairs of readings lie these gaps apart."""
    readings = itertools.chain.from_iterable((0.0, gap) for gap in gaps)
    return lambda: next(readings)


def test_a_steady_canary_has_no_jitter():
    """Median and tail agree."""
    seen = canary(10, ticking(*[2e-5] * 10))
    assert seen.seconds == 2e-5
    assert seen.jitter == 0


def test_a_disturbed_canary_has():
    """Two beats of ten took twice as long: the slowest tenth shows it, the median does not."""
    seen = canary(10, ticking(*[2e-5] * 8, 4e-5, 4e-5))
    assert seen.seconds == 2e-5
    assert seen.jitter == pytest.approx(1)


class Times(tuple):
    """Processor times as psutil gives them: a tuple of all, some by name."""

    __slots__ = ()

    @property
    def steal(self):
        """The last of them."""
        return self[-1]


def test_stolen_time_is_a_share_of_what_has_passed(monkeypatch):
    """Of 10 s since the start, 2 were stolen."""
    seen = iter([Times((100, 50, 5)), Times((106, 52, 7))])
    monkeypatch.setattr(psutil, "cpu_times", lambda: next(seen))
    assert system.Disturbances().facts()["stolen_share"] == pytest.approx(0.2)


def test_where_no_time_has_passed_or_none_is_told_nothing_is_known_of_what_was_stolen(monkeypatch):
    """Systems without the field, and two looks at the same moment."""
    for times in ((100.0, 50.0), Times((100.0, 50.0))):
        monkeypatch.setattr(psutil, "cpu_times", lambda times=times: times)
        assert "stolen_share" not in system.Disturbances().facts()


def test_a_machine_without_a_known_frequency_is_described_all_the_same(monkeypatch):
    """Virtual machines often tell none."""
    monkeypatch.setattr(psutil, "cpu_freq", lambda: None)
    seen = machine._state()
    assert seen["frequency_mhz"] is None
    assert seen["canary_seconds"] > 0
    assert 0 <= seen["busy"] <= 1
    monkeypatch.setattr(psutil, "cpu_freq", lambda: SimpleNamespace(current=2400.4))
    assert machine._state()["frequency_mhz"] == 2400


def test_what_threads_wait_for_a_processor_is_seen():
    """Two busy threads on one processor wait in turns; a thread alone on it hardly does."""
    script = (
        "import os, sys, threading, time\n"
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
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert float(done.stdout) > 0.2
