"""How quiet the machine is: load, stolen time, frequency, and a canary whose work never changes.

Nothing here judges: what is seen goes into the journal, and its readers say what it means.
"""

import contextlib
import hashlib
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: The canary hashes so many bytes a beat: some tens of microseconds in one thread.
_CANARY_BYTES = bytes(1 << 16)
#: Where Linux describes the threads of this process.
_THREADS = Path("/proc/self/task")
#: Beats of one look at the machine, a few milliseconds in all.
_BEATS = 40


@dataclass(frozen=True)
class Canary:
    """Seconds of the same piece of work: its median, and how far its slowest tenth lies above."""

    seconds: float
    jitter: float


def canary(beats: int = _BEATS, clock: Callable[[], float] = time.perf_counter) -> Canary:
    """Time a fixed piece of work; `jitter` is the 90th percentile over the median, less one."""
    times = sorted(_beat(clock) for _ in range(beats))
    middle = statistics.median(times)
    return Canary(middle, times[(9 * len(times)) // 10] / middle - 1)


def _beat(clock: Callable[[], float]) -> float:
    start = clock()
    hashlib.sha256(_CANARY_BYTES).digest()
    return clock() - start


class Watch:
    """What disturbs the machine from now on: stolen processor time, and the canary's pace."""

    def __init__(self) -> None:
        self._canary = canary().seconds
        self._before = _processor_seconds()
        self._started, self._waited = time.monotonic(), _run_delay_seconds()

    def facts(self) -> dict[str, float]:
        """The shares of time stolen by the host and waited for a processor, and the canary.

        `waited_share` is the threads' waiting in all over the time that passed, so it may exceed 1.
        """
        seconds = time.monotonic() - self._started
        waited = _run_delay_seconds() - self._waited
        stolen, passed = (
            now - before for now, before in zip(_processor_seconds(), self._before, strict=True)
        )
        return {
            "stolen_share": round(max(0.0, stolen / passed), 4) if passed > 0 else 0.0,
            "waited_share": round(max(0.0, waited) / seconds, 4) if seconds > 0 else 0.0,
            "canary_seconds": min(self._canary, canary().seconds),
        }


def _processor_seconds() -> tuple[float, float]:
    """Seconds stolen and seconds in all; nothing where the interpreter has no psutil.

    It is missing in an interpreter that was made for something else and is only compared with.
    """
    try:
        import psutil  # noqa: PLC0415
    except ImportError:
        return 0.0, 0.0
    times = psutil.cpu_times()
    return getattr(times, "steal", 0.0), sum(times)


def _run_delay_seconds() -> float:
    """Seconds that this process's threads have waited for a processor, all of them together.

    Linux counts it by thread: the second number of `schedstat` (scheduler/sched-stats in the
    kernel's documentation). 0 where it does not tell.
    """
    waited = 0
    for thread in _THREADS.glob("*/schedstat"):
        with contextlib.suppress(OSError, ValueError, IndexError):  # threads end meanwhile
            waited += int(thread.read_text().split()[1])
    return waited * 1e-9


def describe() -> dict[str, Any]:
    """Look at the machine before a run: load, its processors' use, frequency, and the canary."""
    import psutil  # noqa: PLC0415 - only here and below

    seen = canary()
    busy = psutil.cpu_percent(interval=0.2) / 100
    return {
        "load": list(os.getloadavg()),
        "busy": round(busy, 3),
        "frequency_mhz": _frequency(),
        "canary_seconds": seen.seconds,
        "canary_jitter": round(seen.jitter, 3),
    }


def _frequency() -> float | None:
    import psutil  # noqa: PLC0415

    try:
        found = psutil.cpu_freq()
    except (OSError, NotImplementedError):
        return None
    return round(found.current) if found else None
