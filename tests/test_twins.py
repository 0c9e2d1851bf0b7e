"""Twins in a worker: what is planted is in what is timed, and in nothing else."""

import itertools
import time
from functools import partial

import pytest

from timelift.rounds import Player, play_sample
from timelift.worker import twins
from timelift.worker.engines import Feed


class Program:
    """A compiled model that notes what is asked of it."""

    traces, nodes = 3, 42

    def __init__(self, log):
        self.log = log

    def trace(self, _feed):
        """Note a trace."""
        self.log.append("trace")

    def bind(self, _feed):
        """The call that is timed."""
        return self.call

    def call(self):
        """Note a call."""
        self.log.append("call")
        return "result"


@pytest.fixture
def log(monkeypatch):
    """What happens, in order; the sleeps are told and not slept."""
    found = []
    monkeypatch.setattr(time, "sleep", lambda seconds: found.append(f"sleep {seconds}"))
    return found


def test_a_first_call_is_slower_once_it_is_over_and_later_ones_have_no_detour(log):
    program = Program(log)
    slow = twins.plant_in_first_call({"first_call_seconds": 0.2}, program, log.append)
    slow.trace(Feed(None))
    assert slow.bind(Feed(None))() == "result"
    assert log == ["trace", "call", "result", "sleep 0.2"]
    assert slow.bind(Feed(None)) == program.call
    assert (slow.traces, slow.nodes) == (3, 42)


@pytest.mark.parametrize("planted", [{}, {"slower": 0.1}])
def test_where_no_first_call_is_planted_the_program_is_itself(log, planted):
    program = Program(log)
    assert twins.plant_in_first_call(planted, program, log.append) is program
    assert (twins.plant_in_samples(planted) is play_sample) == (not planted)


def test_a_twin_of_an_effect_plays_other_samples_than_its_strategy():
    for slower in (0.1, -0.05):
        play = twins.plant_in_samples({"slower": slower})
        clock = itertools.count(step=1e-6).__next__
        call = partial(lambda tick: [tick() for _ in range(100)], clock)
        player = Player("twin", call, calls_per_sample=50)
        plain = play_sample(player, clock)
        assert play(player, clock) / plain == pytest.approx(1 + slower, abs=0.002)
