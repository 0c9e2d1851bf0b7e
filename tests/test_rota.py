"""The rota: when settings are built and called back, with turns that are scripted."""

import itertools
import random

import pytest

from tests.support.simulated import ScriptedClock
from timelift.measure import rota
from timelift.measure.rota import Rota, Sleeper

BURSTS = 6


class Played:
    """What took a turn, in its order: 'a built', 'a', 'a', 'a ended'.

    A setting that `wants_alone` asks, after its first burst, to go on alone.
    """

    def __init__(self, build_seconds=1.0, bursts=BURSTS, wants_alone=""):
        self.clock, self.turns = ScriptedClock(), []
        self.build_seconds, self.bursts, self.wants_alone = build_seconds, bursts, wants_alone

    def sleeper(self, name, *, alone=False):
        self.turns.append(f"{name} drawn")
        return Sleeper(name, self._turns(name), alone)

    def _turns(self, name):
        self.clock.now += self.build_seconds
        self.turns.append(f"{name} built")
        for burst in range(self.bursts):
            yield burst == 1 and name in self.wants_alone
            self.clock.now += 0.1
            self.turns.append(name)
        return f"{name} ended"

    def run(self, names, *, alone="", has_room=lambda: True, seed=1):
        sleepers = (self.sleeper(name, alone=name in alone) for name in names)
        ended = []
        rota = Rota(random.Random(seed), has_room, self.clock)
        for name, result, seconds in rota.play(sleepers):
            assert result == f"{name} ended"
            assert seconds == pytest.approx(self.build_seconds + self.bursts * 0.1)
            ended.append(name)
            self.turns.append(result)
        return ended


def test_all_that_sleep_play_once_whenever_another_was_built():
    played = Played()
    ended = played.run("abcdefgh")
    assert sorted(ended) == [*"abcdefgh"]
    assert ended[:2] == ["a", "b"]
    builds = [at for at, turn in enumerate(played.turns) if turn.endswith("built")]
    for number, (at, end) in enumerate(itertools.pairwise(builds), start=1):
        bursts = [turn for turn in played.turns[at:end] if len(turn) == 1]
        assert sorted(bursts) == [*"abcdefgh"[max(0, number - BURSTS) : number]]
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


def test_what_has_ended_is_handed_over_before_another_takes_its_turn():
    def turns(name, bursts):
        for _ in range(bursts):
            yield False
        if name in lost:
            raise RuntimeError(name)  # as where a launch process is gone
        return name

    lost = set()
    sleepers = [Sleeper(*pair) for pair in (("a", turns("a", 2)), ("b", turns("b", 1)))]
    playing = Rota(random.Random(1), clock=ScriptedClock()).play(sleepers)  # they end in one sweep
    first, *_ = next(playing)
    lost |= {"a", "b"} - {first}
    with pytest.raises(RuntimeError, match=min(lost)):
        next(playing)


@pytest.mark.parametrize("build_seconds", [4.0, 2 * rota.LONGEST])
def test_what_a_kill_may_cost_is_bounded(build_seconds):
    played = Played(build_seconds)
    played.run("abcdef")
    begun = dict.fromkeys("abcdef")
    for name in begun:
        first, end = (played.turns.index(f"{name} {word}") for word in ("built", "ended"))
        others = sum(turn.endswith("built") for turn in played.turns[first + 1 : end])
        assert others * build_seconds <= rota.LONGEST
    assert (build_seconds > rota.LONGEST) == (played.turns[2:9] == [*"aaaaaa", "a ended"])


def test_without_room_the_next_is_drawn_when_one_has_ended():
    played, most = Played(), []

    def has_room():
        built, ended = (
            sum(turn.endswith(word) for turn in played.turns) for word in ("built", "ended")
        )
        most.append(built - ended)
        return built - ended < 2

    played.run("abcd", has_room=has_room)
    assert max(most) == 2
    assert played.turns.index("a ended") < played.turns.index("c drawn") or (
        played.turns.index("b ended") < played.turns.index("c drawn")
    )


@pytest.mark.parametrize("alone", ["b", "bc"])
def test_nothing_sleeps_beside_one_that_is_alone(alone):
    played = Played()
    assert played.run("abcd", alone=alone)[:2] == ["a", "b"]
    for name in alone:
        at = played.turns.index(f"{name} built")
        assert played.turns[at + 1 : at + 8] == [*(name * BURSTS), f"{name} ended"]


def test_one_that_asks_for_it_goes_on_when_all_others_have_ended():
    played = Played(wants_alone="ac")
    ended = played.run("abcd")
    assert sorted(ended) == [*"abcd"]
    for name in "ac":
        last = [at for at, turn in enumerate(played.turns) if turn == name][1 - BURSTS :]
        between = set(played.turns[last[0] : last[-1]])
        assert between == {name}


def test_settings_that_end_when_they_are_built_are_yielded_then():
    played = Played(bursts=0)
    assert played.run("ab") == ["a", "b"]
    assert played.turns.index("a ended") < played.turns.index("b drawn")


def test_what_ended_is_yielded_before_another_is_drawn():
    played = Played(2 * rota.LONGEST)
    played.run("ab")
    assert played.turns.index("a ended") < played.turns.index("b drawn")
