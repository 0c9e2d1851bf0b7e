"""Rounds: warm the rivals up, size their samples, and play them interleaved in random order.

Nothing here knows a framework: a player is a callable, and the clock is an argument, so that the
protocol is tested with a scripted clock.
"""

import itertools
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

Clock = Callable[[], float]

#: Seconds that one sample should last: long against the clock, short against drift.
SAMPLE_SECONDS = 2e-3
#: N is drawn within this share of its target, so that no rival has a resonant N in every launch.
CALLS_JITTER = 0.1
#: A warm-up window lasts at least this long, and two must agree this closely.
WINDOW_SECONDS, WINDOW_AGREEMENT, MOST_WINDOWS = 5e-3, 0.1, 12
#: Rounds that every rival plays whatever it costs, and the most that any plays.
LEAST_ROUNDS, MOST_ROUNDS = 5, 400


@dataclass
class Player:
    """A rival ready to be timed: one `call`, a wait for its device, and a count of its traces."""

    name: str
    call: Callable[[], object]
    wait: Callable[[], object] = lambda: None
    traces: Callable[[], int] = lambda: 0
    calls_per_sample: int = 1
    steady: bool = True
    seconds_spent: float = 0.0
    seconds_per_call: list[float | None] = field(default_factory=list)

    def sample(self, calls: int, clock: Clock) -> float:
        """Time `calls` calls together, the wait included; seconds in all."""
        call = self.call
        start = clock()
        for _ in itertools.repeat(None, calls):
            call()
        self.wait()
        return clock() - start


def warm_up(player: Player, clock: Clock = time.perf_counter) -> float:
    """Run windows until two agree; return seconds per call, and mark who never settles."""
    calls, before = 1, float("inf")
    for _ in range(MOST_WINDOWS):
        seconds = player.sample(calls, clock)
        now = max(seconds / calls, 1e-9)
        if seconds >= WINDOW_SECONDS and abs(now / before - 1) <= WINDOW_AGREEMENT:
            return now
        if seconds < WINDOW_SECONDS:
            calls = min(2 * calls + 1, 1 + round(WINDOW_SECONDS / now))
        before = now
    player.steady = False
    return now


def size_samples(player: Player, seconds_per_call: float, dice: random.Random) -> None:
    """Choose N so that a sample lasts about `SAMPLE_SECONDS`, give or take the jitter."""
    target = SAMPLE_SECONDS / seconds_per_call * dice.uniform(1 - CALLS_JITTER, 1 + CALLS_JITTER)
    player.calls_per_sample = max(1, round(target))


def play(
    players: Sequence[Player],
    seconds: float,
    dice: random.Random,
    clock: Clock = time.perf_counter,
) -> int:
    """Play rounds until every player has used its equal share of `seconds`; return rounds dropped.

    A player past its share sits out, and is marked None for the round; nobody sits out of the first
    `LEAST_ROUNDS`. A round in which any player retraced is dropped whole.
    """
    share, dropped, rounds = seconds / len(players), 0, 0
    while rounds < MOST_ROUNDS:
        due = [one for one in players if rounds < LEAST_ROUNDS or one.seconds_spent < share]
        if not due:
            break
        timed = _round(due, dice, clock)
        rounds += 1
        dropped += timed is None
        if timed is not None:
            for player in players:
                player.seconds_per_call.append(timed.get(player.name))
    return dropped


def _round(
    due: Sequence[Player], dice: random.Random, clock: Clock
) -> dict[str, float | None] | None:
    traces = [player.traces() for player in due]
    timed: dict[str, float | None] = {}
    for player in dice.sample(due, len(due)):
        seconds = player.sample(player.calls_per_sample, clock)
        player.seconds_spent += seconds
        timed[player.name] = seconds / player.calls_per_sample
    return timed if traces == [player.traces() for player in due] else None
