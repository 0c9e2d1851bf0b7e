"""The operating system and a GPU's driver: processes, disturbances of a launch, memory of a call.

Neighbours are what other programs, and other guests, take of the processors of a worker.

Disturbances and memory go into the journal as they are observed; its readers judge them.
"""

import contextlib
import ctypes
import os
import re
import resource
import select
import signal
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from timelift.canary import OWN_GROUPS, Groups, time_canary, time_copy
from timelift.case import GPU
from timelift.messages import RUN_PROCESS

#: NVML's bits for reasons that lower the clocks of a GPU (nvml.h, nvmlClocksEventReasons): slowed
#: by hardware, by heat as software or hardware sees it, by the power brake. The software's power
#: cap is not among them, since every board under load is at its cap.
_HELD_DOWN = 0x08 | 0x20 | 0x40 | 0x80
#: Smaller readings mean nothing: a call uses some 100 KiB of small blocks again that were returned
#: to the system just before it.
_RESOLUTION_BYTES = 1 << 17
_READINGS = 3
#: Readings of the resident set until it shrinks no more, and seconds between them.
_MOST_LOOKS, _BETWEEN_LOOKS = 20, 2e-3
#: NVML comes with an extra, for machines with a GPU.
_IMPORT_NVML = partial(import_module, "pynvml")
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
#: prctl(2): a signal at the end of the thread that began this process; to adopt orphans below it.
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
#: Processor time is counted in ticks of 10 ms: in so many seconds one is 2 % of a processor.
LEAST_SECONDS = 0.5
#: The times of a processor in which it works, of the first eight that a kernel reports (proc(5)):
#: user, nice, system, irq, softirq, steal; but not idle and iowait.
_STEAL = 7
_WORKS = (0, 1, 2, 5, 6, _STEAL)
#: Of a process, from its state on: its parent, and the user and system times of itself and of its
#: children that have ended.
_PARENT, _TIMES = 1, slice(11, 15)


def supervise() -> None:
    """End this process with its parent or by SIGTERM, after all that descends from it."""
    signal.signal(signal.SIGTERM, _end_by_signal)
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    _die_with_parent(signal.SIGTERM)


def lines_and_deaths() -> Iterator[bytes | None]:
    """Yield each line of standard input, and None once a child may have died, until input ends."""
    woken, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)  # set_wakeup_fd asks for a handler
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    ready, pending = select.poll(), b""
    for source in (0, woken):
        ready.register(source, select.POLLIN)
    while True:
        sources = {source for source, _ in ready.poll()}
        if woken in sources:
            os.read(woken, 1 << 16)
            yield None
        if 0 in sources:
            read = os.read(0, 1 << 16)
            if not read:
                _end_children()
                return
            *lines, pending = (pending + read).split(b"\n")
            yield from (line + b"\n" for line in lines)


def fork() -> tuple[int, int]:
    """Fork a worker; return its process, and the end of a pipe that is its standard input.

    In the worker, which leads a session of its own, the process is 0.
    """
    orders, end = os.pipe()
    if pid := os.fork():
        os.close(orders)
        return pid, end
    signal.set_wakeup_fd(-1)
    for each in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(each, signal.SIG_DFL)
    os.dup2(orders, 0)
    os.close(orders)
    os.close(end)
    os.setsid()
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)  # orphans are its own, while it lives
    _die_with_parent(signal.SIGKILL)
    return 0, 0


def exit_code_of(worker: int, others: Collection[int]) -> int | None:
    """Return the exit code of a worker once its children are killed; None while it lives.

    That of one that signal 9 ended is -9. Children in its process group end even where a kernel
    does not list children; those that it left to this process are all but the other workers.
    """
    pid, status = os.waitpid(worker, os.WNOHANG)
    if not pid:
        return None
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    _end_children(others)
    return os.waitstatus_to_exitcode(status)


def _die_with_parent(number: signal.Signals) -> None:
    """Exit with the parent, which holds the other end of standard input."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)
    parent = select.poll()
    parent.register(0, select.POLLHUP)
    if any(events & select.POLLHUP for _, events in parent.poll(0)):  # it exited before prctl
        os._exit(1)


def _end_children(spared: Collection[int] = ()) -> None:
    """Kill the children, then theirs, which this process adopts, until none ends any more."""
    ended = True
    while ended:
        ended, children = False, set[int]()
        for thread in Path("/proc/self/task").glob("*/children"):
            with contextlib.suppress(OSError):  # it is gone
                children |= {*map(int, thread.read_text().split())}
        for child in children - {*spared}:
            with contextlib.suppress(OSError):  # it is another user's
                os.kill(child, signal.SIGKILL)
                ended = os.waitpid(child, 0)[0] > 0


def _end_by_signal(number: int, _: object) -> None:
    _end_children()
    os._exit(128 + number)


class _Reading(NamedTuple):
    """Seconds: of the clock, that processors worked, of other guests in that, and of the run."""

    clock: float
    busy: float
    stolen: float
    own: float

    def since(self, earlier: "_Reading") -> "_Reading":
        return _Reading(*(now - then for now, then in zip(self, earlier, strict=True)))


class Neighbours:
    """What other programs take, by readings of `proc`, while it is `watched`.

    If that was too short, it is what they take for a while longer. A run is a process and all that
    descend from it, those that ended too. A setting's worker may use as many processors as it has
    `threads` (0: all), and no more than a container's quota.
    """

    def __init__(
        self, threads: int = 0, groups: Groups = OWN_GROUPS, proc: Path = Path("/proc")
    ) -> None:
        self._proc, self._cores = proc, sorted(os.sched_getaffinity(0))
        self._may_use = min(threads or len(self._cores), groups.quota_cores() or len(self._cores))
        self._run = int(os.environ.get(RUN_PROCESS, os.getpid()))
        self._watched = _Reading(0.0, 0.0, 0.0, 0.0)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        before = self._reading()
        yield
        after = self._reading()
        if before and after:
            span = after.since(before)
            self._watched = _Reading(*map(sum, zip(self._watched, span, strict=True)))

    def facts(self) -> Mapping[str, float]:
        """Return facts of what was watched, for `LEAST_SECONDS` at least; empty if unknown."""
        missing = LEAST_SECONDS - self._watched.clock
        if missing > 0:
            with self.watched():
                time.sleep(missing)
        span = self._watched
        if not span.busy:  # a count that stands still is none
            return {}
        taken = max(0.0, (span.busy - span.own) / span.clock)
        missing = max(0.0, taken + self._may_use - len(self._cores))
        stolen = span.stolen / span.clock / len(self._cores)
        return {
            "others_cores": round(taken, 3),
            "missing_cores": round(min(missing, taken), 3),
            "stolen_share": round(max(0.0, stolen), 4),
        }

    def _reading(self) -> _Reading | None:
        with contextlib.suppress(OSError, LookupError, ValueError):  # a container may hide some
            return self._read()
        return None

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


class Disturbances:
    """Disturbances of what is `watched`: neighbours, a container's quota, the canary.

    `facts` leaves out what the system does not report.
    """

    def __init__(self, threads: int = 0, groups: Groups = OWN_GROUPS) -> None:
        self._groups = groups if groups.quota_cores() else None
        self.neighbours = Neighbours(threads)
        self._canary, self._periods = time_canary(), 0 if self._groups else None

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        with self.quota_watched(), self.neighbours.watched():
            yield

    @contextlib.contextmanager
    def quota_watched(self) -> Iterator[None]:
        """Watch the quota alone, since reading all processes takes as long as some samples."""
        before = self._throttled()
        yield
        after = self._throttled()
        if self._periods is None or before is None or after is None:
            self._periods = None
        else:
            self._periods += max(0, after - before)

    def facts(self) -> dict[str, float]:
        facts: dict[str, float] = {**self.neighbours.facts()}
        if self._periods is not None:
            facts["throttled_periods"] = self._periods
        if copy := time_copy():
            facts["copy_seconds"] = copy
        return facts | {"canary_seconds": min(self._canary, time_canary())}

    def _throttled(self) -> int | None:
        return self._groups.throttled_periods() if self._groups else None


class Clocks:
    """The clocks of a GPU, if NVML knows the device.

    Opening NVML takes a while, so it is done before the clocks are to be read.
    """

    def __init__(self, device: str, import_nvml: Callable[[], Any] = _IMPORT_NVML) -> None:
        self._reasons: Callable[[], int] = lambda: 0
        kind, _, number = device.partition(":")
        if kind != GPU:
            return
        with contextlib.suppress(Exception):  # no NVML, or no driver, for which it has own errors
            nvml = import_nvml()
            nvml.nvmlInit()
            handle = _handle(nvml, int(number or 0), os.environ)
            self._reasons = partial(nvml.nvmlDeviceGetCurrentClocksThrottleReasons, handle)

    def held_down(self) -> bool:
        with contextlib.suppress(Exception):  # NVML has errors of its own
            return bool(self._reasons() & _HELD_DOWN)
        return False


def _handle(nvml: Any, number: int, variables: Mapping[str, str]) -> Any:
    shown = [name.strip() for name in variables.get("CUDA_VISIBLE_DEVICES", "").split(",")]
    name = shown[number] if number < len(shown) and shown[number] else str(number)
    if name.isdecimal():
        return nvml.nvmlDeviceGetHandleByIndex(int(name))
    return nvml.nvmlDeviceGetHandleByUUID(name)


def limit_memory(most: int) -> None:
    """Limit the data of this process to so many bytes; 0 is no limit.

    Linux counts private writable memory against RLIMIT_DATA (getrlimit(2), since 4.7), also memory
    that is reserved and never touched, of which TensorFlow has plenty.
    """
    if most:
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        soft = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def host_peak_facts(
    call: Callable[[], object], pooled: Callable[[Callable[[], object]], int]
) -> dict[str, int]:
    """Return `peak_bytes`, the most that `call` adds to the memory that was held before it.

    It is the high-water mark of the resident set, after free memory was returned and the mark reset
    (proc(5): 5 to `clear_refs` resets VmHWM). That is exact only if all threads share one arena
    (MALLOC_ARENA_MAX=1, mallopt(3)), which `malloc_trim` empties. `pooled` returns the peak of the
    backend's own pool, which is added, so the sum is an upper bound.

    Of some readings it is the median, or if that means nothing the bound `peak_bytes_below`. Empty
    where the system does not report it.
    """
    try:
        readings = [_resident_peak_bytes(call) + pooled(call) for _ in range(_READINGS)]
    except (OSError, LookupError):
        return {}
    peak = int(statistics.median(readings))
    if peak < _RESOLUTION_BYTES:
        return {"peak_bytes_below": _RESOLUTION_BYTES}
    return {"peak_bytes": peak}


def _resident_peak_bytes(call: Callable[[], object]) -> int:
    """Return by how much a second call raises the resident set while the first one's result lives.

    Else threads of the backend might free that during the call, which would reuse its memory.
    """
    kept = call()
    before = _resting_bytes()
    call()
    peak = _status_bytes("VmHWM")
    del kept
    return max(0, peak - before)


def _resting_bytes() -> int:
    """Return free memory to the system, reset the high-water mark, and return the resident set.

    It is read until it shrinks no more, since threads free memory a little later.
    """
    resident = _status_bytes("VmRSS")
    for _ in range(_MOST_LOOKS):
        time.sleep(_BETWEEN_LOOKS)
        ctypes.CDLL(None).malloc_trim(0)
        now = _status_bytes("VmRSS")
        if now >= resident:
            break
        resident = now
    _CLEAR.write_text("5")
    return _status_bytes("VmRSS")


def _status_bytes(name: str) -> int:
    line = re.search(rf"^{name}:\s+(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
    if line is None:
        raise LookupError(name)
    return int(line[1]) * 1024
