"""Rounds: warm the rivals up, size their samples, and play them interleaved in random order.

Nothing here knows a framework: a player is a callable, and the clock is an argument, so that the
protocol is tested with a scripted clock.
"""

import itertools
import math
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

Clock = Callable[[], float]

#: Seconds that one sample should last: long against the clock, short against drift.
SAMPLE_SECONDS = 2e-3
#: N is drawn within this share of its target, so that no rival has a resonant N in every launch.
CALLS_JITTER = 0.1
#: Before a sample, calls of so many seconds in all go untimed. After a rival's calls everything is
#: cold: the first call takes about a quarter longer, the second 7 %, the sixth 1 %.
PRIMING_SECONDS = 0.8e-3
#: Longer calls do without: what the cold costs is lost in them.
LONGEST_PRIMED_SECONDS = 10e-3
#: A device's own queue is awaited once a sample; that may cost this share of it, not more.
WAIT_SHARE = 1e-3
#: How often a wait is timed.
_WAIT_READINGS = 5
#: A warm-up window lasts at least this long, and two must agree this closely.
WINDOW_SECONDS, WINDOW_AGREEMENT, MOST_WINDOWS = 5e-3, 0.1, 12
#: Rounds that every rival plays whatever it costs, and the most that any plays.
LEAST_ROUNDS, MOST_ROUNDS = 5, 400
#: A rival so many times as slow as the fastest is a clear loser; half the time is enough for it:
#: many small kernels vary by their launches, not by their rounds.
CLEARLY_SLOWER, LOSERS_PART = 1.5, 0.5
#: So many dropped rounds are made up for, whatever they cost.
MOST_DROPPED = 10
#: A rival that retraces in so many rounds does so at every call or nearly, and plays no more.
MOST_RETRACED = 3


@dataclass
class Player:
    """A rival ready to be timed: one `call`, a wait for its device, and a count of its traces.

    Where the device has a queue, `wait_seconds` is what a wait costs when nothing is left to wait
    for. Players of one `pair` have neighbouring samples in every round. `part` is how much of an
    equal share of the time it plays for. `note_playing` is called at this player's turn, to show
    which rival played when the process died. `slower` is the share of calls that a self-test's twin
    makes beyond those that it bills: an exact effect under the machine's own noise.
    """

    name: str
    call: Callable[[], object]
    wait: Callable[[object], object] = lambda _: None
    traces: Callable[[], int] = lambda: 0
    calls_per_sample: int = 1
    pair: str = ""
    part: float = 1.0
    slower: float = 0.0
    note_playing: Callable[[], object] = lambda: None
    wait_seconds: float = 0.0
    priming_calls: int = 0
    steady: bool = True
    seconds_spent: float = 0.0
    retraced_rounds: int = 0
    #: One value a round, NaN where it sat out.
    seconds_per_call: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Name the pair of a player that has no other side after itself."""
        self.pair = self.pair or self.name

    @property
    def retraces(self) -> bool:
        """True if it is traced anew again and again, so that no sample of it means anything."""
        return self.retraced_rounds >= MOST_RETRACED

    @property
    def why_lost(self) -> str:
        """Return why it has no samples; empty where it has some."""
        if self.retraces:
            return (
                f"it was traced anew in {self.retraced_rounds} rounds after its warm-up: what it "
                "computes must not depend on anything that changes from call to call"
            )
        if not all(map(math.isnan, self.seconds_per_call)):
            return ""
        return "no round counts: in each a rival retraced"

    def is_due(self, kept: int, dropped: int, share: float) -> bool:
        """True if it plays another round after so many, with `share` seconds to use up."""
        few = kept < LEAST_ROUNDS and dropped < MOST_DROPPED
        return not self.retraces and (few or self.seconds_spent < share * self.part)

    def sample(self, calls: int, clock: Clock) -> float:
        """Time `calls` calls together, the wait included; return the seconds in all."""
        call, result = self.call, None
        start = clock()
        for _ in itertools.repeat(None, calls):
            result = call()
        self.wait(result)
        return clock() - start

    def take_turn(self, clock: Clock) -> float:
        """Warm the caches with untimed calls, then play a sample; return the billed seconds."""
        self.note_playing()
        if self.priming_calls:
            self.sample(self.priming_calls, clock)
        billed = self.calls_per_sample
        return self._made_and_not_billed(clock) if self.slower else self.sample(billed, clock)

    def _made_and_not_billed(self, clock: Clock) -> float:
        """Make the whole calls, and then wait as long as the rest of a call would have lasted."""
        calls, start = self.calls_per_sample * (1 + self.slower), clock()
        end = start + self.sample(math.floor(calls), clock) * calls / math.floor(calls)
        while clock() < end:
            pass
        return clock() - start


def warm_up(player: Player, clock: Clock = time.perf_counter) -> float:
    """Run windows until two agree; return seconds per call. Else it is not `steady`."""
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


def measure_wait(player: Player, clock: Clock = time.perf_counter) -> None:
    """Measure what a wait costs when the device has nothing left to do."""
    waits = []
    for _ in range(_WAIT_READINGS):
        result = player.call()
        player.wait(result)
        ended = clock()
        player.wait(result)
        waits.append(clock() - ended)
    player.wait_seconds = statistics.median(waits)


def size_samples(
    player: Player,
    seconds_per_call: float,
    dice: random.Random,
    sample_seconds: float = SAMPLE_SECONDS,
) -> None:
    """Choose N so that a sample lasts about `sample_seconds`, give or take the jitter.

    It lasts longer where the wait at its end would otherwise be more than `WAIT_SHARE` of it.
    """
    seconds = max(sample_seconds, player.wait_seconds / WAIT_SHARE)
    target = seconds / seconds_per_call * dice.uniform(1 - CALLS_JITTER, 1 + CALLS_JITTER)
    player.calls_per_sample = max(1, round(target))
    if seconds_per_call < LONGEST_PRIMED_SECONDS:
        player.priming_calls = math.ceil(PRIMING_SECONDS / seconds_per_call)


def shorten_losers(players: Sequence[Player], seconds_per_call: Sequence[float]) -> None:
    """Leave clear losers `LOSERS_PART` of their time, by what the warm-up has seen.

    No sample decides that, so how long a rival plays does not bend its figures. The sides of a
    pair are compared with each other and not with the fastest: where there is a pair none loses.
    """
    if len({player.pair for player in players}) < len(players):
        return
    bound = CLEARLY_SLOWER * min(seconds_per_call)
    for player, seconds in zip(players, seconds_per_call, strict=True):
        player.part = LOSERS_PART if seconds >= bound else 1.0


def play(
    players: Sequence[Player],
    seconds: float,
    dice: random.Random,
    clock: Clock = time.perf_counter,
    stop: Callable[[], bool] = lambda: False,
) -> int:
    """Play rounds until every player has used its share of `seconds`; return how many were dropped.

    A player past its share sits out, and is marked NaN for the round; none sits out of the first
    `LEAST_ROUNDS`. A round is dropped whole in which any player retraced. A player that retraces in
    `MOST_RETRACED` rounds plays no more and loses its samples, so that it costs the others no more
    than those. `stop` ends it after the round that is being played.
    """
    share, dropped = seconds / len(players), 0
    kept: list[dict[str, float]] = []
    while (rounds := len(kept) + dropped) < MOST_ROUNDS and not (rounds and stop()):
        due = [player for player in players if player.is_due(len(kept), dropped, share)]
        if not due:
            break
        timed = _round(due, dice, clock)
        if timed is None:
            dropped += 1
        else:
            kept.append(timed)
    for player in players:
        if not player.retraces:
            player.seconds_per_call += [timed.get(player.name, math.nan) for timed in kept]
    return dropped


def _round(due: Sequence[Player], dice: random.Random, clock: Clock) -> dict[str, float] | None:
    traces = [player.traces() for player in due]
    timed: dict[str, float] = {}
    for player in _order(due, dice):
        seconds = player.take_turn(clock)
        player.seconds_spent += seconds
        timed[player.name] = seconds / player.calls_per_sample
    retraced = [
        player for player, count in zip(due, traces, strict=True) if player.traces() != count
    ]
    for player in retraced:
        player.retraced_rounds += 1
    return None if retraced else timed


def _order(due: Sequence[Player], dice: random.Random) -> list[Player]:
    pairs = list(dict.fromkeys(player.pair for player in due))
    place = {pair: turn for turn, pair in enumerate(dice.sample(pairs, len(pairs)))}
    shuffled = dice.sample(due, len(due))
    return sorted(shuffled, key=lambda player: place[player.pair])
