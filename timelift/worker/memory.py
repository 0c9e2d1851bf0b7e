"""How much host memory one call needs at its peak, and how much a process may take."""

import contextlib
import ctypes
import re
import statistics
from collections.abc import Callable
from pathlib import Path

#: Smaller readings mean nothing: a call touches some 100 KiB of small blocks again that were handed
#: back just before it.
RESOLUTION_BYTES = 1 << 17
_READINGS = 3
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def peak_bytes(
    call: Callable[[], object], pooled: Callable[[Callable[[], object]], int]
) -> int | None:
    """Return the bytes that `call` holds at its peak beyond those before; a median of readings.

    The bytes of the system's own blocks come from the high-water mark of the resident set: free
    memory is handed back first and the mark reset (proc(5): writing 5 to `clear_refs` resets
    VmHWM). That is exact only where all threads share one arena (MALLOC_ARENA_MAX=1, mallopt(3)),
    which `malloc_trim` empties: what threads keep in arenas of their own would be used again
    unseen.
    `pooled` counts what the backend takes from a pool of its own. The two peaks are added, so where
    they lie at different moments of the call the sum is an upper bound.

    None where Linux cannot tell. Below `RESOLUTION_BYTES` a reading means nothing (see `facts`).
    """
    try:
        readings = [_resident_peak_bytes(call) + pooled(call) for _ in range(_READINGS)]
    except (OSError, LookupError):
        return None
    return int(statistics.median(readings))


def facts(peak: int | None) -> dict[str, int]:
    """Return the journal's facts of a reading: `peak_bytes`, or the bound that it is below."""
    if peak is None:
        return {}
    if peak < RESOLUTION_BYTES:
        return {"peak_bytes_below": RESOLUTION_BYTES}
    return {"peak_bytes": peak}


def _resident_peak_bytes(call: Callable[[], object]) -> int:
    call()
    _give_back_free_memory()
    _CLEAR.write_text("5")
    before = _status_bytes("VmRSS")
    call()
    return max(0, _status_bytes("VmHWM") - before)


def limit(most: int) -> None:
    """Let this process use at most so many bytes of data; 0 is no limit.

    Linux counts private writable memory against RLIMIT_DATA (getrlimit(2), since 4.7), so what is
    reserved and never touched, of which TensorFlow has plenty, is counted as well.
    """
    if not most:
        return
    with contextlib.suppress(ImportError):
        import resource  # noqa: PLC0415 - there is none on Windows

        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        soft = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _give_back_free_memory() -> None:
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _status_bytes(name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
    if found is None:
        raise LookupError(name)
    return int(found[1]) * 1024
