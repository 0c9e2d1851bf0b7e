"""The plugin's own parts: the clock that replays samples, and what signals do to a run."""

import os
import signal

import pytest

from timelift.plugin import SIGNALS, Interrupts, ReplayClock


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
