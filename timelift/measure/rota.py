"""The order in which the settings of a launch are built, sleep, and are called back.

What launches differ by is mostly what the machine did in the seconds in which they played, so the
bursts of a setting lie seconds apart. Between them others are built and play.
"""

import random
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from timelift.measure.worker_state import InTurns, take_turn

Key = TypeVar("Key")
Result = TypeVar("Result")
Clock = Callable[[], float]

#: Seconds after which a setting sleeps no more: a kill costs whatever has not ended.
LONGEST = 15.0


@dataclass
class Sleeper(Generic[Key, Result]):
    """A setting by its key, with the turns that it takes: it is built, then plays its bursts.

    Nothing sleeps beside one that is `alone`. `seconds` is how long its turns took.
    """

    key: Key
    turns: InTurns[Result]
    alone: bool = False
    since: float = 0.0
    seconds: float = 0.0

    def take_turn(self, clock: Clock) -> Result | None:
        """Take a turn; return the result if it was the last."""
        started = clock()
        self.since = self.since or started
        result = take_turn(self.turns)
        self.seconds += clock() - started
        return result


def take_turns(
    sleepers: Iterable[Sleeper[Key, Result]],
    dice: random.Random,
    has_room: Callable[[], bool] = lambda: True,
    clock: Clock = time.monotonic,
) -> Iterator[tuple[Sleeper[Key, Result], Result]]:
    """Build each setting, and yield it with its result once it took its last turn.

    Whenever one was built, all take a turn, in an order drawn anew. If one sleeps for too long, or
    no more of them have room, they take further ones before the next is built.
    """
    asleep = list[Sleeper[Key, Result]]()

    def all_play() -> Iterator[tuple[Sleeper[Key, Result], Result]]:
        for sleeper in dice.sample(asleep, len(asleep)):
            result = sleeper.take_turn(clock)
            if result is not None:
                asleep.remove(sleeper)
                yield sleeper, result

    def is_full() -> bool:
        return clock() - asleep[0].since > LONGEST or asleep[-1].alone or not has_room()

    for sleeper in sleepers:
        while asleep and (sleeper.alone or is_full()):
            yield from all_play()
        result = sleeper.take_turn(clock)
        if result is not None:
            yield sleeper, result
            continue
        asleep.append(sleeper)
        yield from all_play()
    while asleep:
        yield from all_play()
