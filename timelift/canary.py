"""The canary: a fixed piece of work whose time tells how fast the machine is now."""

import hashlib
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeGuard

#: The bytes that are hashed in a beat, which takes some tens of microseconds in one thread.
_CANARY_BYTES = bytes(1 << 16)
#: A second is no beat, but a slip of the clock.
_LONGEST_BEAT = 1.0
#: Beats of one reading, a few milliseconds in all.
_BEATS = 40


@dataclass(frozen=True)
class Canary:
    """Seconds of the same piece of work: its median, and how far its slowest tenth lies above."""

    seconds: float
    jitter: float


def is_beat(seconds: object) -> TypeGuard[float]:
    """True if a value that a file has for a beat can be one."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return False
    return 0 < seconds < _LONGEST_BEAT


def time_canary(beats: int = _BEATS, clock: Callable[[], float] = time.perf_counter) -> Canary:
    """Time a fixed piece of work; `jitter` is the 90th percentile over the median, less one."""
    times = sorted(_beat(clock) for _ in range(beats))
    middle = statistics.median(times)
    return Canary(middle, times[(9 * len(times)) // 10] / middle - 1)


def _beat(clock: Callable[[], float]) -> float:
    start = clock()
    hashlib.sha256(_CANARY_BYTES).digest()
    return clock() - start
