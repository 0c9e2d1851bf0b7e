"""How much memory one call needs at its peak, from Linux's own high-water mark."""

import contextlib
import ctypes
import re
from collections.abc import Callable
from pathlib import Path

#: What is printed or raised by who finds no memory, the host's or a device's.
_EXHAUSTED = re.compile(
    r"bad_alloc|[Oo]ut of memory|(Cannot|can't) allocate memory|[Ff]ailed to allocate"
    r"|RESOURCE_EXHAUSTED"
)
#: Exceptions that say so by their kind: numpy's and Python's, PyTorch's and TensorFlow's.
_EXHAUSTED_KINDS = frozenset({"MemoryError", "OutOfMemoryError", "ResourceExhaustedError"})
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def peak_bytes(call: Callable[[], object]) -> int | None:
    """Bytes that `call` adds to the resident set at its peak; None where Linux cannot tell.

    Free memory is handed back first and the mark reset (proc(5): writing 5 to `clear_refs` resets
    VmHWM). Pages that the allocator keeps are not seen again, so this is a lower bound.
    """
    try:
        _give_back_free_memory()
        _CLEAR.write_text("5")
        before = _status_bytes("VmRSS")
        call()
        return max(0, _status_bytes("VmHWM") - before)
    except (OSError, LookupError):
        return None


def ran_out(said: str | Exception) -> bool:
    """Whether an exception, or the last lines that a process printed, tell of no memory left."""
    kinds = {kind.__name__ for kind in type(said).__mro__}
    return bool(kinds & _EXHAUSTED_KINDS or _EXHAUSTED.search(str(said)))


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
