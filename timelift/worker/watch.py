"""How quiet the machine is: load, stolen time, frequency, and a canary whose work never changes.

Nothing here judges: what is seen goes into the journal, and its readers say what it means.
"""

import contextlib
import time
from pathlib import Path

from timelift.canary import canary
from timelift.cgroup import HERE, Groups

#: Where Linux describes the threads of this process.
_THREADS = Path("/proc/self/task")


class Watch:
    """What disturbs the machine from now on: stolen time, a container's quota, the canary's pace.

    What the system does not tell is no fact.
    """

    def __init__(self, groups: Groups = HERE) -> None:
        self._groups = groups if groups.quota_cores() else None
        self._canary = canary().seconds
        self._held_back = self._throttled()
        self._before = _processor_seconds()
        self._started, self._waited = time.monotonic(), _run_delay_seconds()

    def facts(self) -> dict[str, float]:
        """The shares of time stolen by the host and waited for a processor, and the canary.

        Where processors have a quota, the periods of it in which this container stood still.
        """
        found = {**self._delayed(), **self._stolen(), **self._stood_still()}
        return {**found, "canary_seconds": min(self._canary, canary().seconds)}

    def _delayed(self) -> dict[str, float]:
        """What all threads waited over the time that passed, so it may exceed 1."""
        seconds, now = time.monotonic() - self._started, _run_delay_seconds()
        if now is None or self._waited is None or seconds <= 0:
            return {}
        return {"waited_share": round(max(0.0, now - self._waited) / seconds, 4)}

    def _stolen(self) -> dict[str, float]:
        now = _processor_seconds()
        if now is None or self._before is None:
            return {}
        stolen, passed = (one - before for one, before in zip(now, self._before, strict=True))
        return {"stolen_share": round(max(0.0, stolen / passed), 4)} if passed > 0 else {}

    def _stood_still(self) -> dict[str, float]:
        now = self._throttled()
        if now is None or self._held_back is None:
            return {}
        return {"throttled_periods": max(0, now - self._held_back)}

    def _throttled(self) -> int | None:
        return self._groups.throttled_periods() if self._groups else None


def _processor_seconds() -> tuple[float, float] | None:
    """Seconds stolen and seconds in all; None where the system or the interpreter does not tell.

    An interpreter that was made for something else, and is only compared with, has no psutil.
    """
    try:
        import psutil  # noqa: PLC0415
    except ImportError:
        return None
    times = psutil.cpu_times()
    return (times.steal, sum(times)) if hasattr(times, "steal") else None


def _run_delay_seconds() -> float | None:
    """Seconds that this process's threads have waited for a processor, all of them together.

    Linux counts it by thread: the second number of `schedstat` (scheduler/sched-stats in the
    kernel's documentation). None where it does not tell.
    """
    waited = []
    for thread in _THREADS.glob("*/schedstat"):
        with contextlib.suppress(OSError, ValueError, IndexError):  # threads end meanwhile
            waited.append(int(thread.read_text().split()[1]))
    return sum(waited) * 1e-9 if waited else None
