"""Rounds interleave rivals, share time fairly and void what a retrace spoils; what is reported."""

import itertools
import random
from dataclasses import replace
from functools import partial
from math import isnan
from types import SimpleNamespace

import pytest

from tests.support.simulated import ScriptedClock
from timelift import rounds
from timelift.axis_values import Phase, Status
from timelift.case import Setting
from timelift.inner_layer import LayerInputs
from timelift.measurement import CaseInLaunch, tail
from timelift.messages import Done, Go, Play, RivalSpec, Task, WorkerChannel
from timelift.rounds import Player
from timelift.worker.checks import PreparedRival
from timelift.worker.engines import Feed
from timelift.worker.measure_setting import Playing


def players(clock, **seconds):
    """Name players by keyword, each with its seconds per call, and size their samples."""
    made = [Player(name, clock.takes(cost)) for name, cost in seconds.items()]
    for player, cost in zip(made, seconds.values(), strict=True):
        rounds.size_samples(player, cost, random.Random(1))
    return made


def play(made, seconds, seed, clock):
    """Play all bursts; return the rounds."""
    played = rounds.Rounds(made, seconds, random.Random(seed), clock)
    while not played.are_over:
        played.play_burst()
    played.end()
    return played


def samples(player):
    return [seconds for seconds in player.seconds_per_call if not isnan(seconds)]


def test_a_sample_lasts_about_a_millisecond_or_one_call():
    clock = ScriptedClock()
    fast, slow = players(clock, fast=1e-5, slow=0.5)
    assert 90 <= fast.calls_per_sample <= 110
    assert slow.calls_per_sample == 1


def test_rounds_pair_by_position_and_a_costly_rival_sits_out():
    clock = ScriptedClock()
    cheap, costly = players(clock, cheap=1e-4, costly=0.02)
    play([cheap, costly], 0.2, 3, clock)
    assert len(cheap.seconds_per_call) == len(costly.seconds_per_call)
    assert rounds.LEAST_ROUNDS <= len(samples(costly)) < len(cheap.seconds_per_call)
    assert not any(map(isnan, cheap.seconds_per_call))


def test_a_rival_beyond_its_share_has_the_fewest_rounds_spread_over_the_bursts():
    clock = ScriptedClock()
    cheap, costly = players(clock, cheap=1e-4, costly=0.5)
    played = play([cheap, costly], 0.2, 3, clock)
    assert len(samples(costly)) == rounds.LEAST_ROUNDS
    ends = list(itertools.accumulate(played.by_burst))
    places = [place for place, one in enumerate(costly.seconds_per_call) if not isnan(one)]
    in_burst = {next(n for n, end in enumerate(ends) if place < end) for place in places}
    assert len(in_burst) == rounds.LEAST_ROUNDS


def test_rounds_that_stop_early_are_too_few_if_any_rival_has_too_few():
    clock = ScriptedClock()
    made = players(clock, cheap=1e-4, costly=0.5)
    asked = itertools.count()  # before each round but the first
    stopped = rounds.Rounds(made, 0.2, random.Random(3), clock, stop=lambda: next(asked) > 8)
    stopped.play_burst()
    assert made[0].rounds_played > rounds.LEAST_ROUNDS > made[1].rounds_played
    assert stopped.are_over
    assert stopped.are_too_few


@pytest.mark.parametrize(
    ("costs", "halved"),
    [
        pytest.param({"a": 1e-4, "b": 1.4e-4, "c": 1.6e-4}, ["c"], id="half as slow again"),
        pytest.param({"a": 1e-4, "b": 9e-4, "c": 9e-4}, ["b", "c"], id="all but the fastest"),
        pytest.param({"a": 1e-4}, [], id="a lone rival"),
    ],
)
def test_a_clear_loser_plays_for_half_the_time(costs, halved):
    clock = ScriptedClock()
    made = players(clock, **costs)
    rounds.shorten_losers(made, list(costs.values()))
    play(made, 0.1 * len(made), 3, clock)
    for player in made:
        played = len(samples(player))
        assert played == pytest.approx(50 if player.name in halved else 100, rel=0.15)


def test_the_sides_of_a_pair_have_all_their_time_however_slow():
    clock = ScriptedClock()
    made = players(clock, fast=1e-4, slow=9e-4, slow_before=9e-4)
    for player, pair in zip(made, ("fast", "slow", "slow"), strict=True):
        player.pair = pair
    rounds.shorten_losers(made, [1e-4, 9e-4, 9e-4])
    assert [player.part for player in made] == [1.0] * 3


def test_without_time_all_play_the_first_rounds_in_orders_drawn_and_sides_together():
    order, clock = [], ScriptedClock()
    made = [
        Player(f"{name}{side}", partial(order.append, (name, side)), pair=name)
        for side in (1, 2)
        for name in "abc"
    ]
    play(made, 0.0, 6, clock)
    pairs = list(zip(order[::2], order[1::2], strict=True))
    assert len(pairs) == 3 * rounds.LEAST_ROUNDS
    assert all(name == neighbour for (name, _), (neighbour, _) in pairs)
    assert {side for (_, side), _ in pairs} == {1, 2}
    assert len({name for (name, _), _ in pairs[::3]}) > 1


@pytest.mark.parametrize("cost", [1e-4, 0.4])
def test_bursts_are_alike_and_a_slow_call_has_the_fewest_rounds_spread_over_them(cost):
    clock = ScriptedClock()
    made = players(clock, fast=cost, slow=3 * cost)
    rounds.shorten_losers(made, [cost, 3 * cost])
    played = play(made, 0.2, 3, clock)
    assert sum(played.by_burst) == len(made[0].seconds_per_call)
    if cost > rounds.SAMPLE_SECONDS:
        assert played.by_burst == [1] * rounds.LEAST_ROUNDS
        return
    assert len(played.by_burst) == rounds.BURSTS
    assert max(played.by_burst) - min(played.by_burst) <= 1
    ends = [0, *itertools.accumulate(played.by_burst)]
    of_loser = [made[1].seconds_per_call[begin:end] for begin, end in itertools.pairwise(ends)]
    sat_out = [sum(map(isnan, burst)) / len(burst) for burst in of_loser]
    assert sat_out == pytest.approx([0.5] * rounds.BURSTS, abs=0.2)


def test_a_stop_ends_a_burst_after_its_round_and_all_that_follow():
    clock, stops = ScriptedClock(), iter([False, False, True])
    (player,) = players(clock, one=1e-4)
    asked = lambda: next(stops, True)  # noqa: E731
    played = rounds.Rounds([player], 0.1, random.Random(1), clock, asked)
    played.play_burst()
    assert played.are_over
    assert played.by_burst == [3]


def retracer(clock, at):
    """A player of calls of 1 ms, traced anew at those whose number is in `at`."""
    calls, traces = itertools.count(1), [0]

    def call():
        clock.now += 1e-3
        traces[0] += next(calls) in at

    return Player("retracer", call, traces=lambda: traces[0])


def test_a_retrace_drops_the_whole_round_and_a_few_cost_nothing_more():
    clock = ScriptedClock()
    made = [*players(clock, steady=1e-3), retracer(clock, {2, 5})]
    assert play(made, 0.06, 2, clock).dropped == 2
    assert [player.why_lost for player in made] == ["", ""]
    steady, rare = (player.seconds_per_call for player in made)
    assert len(rare) == len(steady) >= rounds.LEAST_ROUNDS


def test_what_plays_no_more_is_not_called_to_wake_the_process_either():
    clock = ScriptedClock()
    made = [*players(clock, steady=1e-3), retracer(clock, range(1, 99))]
    for player in made:
        player.priming_calls = 1
    play(made, 0.06, 2, clock)
    assert made[1].traces() <= 2 * rounds.MOST_RETRACED + 2  # primed and sampled, once as the waker


def test_a_sample_is_primed_by_untimed_calls():
    clock, heat = ScriptedClock(), {"a": 0, "b": 0}

    def cools_when_not_called(name):
        def call():
            other = "b" if name == "a" else "a"
            heat[name], heat[other] = heat[name] + 1, 0
            clock.now += 1e-4 * (1.5 if heat[name] <= 2 else 1.0)

        return call

    made = [Player(name, cools_when_not_called(name)) for name in "ab"]
    for player in made:
        rounds.size_samples(player, 1e-4, random.Random(1))
    rounds.prime(made, [1e-4, 1e-4])
    play(made, 0.04, 2, clock)
    times = [seconds for player in made for seconds in player.seconds_per_call]
    assert max(times) == pytest.approx(1e-4)


@pytest.mark.parametrize(
    ("seconds", "calls"),
    [
        pytest.param([9.9e-3, 10.1e-3], [1, 1], id="two sides are treated alike"),
        pytest.param([1e-4, 10.1e-3, 0.2], [8, 1, 0], id="all but a very long call"),
        pytest.param([10.1e-3, 11e-3], [0, 0], id="a setting of long calls"),
    ],
)
def test_whether_samples_are_primed_is_decided_for_a_setting(seconds, calls):
    made = [Player(f"{cost}", lambda: None) for cost in seconds]
    rounds.prime(made, seconds)
    assert [player.priming_calls for player in made] == calls


@pytest.mark.parametrize("slower", [0.0, 0.05, 0.5])
@pytest.mark.parametrize("cost", [1e-4, 3e-4, pytest.param(0.04, marks=pytest.mark.whole)])
def test_samples_are_seconds_per_call_with_a_planted_effect_that_is_exact(slower, cost):
    clock = ScriptedClock(tick=1e-9)  # so that waiting for it ends
    player = Player("twin", clock.takes(cost), slower=slower)
    rounds.size_samples(player, cost, random.Random(1))
    play([player], 0.1, 2, clock)
    for sample in player.seconds_per_call:
        assert sample / cost == pytest.approx(1 + slower, rel=1e-3)


@pytest.mark.parametrize(
    ("costs", "settles"),
    [([0.04, 0.02, 0.01, *[0.001] * 99], True), ([0.01 * 2**n for n in range(99)], False)],
)
def test_warming_up_finds_the_steady_time_or_gives_up_on_a_rival_that_never_settles(costs, settles):
    clock, left = ScriptedClock(), iter(costs)

    def call():
        clock.now += next(left)

    player = Player("warms", call)
    assert (rounds.warm_up(player, clock) == pytest.approx(0.001, rel=1e-6)) is settles


class QueueingPlayer(Player):
    """A player whose call returns once it is queued, while its device works on."""

    def __init__(self, clock, dispatch, device, wait=0.0):
        super().__init__("queueing", self.queue, self.wait_for)
        self.clock, self.costs, self.ready_at = clock, (dispatch, device, wait), 0.0

    def queue(self):
        dispatch, device, _ = self.costs
        self.ready_at = self.clock.now + device
        self.clock.now += dispatch

    def wait_for(self, _):
        self.clock.now = max(self.clock.now, self.ready_at) + self.costs[-1]


def test_a_sample_lasts_until_the_device_is_done():
    clock = ScriptedClock()
    player = QueueingPlayer(clock, 1e-4, 1e-3, wait=1e-5)
    assert player.sample(1, clock) == pytest.approx(1.01e-3)


def test_a_sample_is_long_enough_for_its_wait():
    clock = ScriptedClock()
    player = QueueingPlayer(clock, 1e-5, 1e-5, wait=2e-5)
    rounds.measure_wait(player, clock)
    assert player.wait_seconds == pytest.approx(2e-5)
    rounds.size_samples(player, 1e-5, random.Random(1))
    assert player.calls_per_sample * 1e-5 >= 0.9 * 2e-5 / rounds.WAIT_SHARE
    (usual,) = players(clock, usual=1e-5)
    assert usual.calls_per_sample < player.calls_per_sample / 5


SETTING = Setting("tokens", 4, 2, Phase.FORWARD)


class Program:
    """A compiled model that is traced anew at every call, or at none."""

    def __init__(self, *, retraces):
        self.retraces, self.traces = retraces, 1

    def step(self):
        return None

    def bind(self, _feed):
        return self.call

    def call(self):
        self.traces += self.retraces
        return sum(range(2000))


def reports(changes=(), **retraces):
    """Play rivals of these names; return the event that reports each."""
    rivals = tuple(RivalSpec(name, f"{name}.py") for name in retraces)
    events = []
    engine = SimpleNamespace(wait=lambda _: None)
    setting = replace(SETTING, **dict(changes))
    task = Task(setting, rivals, "", LayerInputs.of_one((3,)), 1, 0.02)
    playing = Playing(engine, task, WorkerChannel(events.append), random.Random(1))
    playing.run(
        [
            PreparedRival(rival, Program(retraces=retraces[rival.name]), Feed(None))
            for rival in rivals
        ]
    )
    return {event.case.strategy: event for event in events if isinstance(event, CaseInLaunch)}


def test_a_chronic_retracer_fails_by_name_and_its_rivals_are_measured():
    ends = reports(good=False, chronic=True, better=False)
    assert ends["chronic"].status == Status.FAILED
    assert ends["chronic"].reason.startswith("it was traced anew in 3 rounds")
    assert not ends["chronic"].seconds_per_call
    for name in ("good", "better"):
        assert ends[name].status == Status.MEASURED
        assert all(ends[name].seconds_per_call[:5])
        assert ends[name].facts.dropped_rounds == 3


def test_a_conducted_worker_has_no_rival_at_work_while_it_waits():
    rival = RivalSpec("one", "one.py")
    orders, noted, waiting = iter([Go(), Play("one"), Done()]), [], []

    def listen():
        waiting.append(noted[-1:])
        return next(orders)

    task = Task(SETTING, (rival,), "", LayerInputs.of_one((3,)), 1, 0.02, conducted=True)
    channel = WorkerChannel(lambda _: None, listen, noted.append)
    playing = Playing(SimpleNamespace(wait=lambda _: None), task, channel, random.Random(1))
    playing.run([PreparedRival(rival, Program(retraces=False), Feed(None))])
    assert waiting == [[], [], [0]]


def test_served_calls_are_samples_of_their_own_in_blocks_of_one_rival():
    clock, order = ScriptedClock(), []
    made = [Player(name, clock.takes(cost)) for name, cost in {"one": 1e-4, "other": 2e-4}.items()]
    for player in made:
        rounds.size_block(player, 1e-4)
        player.note_playing = partial(order.append, player.name)
    played = play(made, 0.01, 3, clock)
    assert {len(samples(player)) for player in made} == {rounds.LEAST_BLOCKS * rounds.BLOCK}
    assert samples(made[1]) == pytest.approx([2e-4] * len(samples(made[1])))
    assert len(order) == 2 * rounds.LEAST_BLOCKS
    assert {*map(frozenset, zip(order[::2], order[1::2], strict=True))} == {
        frozenset({"one", "other"})
    }
    assert order != ["one", "other"] * rounds.LEAST_BLOCKS
    assert sum(played.by_burst) == len(made[0].seconds_per_call)


def test_no_call_of_a_block_is_cold():
    clock = ScriptedClock()
    last = [""]

    def call_of(player, seconds):
        warm, cold = clock.takes(seconds), clock.takes(3 * seconds)

        def call():
            (warm if last[0] == player else cold)()
            last[0] = player

        return call

    made = [Player(name, call_of(name, 1e-4)) for name in ("fixed", "rival")]
    for player in made:
        rounds.size_block(player, 1e-4)
    play(made, 0.01, 3, clock)
    assert [tail(player.seconds_per_call) for player in made] == pytest.approx([1, 1])


def test_the_fixed_work_is_primed_as_long_as_the_rivals(monkeypatch):
    primed = []
    monkeypatch.setattr(rounds, "prime", lambda *args: primed.extend(zip(*args, strict=True)))
    served = reports({"phase": Phase.SERVE}, one=False, other=False)
    assert all(end.facts.canary_tail > 1 for end in served.values())
    (_, one), (_, other), (fixed, seconds) = primed
    assert (fixed.name, fixed.block) == ("", rounds.BLOCK)
    assert seconds == min(one, other)
    primed.clear()
    assert reports(one=False)["one"].facts.canary_tail is None
    assert len(primed) == 1


def test_a_served_rival_of_slow_calls_plays_short_blocks_at_the_same_moments():
    clock = ScriptedClock()
    fast, slow = (Player(name, clock.takes(cost)) for name, cost in (("fast", 1e-3), ("slow", 0.1)))
    for player, seconds in ((fast, 1e-3), (slow, 0.1)):
        rounds.size_block(player, seconds)
    play([fast, slow], 0.2, 3, clock)
    assert len(samples(slow)) == rounds.LEAST_BLOCKS * rounds.SHORT_BLOCK
    assert len(slow.seconds_per_call) == len(fast.seconds_per_call)
    starts = [place for place, one in enumerate(slow.seconds_per_call) if not isnan(one)]
    assert {place % rounds.BLOCK for place in starts} == {*range(rounds.SHORT_BLOCK)}
