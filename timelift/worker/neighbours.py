"""Neighbours: what other programs, and other guests, take of the processors of a worker."""

import contextlib
import os
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from timelift.canary import OWN_GROUPS, Groups
from timelift.messages import RUN_PROCESS

#: Processor time is counted in ticks of 10 ms: in so many seconds they are 1 % of a processor.
LEAST_SECONDS = 1.0
#: The times of a processor in which it works, of the first eight that a kernel reports (proc(5)):
#: user, nice, system, irq, softirq, steal; but not idle and iowait.
_STEAL = 7
_WORKS = (0, 1, 2, 5, 6, _STEAL)
#: Of a process, from its state on: its parent, and the user and system times of itself and of its
#: children that have ended.
_PARENT, _TIMES = 1, slice(11, 15)


class _Reading(NamedTuple):
    """Seconds: of the clock, that processors worked, of other guests in that, and of the run."""

    clock: float
    busy: float
    stolen: float
    own: float


class Neighbours:
    """What other programs take from now on, by readings of `proc`; `note` takes one more.

    A run is a process and all that descend from it, those that ended too. A setting's worker may
    use as many processors as it has `threads` (0: all), and no more than a container's quota.
    """

    def __init__(
        self, threads: int = 0, groups: Groups = OWN_GROUPS, proc: Path = Path("/proc")
    ) -> None:
        self._proc, self._cores = proc, sorted(os.sched_getaffinity(0))
        self._may_use = min(threads or len(self._cores), groups.quota_cores() or len(self._cores))
        self._run = int(os.environ.get(RUN_PROCESS, os.getpid()))
        self._readings = list[_Reading]()
        self.note()

    def note(self) -> None:
        with contextlib.suppress(OSError, LookupError, ValueError):  # a system without /proc
            self._readings.append(self._read())

    def facts(self) -> Mapping[str, float]:
        """Return facts of the last second or more since a reading; empty where they are unknown."""
        begun = self._readings[0].clock if self._readings else 0.0
        time.sleep(max(0.0, begun + LEAST_SECONDS - time.monotonic()))
        self.note()
        if len(self._readings) < 2:  # noqa: PLR2004 - a difference has two
            return {}
        *earlier, last = self._readings
        if last.busy == earlier[0].busy:  # a count that stands still is none
            return {}
        long = (each for each in reversed(earlier) if last.clock - each.clock >= LEAST_SECONDS)
        first = next(long, earlier[0])
        seconds = last.clock - first.clock
        others = (last.busy - first.busy) - (last.own - first.own)
        taken = max(0.0, others / seconds)
        missing = max(0.0, taken + self._may_use - len(self._cores))
        stolen = (last.stolen - first.stolen) / seconds / len(self._cores)
        return {
            "others_cores": round(taken, 3),
            "missing_cores": round(min(missing, taken), 3),
            "stolen_share": round(max(0.0, stolen), 4),
        }

    def _read(self) -> _Reading:
        tick = 1 / os.sysconf("SC_CLK_TCK")
        lines = (line.split() for line in (self._proc / "stat").read_text().splitlines())
        times = {name: numbers for name, *numbers in lines}
        cores = [[int(number) for number in times[f"cpu{core}"]] for core in self._cores]
        busy = sum(core[place] for core in cores for place in _WORKS)
        stolen = sum(core[_STEAL] for core in cores)
        return _Reading(time.monotonic(), busy * tick, stolen * tick, self._own_ticks() * tick)

    def _own_ticks(self) -> int:
        children, ticks = defaultdict[int, list[int]](list), dict[int, int]()
        for stat in self._proc.glob("[0-9]*/stat"):
            with contextlib.suppress(OSError, LookupError, ValueError):  # it ends meanwhile
                # a name may have blanks, and be cut within a letter
                fields = stat.read_text(errors="replace").rpartition(")")[2].split()
                children[int(fields[_PARENT])].append(int(stat.parent.name))
                ticks[int(stat.parent.name)] = sum(map(int, fields[_TIMES]))
        total, waiting = 0, [self._run]
        while waiting:
            process = waiting.pop()
            total += ticks.get(process, 0)
            waiting += children[process]
        return total
