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

#: Seconds that a sample should last: long beside the clock's resolution. What a machine does to a
#: sample lasts longer than that, so twice as long a sample of a short call varies as much, and a
#: second of rounds tells a fifth less.
SAMPLE_SECONDS = 1e-3
#: The number of calls in a sample is drawn within this share of its target, so that no rival has
#: one in every launch that resonates with something on the machine.
CALLS_JITTER = 0.1
#: Seconds of untimed calls before a sample. After another rival's calls all caches are cold: the
#: first call takes about a quarter longer, the second 7 %, the sixth 1 %.
PRIMING_SECONDS = 0.8e-3
#: Settings whose fastest call is longer are not primed, since cold caches cost too little of such
#: calls; nor is, in any setting, a call ten times as long.
LONGEST_PRIMED_SECONDS = 10e-3
#: The wait for a device's queue at the end of a sample takes at most this share of it.
WAIT_SHARE = 1e-3
_WAIT_READINGS = 5
#: A warm-up window lasts at least this long, and two must agree this closely.
WINDOW_SECONDS, WINDOW_AGREEMENT, MOST_WINDOWS = 5e-3, 0.1, 12
#: The fewest rounds that a rival plays, however long they take, and the most.
LEAST_ROUNDS, MOST_ROUNDS = 5, 400
#: A rival that is so many times as slow as the fastest plays for this part of the time, which is
#: enough: times of many small kernels vary from launch to launch, not from round to round.
CLEARLY_SLOWER, LOSERS_PART = 1.5, 0.5
#: Rounds are played in so many bursts, with other work between. What a figure misses is mostly what
#: the machine did in the seconds of its rounds, so rounds that lie apart tell more than as many in
#: a row.
BURSTS = 6
#: Dropped rounds that are played again, however long they take.
MOST_DROPPED = 10
#: A rival that retraces in so many rounds retraces in nearly every call, and plays no more.
MOST_RETRACED = 3
#: Served calls are samples of their own, so many in a row: a server's caches are its own.
BLOCK = 50
#: Calls in a block of a rival that would need longer than this for the fewest blocks of `BLOCK`.
SHORT_BLOCK, LONGEST_SERVED = 5, 20.0
#: The fewest blocks of a rival, and the most.
LEAST_BLOCKS, MOST_BLOCKS = 8, 24


@dataclass
class Player:
    """A rival ready to be timed: a `call`, a wait for its device, and a count of its `traces`.

    A train step that was skipped counts as one, since it voids a sample alike.
    `wait_seconds` is the time of a wait for a device whose queue is empty. Players of one `pair`
    have neighbouring samples in every round. `part` is its part of an equal share of the time.
    `note_playing` is called before each of its turns, so that it is known which rival played when
    the process died. `slower` is the share of calls that are made and not billed: a known effect
    under the machine's own noise.
    """

    name: str
    call: Callable[[], object]
    wait: Callable[[object], object] = lambda _: None
    traces: Callable[[], int] = lambda: 0
    calls_per_sample: int = 1
    pair: str = ""
    #: The samples of a turn, if each call is one; 0 if calls are timed together.
    block: int = 0
    part: float = 1.0
    slower: float = 0.0
    note_playing: Callable[[], object] = lambda: None
    wait_seconds: float = 0.0
    priming_calls: int = 0
    seconds_spent: float = 0.0
    rounds_played: int = 0
    retraced_rounds: int = 0
    #: One value a round, NaN where it sat out; of blocks one a call.
    seconds_per_call: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Put a player without a pair into one of its own."""
        self.pair = self.pair or self.name

    @property
    def retraces(self) -> bool:
        """True if it was traced anew in so many rounds that none of its samples means anything."""
        return self.retraced_rounds >= MOST_RETRACED

    @property
    def why_lost(self) -> str:
        """Reason why it has no samples, or ''."""
        if self.retraces:
            return (
                f"it was traced anew in {self.retraced_rounds} rounds after its warm-up: what it "
                "computes must not depend on anything that changes from call to call"
            )
        if not all(map(math.isnan, self.seconds_per_call)):
            return ""
        return "no round counts: in each a rival retraced"

    def is_due(self, dropped: int, share: float, done: float = 1.0) -> bool:
        """True if it plays another round until so much is `done`, a share of all bursts.

        `share` is an equal share of the time of all bursts, in seconds.
        """
        few = self.rounds_played < self.least_rounds * done and dropped < MOST_DROPPED
        return not self.retraces and (few or self.seconds_spent < share * self.part * done)

    @property
    def least_rounds(self) -> int:
        return LEAST_BLOCKS if self.block else LEAST_ROUNDS

    def sample(self, calls: int, clock: Clock) -> float:
        """Return the seconds of so many calls and of the wait for the last one's result."""
        call, result = self.call, None
        start = clock()
        for _ in itertools.repeat(None, calls):
            result = call()
        self.wait(result)
        return clock() - start

    def take_block(self, clock: Clock) -> list[float]:
        """Warm the caches, by one untimed call at least, then play a block; return its seconds."""
        self._warm_caches(clock, max(1, self.priming_calls))
        return [self._timed(clock) for _ in range(self.block)]

    def take_turn(self, clock: Clock) -> float:
        """Warm the caches with untimed calls, then play a sample; return its seconds."""
        self._warm_caches(clock, self.priming_calls)
        return self._timed(clock)

    def _warm_caches(self, clock: Clock, calls: int) -> None:
        self.note_playing()
        if calls:
            self.sample(calls, clock)

    def _timed(self, clock: Clock) -> float:
        if not self.slower:
            return self.sample(self.calls_per_sample, clock)
        # calls beyond the billed ones, and for a part of a call a wait of its length
        calls, start = self.calls_per_sample * (1 + self.slower), clock()
        end = start + self.sample(math.floor(calls), clock) * calls / math.floor(calls)
        while clock() < end:
            pass
        return clock() - start


def warm_up(player: Player, clock: Clock = time.perf_counter) -> float:
    """Play windows of calls until two agree, `MOST_WINDOWS` at most; return seconds per call."""
    calls, previous = 1, float("inf")
    for _ in range(MOST_WINDOWS):
        seconds = player.sample(calls, clock)
        seconds_per_call = max(seconds / calls, 1e-9)
        agrees = abs(seconds_per_call / previous - 1) <= WINDOW_AGREEMENT
        if seconds >= WINDOW_SECONDS and agrees:
            return seconds_per_call
        if seconds < WINDOW_SECONDS:
            calls = min(2 * calls + 1, 1 + round(WINDOW_SECONDS / seconds_per_call))
        previous = seconds_per_call
    return seconds_per_call


def measure_wait(player: Player, clock: Clock = time.perf_counter) -> None:
    """Measure `wait_seconds`, by waits when the device has nothing left to do."""
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
    """Choose how many calls a sample has, for about `sample_seconds`, give or take the jitter.

    It lasts longer if the wait at its end would be more than `WAIT_SHARE` of it.
    """
    seconds = max(sample_seconds, player.wait_seconds / WAIT_SHARE)
    target = seconds / seconds_per_call * dice.uniform(1 - CALLS_JITTER, 1 + CALLS_JITTER)
    player.calls_per_sample = max(1, round(target))


def size_block(player: Player, seconds_per_call: float) -> None:
    """Make each call of a player a sample, and choose how many are played in a row."""
    is_slow = seconds_per_call * BLOCK * LEAST_BLOCKS > LONGEST_SERVED
    player.block, player.calls_per_sample = SHORT_BLOCK if is_slow else BLOCK, 1


def prime(players: Sequence[Player], seconds_per_call: Sequence[float]) -> None:
    """Choose how many untimed calls warm the caches before each sample of a setting's players."""
    if min(seconds_per_call) < LONGEST_PRIMED_SECONDS:
        for player, seconds in zip(players, seconds_per_call, strict=True):
            if seconds < 10 * LONGEST_PRIMED_SECONDS:
                player.priming_calls = math.ceil(PRIMING_SECONDS / seconds)


def shorten_losers(players: Sequence[Player], seconds_per_call: Sequence[float]) -> None:
    """Cut the time of clear losers to `LOSERS_PART`, by their seconds per call in the warm-up.

    No sample decides that, so the time that a rival plays does not bias its figures. The sides of a
    pair are compared with each other and not with the fastest: among pairs there is no loser.
    """
    if len({player.pair for player in players}) < len(players):
        return
    bound = CLEARLY_SLOWER * min(seconds_per_call)
    for player, seconds in zip(players, seconds_per_call, strict=True):
        player.part = LOSERS_PART if seconds >= bound else 1.0


class Rounds:
    """The rounds of some players, which share `seconds`, in `BURSTS` bursts.

    A player past its share of a burst sits out, which is NaN in its samples, once it has played
    this burst's part of `LEAST_ROUNDS`. A round in which any player retraced is dropped whole. A
    player that retraces in `MOST_RETRACED` rounds plays no more and loses its samples, so that it
    spoils no further round. `stop` is asked before each round but the first.

    Where calls are samples of their own, a round is a block of each player.
    """

    def __init__(
        self,
        players: Sequence[Player],
        seconds: float,
        dice: random.Random,
        clock: Clock = time.perf_counter,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self._players, self._dice, self._clock, self._stop = players, dice, clock, stop
        self._share = seconds / max(1, len(players))
        self._kept: list[dict[str, list[float]]] = []
        self._longest = max([1, *(player.block for player in players)])
        self._most = MOST_BLOCKS if self._longest > 1 else MOST_ROUNDS
        self._bursts = 0
        #: How many rounds were dropped, and how many of each burst were kept, if any were.
        self.dropped, self.by_burst = 0, list[int]()

    def play_burst(self) -> None:
        """Play the rounds of a burst; a turn of any player that is primed wakes the process."""
        waker = self._dice.choice(self._due(1.0))
        if waker.priming_calls:
            waker.take_turn(self._clock)
        self._bursts += 1
        before = len(self._kept)
        while (due := self._due(self._bursts / BURSTS)) and not self._is_stopped:
            samples = _play_round(due, self._dice, self._clock)
            if samples is None:
                self.dropped += 1
            else:
                self._kept.append(samples)
                for player in due:
                    player.rounds_played += 1
        self.by_burst += filter(None, [(len(self._kept) - before) * self._longest])

    @property
    def are_over(self) -> bool:
        """True if no burst would play another round."""
        return self._is_stopped or not self._due(1.0)

    @property
    def are_too_few(self) -> bool:
        """True if they end before each player has played the fewest."""
        return any(player.rounds_played < player.least_rounds for player in self._due(1.0))

    def end(self) -> None:
        """Give the players their samples."""
        for player in self._players:
            if not player.retraces:
                for kept in self._kept:
                    own = kept.get(player.name, [])
                    player.seconds_per_call += own + [math.nan] * (self._longest - len(own))

    @property
    def _is_stopped(self) -> bool:
        return bool(self._kept or self.dropped) and self._stop()

    def _due(self, done: float) -> list[Player]:
        """Return the players of another round, if there is one until so much is `done`."""
        if len(self._kept) + self.dropped >= self._most * done:
            return []
        of_burst = self.dropped, self._share, done
        return [player for player in self._players if player.is_due(*of_burst)]


def _play_round(
    due: Sequence[Player], dice: random.Random, clock: Clock
) -> dict[str, list[float]] | None:
    """Return seconds per call of each sample by player; None if a player retraced."""
    traces = [player.traces() for player in due]
    samples: dict[str, list[float]] = {}
    for player in _order(due, dice):
        seconds = player.take_block(clock) if player.block else [player.take_turn(clock)]
        player.seconds_spent += sum(seconds)
        samples[player.name] = [each / player.calls_per_sample for each in seconds]
    retraced = [
        player for player, count in zip(due, traces, strict=True) if player.traces() != count
    ]
    for player in retraced:
        player.retraced_rounds += 1
    return None if retraced else samples


def _order(due: Sequence[Player], dice: random.Random) -> list[Player]:
    """Draw an order of pairs, and of the players of each pair."""
    pairs = list(dict.fromkeys(player.pair for player in due))
    place = {pair: turn for turn, pair in enumerate(dice.sample(pairs, len(pairs)))}
    shuffled = dice.sample(due, len(due))
    return sorted(shuffled, key=lambda player: place[player.pair])
