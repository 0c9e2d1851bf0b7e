"""The order in which the settings of a launch are built, sleep, and are called back.

What launches differ by is mostly what the machine did in the seconds in which they played, so the
bursts of a setting lie seconds apart. Between them others are built and play.
"""

import random
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from timelift.measure.worker_state import InTurns, advance

Key = TypeVar("Key")
Result = TypeVar("Result")
Clock = Callable[[], float]

#: Seconds since its build began after which a setting plays its bursts in a row: a kill costs
#: whatever has not ended.
LONGEST = 15.0


@dataclass(eq=False)
class Sleeper(Generic[Key, Result]):
    """A setting by its key, with the turns that it takes: it is built, then plays its bursts.

    Nothing sleeps beside one that is `alone`, or has asked for that. `seconds` is how long its
    turns took.
    """

    key: Key
    turns: InTurns[Result]
    alone: bool = False
    since: float | None = None
    seconds: float = 0.0
    result: Result | None = None

    def take_turn(self, clock: Clock) -> bool:
        """Take a turn; return True if it was the last."""
        started = clock()
        self.since = started if self.since is None else self.since
        self.result, wants_to_be_alone = advance(self.turns)
        self.alone |= wants_to_be_alone
        self.seconds += clock() - started
        return self.result is not None


class Rota(Generic[Key, Result]):
    """Settings that sleep; `has_room` tells whether another one may be built beside them."""

    def __init__(
        self,
        dice: random.Random,
        has_room: Callable[[], bool] = lambda: True,
        clock: Clock = time.monotonic,
    ) -> None:
        self._dice, self._has_room, self._clock = dice, has_room, clock
        self._asleep = list[Sleeper[Key, Result]]()

    def play(self, sleepers: Iterable[Sleeper[Key, Result]]) -> Iterator[tuple[Key, Result, float]]:
        """Build each setting, and yield its key once it has ended, with its result and seconds.

        Whenever one was built, all take a turn, in an order drawn anew. If one sleeps for too long,
        or no more of them have room, they take further ones before the next is drawn.
        """
        for sleeper in sleepers:
            while self._asleep and sleeper.alone:
                yield from self._all_play()
            self._asleep.append(sleeper)
            yield from self._take_turns([sleeper])
            yield from self._all_play()
            while self._is_full:
                yield from self._all_play()
        while self._asleep:
            yield from self._all_play()

    def _all_play(self) -> Iterator[tuple[Key, Result, float]]:
        due = [sleeper for sleeper in self._asleep if not sleeper.alone] or self._asleep[:1]
        yield from self._take_turns(self._dice.sample(due, len(due)))

    def _take_turns(
        self, due: Iterable[Sleeper[Key, Result]]
    ) -> Iterator[tuple[Key, Result, float]]:
        for sleeper in due:
            if sleeper.take_turn(self._clock):
                self._asleep.remove(sleeper)
                assert sleeper.result is not None
                yield sleeper.key, sleeper.result, sleeper.seconds

    @property
    def _is_full(self) -> bool:
        if not self._asleep:
            return False
        is_late = self._clock() - (self._asleep[0].since or 0.0) > LONGEST
        return is_late or any(each.alone for each in self._asleep) or not self._has_room()
