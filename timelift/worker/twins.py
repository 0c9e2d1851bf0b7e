"""Twins inside a worker: what a self-test plants in a rival, beside the clocks and not in them.

`RivalSpec.planted` may hold `slower`, the share of calls that are made and not billed, and
`first_call_seconds`, which are added to the first call.
"""

import math
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from timelift.rounds import Clock, Player, PlaySample, play_sample
from timelift.worker.engines import Compiled, Feed
from timelift.worker.programs import Program


def plant_in_samples(planted: Mapping[str, float]) -> PlaySample:
    slower = planted.get("slower", 0.0)
    if not slower:
        return play_sample
    return partial(_made_and_not_billed if slower > 0 else _billed_and_not_made, slower)


def _made_and_not_billed(slower: float, player: Player, clock: Clock) -> float:
    """Make the whole calls, and then wait as long as the rest of a call would have lasted."""
    calls, start = player.calls_per_sample * (1 + slower), clock()
    end = start + player.sample(math.floor(calls), clock) * calls / math.floor(calls)
    while clock() < end:
        pass
    return clock() - start


def _billed_and_not_made(slower: float, player: Player, clock: Clock) -> float:
    return play_sample(player, clock) * (1 + slower)


def plant_in_first_call(
    planted: Mapping[str, float], compiled: Compiled, wait: Callable[[Any], None]
) -> Compiled:
    seconds = planted.get("first_call_seconds", 0.0)
    return _SlowFirstCall(compiled, wait, seconds) if seconds else compiled


class _SlowFirstCall:
    """A compiled model whose first call takes some seconds more; later calls have no detour."""

    def __init__(self, compiled: Compiled, wait: Callable[[Any], None], seconds: float) -> None:
        self._compiled, self._wait, self._seconds = compiled, wait, seconds

    @property
    def traces(self) -> int:
        return self._compiled.traces

    @property
    def nodes(self) -> int | None:
        return self._compiled.nodes

    @property
    def traced_program(self) -> Program | None:
        return self._compiled.traced_program

    @property
    def optimised_program(self) -> Program | None:
        return self._compiled.optimised_program

    def keeping_program(self) -> AbstractContextManager[None]:
        return self._compiled.keeping_program()

    def trace(self, feed: Feed) -> None:
        self._compiled.trace(feed)

    def bind(self, feed: Feed) -> Callable[[], Any]:
        call = self._compiled.bind(feed)
        return partial(self._first, call) if self._seconds else call

    def _first(self, call: Callable[[], Any]) -> Any:
        result = call()
        self._wait(result)
        time.sleep(self._seconds)
        self._seconds = 0.0
        return result
