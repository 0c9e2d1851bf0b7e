"""How much memory one call needs at its peak, from Linux's own high-water mark."""

import ctypes
import re
from collections.abc import Callable
from pathlib import Path

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


def _give_back_free_memory() -> None:
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _status_bytes(name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
    if found is None:
        raise LookupError(name)
    return int(found[1]) * 1024
