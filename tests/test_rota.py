"""The rota: when settings are built and called back, with turns that are scripted."""

import random

import pytest

from tests.support.simulated import ScriptedClock
from timelift.measure import rota
from timelift.measure.rota import Sleeper, take_turns

BURSTS = 6


class Played:
    """What took a turn, in its order: 'a built', 'a', 'a', 'a ended'."""

    def __init__(self, build_seconds=1.0, bursts=BURSTS):
        self.clock, self.turns = ScriptedClock(), []
        self.build_seconds, self.bursts = build_seconds, bursts

    def sleeper(self, name, *, alone=False):
        return Sleeper(name, self._turns(name), alone)

    def _turns(self, name):
        self.clock.now += self.build_seconds
        self.turns.append(f"{name} built")
        for _ in range(self.bursts):
            yield
            self.clock.now += 0.1
            self.turns.append(name)
        return f"{name} ended"

    def run(self, names, *, alone="", has_room=lambda: True, seed=1):
        sleepers = (self.sleeper(name, alone=name in alone) for name in names)
        ended = []
        for sleeper, result in take_turns(sleepers, random.Random(seed), has_room, self.clock):
            assert result == f"{sleeper.key} ended"
            ended.append(sleeper.key)
            self.turns.append(result)
        return ended


def test_all_that_sleep_play_once_whenever_another_was_built():
    played = Played()
    ended = played.run("abcdefgh")
    assert sorted(ended) == [*"abcdefgh"]
    assert ended[:2] == ["a", "b"]
    passes = " ".join(played.turns).split(" built")
    for number, of_pass in enumerate(passes[1:8], start=1):
        awake = {name for name in of_pass.split() if len(name) == 1}
        alive = set("abcdefgh"[max(0, number - BURSTS) : number])
        assert alive <= awake
    for name in "abcdefgh":
        assert played.turns.count(name) == BURSTS


def test_the_order_is_drawn_anew_each_time_from_the_seed():
    def orders(seed):
        played = Played()
        played.run("abcd", seed=seed)
        last = "".join(turn for turn in played.turns if len(turn) == 1)[-12:]
        return last, {last[at : at + 4] for at in (0, 4, 8)}

    assert orders(1) == orders(1)
    assert len(orders(1)[1]) > 1
    assert orders(1) != orders(2)


@pytest.mark.parametrize("build_seconds", [4.0, 2 * rota.LONGEST])
def test_what_a_kill_may_cost_is_bounded(build_seconds):
    played = Played(build_seconds)
    played.run("abcdef")
    begun = dict.fromkeys("abcdef")
    for name in begun:
        first, end = (played.turns.index(f"{name} {word}") for word in ("built", "ended"))
        others = sum(turn.endswith("built") for turn in played.turns[first + 1 : end])
        assert others * build_seconds <= rota.LONGEST
    assert (build_seconds > rota.LONGEST) == (played.turns[1:8] == [*"aaaaaa", "a ended"])


def test_without_room_the_next_is_built_when_one_has_ended():
    played, awake = Played(), []

    def has_room():
        awake.append(
            {turn[0] for turn in played.turns} - {t[0] for t in played.turns if "end" in t}
        )
        return len(awake[-1]) < 2

    played.run("abcd", has_room=has_room)
    assert max(map(len, awake)) == 2


def test_nothing_sleeps_beside_one_that_is_alone():
    played = Played()
    assert played.run("abcd", alone="b")[:2] == ["a", "b"]
    at = played.turns.index("b built")
    assert played.turns[at - 1] == "a ended"
    assert played.turns[at + 1 : at + 8] == [*"bbbbbb", "b ended"]


def test_one_that_ends_when_it_is_built_and_seconds_are_of_its_own_turns():
    played = Played(bursts=0)
    assert played.run("ab") == ["a", "b"]
    played = Played(build_seconds=2.0)
    sleepers = [played.sleeper("a"), played.sleeper("b")]
    for sleeper, _ in take_turns(sleepers, random.Random(1), clock=played.clock):
        assert sleeper.seconds == pytest.approx(2.0 + BURSTS * 0.1)


def test_nothing_is_built_before_it_is_asked_for():
    played = Played()
    turns = take_turns(
        (played.sleeper(name) for name in "ab"), random.Random(1), clock=played.clock
    )
    assert played.turns == []
    next(turns)
    assert played.turns[0] == "a built"
