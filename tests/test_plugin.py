"""The plugin's own parts: the clock that replays samples, and what signals do to a run."""

import os
import signal
from types import SimpleNamespace

import pytest

from timelift.measure.interrupts import SIGNALS, Interrupts
from timelift.plugin.questions import is_table_asked_for
from timelift.plugin.results import ReplayClock


def test_the_clock_replays_every_sample_in_its_order():
    """pytest-benchmark reads it twice a round and takes the difference."""
    clock, samples = ReplayClock(), [3e-3, 1e-3, 2e-3]
    for _ in range(2):
        clock.load(samples)
        rounds = [(clock(), clock()) for _ in samples]
        assert [after - before for before, after in rounds] == samples


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_is_gentle_and_the_second_ends_the_run(number):
    """Behind it, signals do what they did before."""
    heard, before = [], signal.getsignal(number)
    with Interrupts(lambda: heard.append("gently")) as interrupts:
        os.kill(os.getpid(), number)
        assert (heard, interrupts.count) == (["gently"], 1)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
        assert (heard, interrupts.count) == (["gently"], 2)
    assert signal.getsignal(number) == before


@pytest.mark.parametrize(
    ("words", "always", "verbose", "asked"),
    [
        ([], "", 0, False),
        (["bench/", "--benchmark-json=out.json", "--benchmark-autosave"], "", 0, False),
        (["-v"], "", 1, True),
        (["-q"], "", -1, False),
        (["--benchmark-sort=name"], "", 0, True),
        (["--benchmark-group-by", "param:strategy"], "", 0, True),
        (["--benchmark-compare"], "", 0, True),
        ([], "-x --benchmark-histogram", 0, True),
    ],
)
def test_the_table_of_pytest_benchmark_is_shown_where_it_is_asked_for(
    monkeypatch, words, always, verbose, asked
):
    """On the command line or in the environment; the columns in pyproject.toml ask for nothing."""
    monkeypatch.setenv("PYTEST_ADDOPTS", always)
    config = SimpleNamespace(
        option=SimpleNamespace(verbose=verbose), invocation_params=SimpleNamespace(args=words)
    )
    assert is_table_asked_for(config) is asked
