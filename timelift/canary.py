"""How fast the machine is now: a fixed piece of work, and a container's share of the processors.

The canary is the piece of work, with two beats: a hash shows how fast the machine runs one thread,
and a copy how fast its memory is, which busy neighbours share.

A control group has a quota of processor time in each period, and is throttled, that is stopped, for
the rest of a period in which it has used that up. The group of this process is limited by every
group above it too. All of it is read from files; a value that they do not hold is None.
Source: https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu-interface-files
"""

import contextlib
import hashlib
import math
import mmap
import re
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeGuard

#: The bytes that are hashed in one beat, which takes some tens of microseconds.
_CANARY_BYTES = bytes(1 << 16)
#: What it takes, roughly, on the processors of today.
_A_BEAT = 40e-6
#: Seconds; a longer beat in a journal is an error of a clock.
_LONGEST_BEAT = 1.0
#: Beats of one reading, a few milliseconds in all.
_BEATS = 40
#: The bytes that are copied in one beat, more than a processor's cache, and copies of one reading.
_COPIED_BYTES, _COPIES = 1 << 25, 3
#: The folder in which control groups are mounted, and the file with the group of this process.
_MOUNTED, _OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def is_beat(seconds: object) -> TypeGuard[float]:
    """True if a value from a journal can be the seconds of a beat."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return False
    return 0 < seconds < _LONGEST_BEAT


def time_canary(clock: Callable[[], float] = time.perf_counter) -> float:
    """Return the median seconds of a hash."""
    times = []
    for _ in range(_BEATS):
        start = clock()
        hashlib.sha256(_CANARY_BYTES).digest()
        times.append(clock() - start)
    return statistics.median(times)


def time_copy(clock: Callable[[], float] = time.perf_counter) -> float | None:
    """Return the median seconds of a copy of memory; None where a limit leaves no room for it.

    The memory is mapped anew, in large pages if there are any, and no allocator keeps it.
    """
    flags, times = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, []
    try:
        with (
            mmap.mmap(-1, 2 * _COPIED_BYTES, flags=flags) as memory,
            memoryview(memory)[:_COPIED_BYTES] as first,
            memoryview(memory)[_COPIED_BYTES:] as second,
        ):
            with contextlib.suppress(AttributeError, OSError):  # a kernel without large pages
                memory.madvise(mmap.MADV_HUGEPAGE)
            for turn in range(_COPIES + 2):  # the first two map the pages
                old, new = (second, first) if turn % 2 else (first, second)
                start = clock()
                new[:] = old
                times.append(clock() - start)
    except OSError:
        return None
    return statistics.median(times[2:])


def work_of(seconds: float) -> Callable[[], object]:
    """Return a fixed piece of work that takes about so long: a hash, a few times in a row."""
    data = bytes(max(1, min(len(_CANARY_BYTES), round(len(_CANARY_BYTES) * seconds / _A_BEAT))))
    times = max(1, round(seconds / _A_BEAT))

    def work() -> None:
        for _ in range(times):
            hashlib.sha256(data).digest()

    return work


@dataclass(frozen=True)
class Groups:
    """The control group that this process is in, with those above it."""

    mounted: Path = _MOUNTED
    own: Path = _OWN

    def quota_cores(self) -> float | None:
        """Return the smallest quota of all groups in processors, rounded to hundredths."""
        pairs = self._found(r"^(\d+) (\d+)$", "cpu.max")  # "max" is no limit
        quotas = [int(quota) / int(period) for quota, period in pairs if int(quota) and int(period)]
        return round(min(quotas), 2) if quotas else None

    def throttled_periods(self) -> int | None:
        """Return the number of periods in which a group was throttled; None if none reports it."""
        counts = [*map(int, self._found(r"^nr_throttled (\d+)$", "cpu.stat"))]
        return sum(counts) if counts else None

    def free_bytes(self) -> float:
        """Return the least that a group may still use, infinite if none has a limit."""
        names = ("memory.max", "memory.current", "memory.stat")
        free = [math.inf]
        for limit, used, counts in zip(*map(self._texts, names), strict=True):
            if limit.strip().isdecimal() and used.strip().isdecimal():
                cached = re.findall(r"^inactive_file (\d+)$", counts, re.MULTILINE)
                free.append(int(limit) - int(used) + sum(map(int, cached)))
        return min(free)

    def _found(self, pattern: str, name: str) -> list[Any]:
        texts = self._texts(name)
        return [found for text in texts for found in re.findall(pattern, text, re.MULTILINE)]

    def _texts(self, name: str) -> list[str]:
        return [text_of(folder / name) for folder in self._folders()]

    def _folders(self) -> Iterator[Path]:
        """Yield the folders of the group and those above; a container's own may be the root."""
        for line in text_of(self.own).splitlines():
            if line.startswith("0::/"):
                group = PurePosixPath(line.removeprefix("0::/"))
                if ".." in group.parts:  # a group outside of what is mounted here
                    group = PurePosixPath()
                groups = dict.fromkeys((group, *group.parents))
                yield from (path for name in groups if (path := self.mounted / name).is_dir())


OWN_GROUPS = Groups()


def text_of(path: Path) -> str:
    """Return the text of a file of the system, '' where there is none."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
