"""What a device does in a second at best: the part that every backend shares."""

import time
from collections.abc import Callable
from typing import Any

#: The side of the square product, and the floats that are copied, by kind of device.
SIZES = {"cpu": (1024, 1 << 24), "gpu": (4096, 1 << 28)}
_TRIES = 3
_FLOAT_BYTES = 4


def fastest(call: Callable[[], Any], wait: Callable[[Any], object]) -> float:
    """Return the seconds of the fastest of some calls, the first, which traces, excluded."""
    seconds = []
    for _ in range(1 + _TRIES):
        started = time.perf_counter()
        wait(call())
        seconds.append(time.perf_counter() - started)
    return min(seconds[1:])


def rates(side: int, many: int, product_seconds: float, copy_seconds: float) -> dict[str, float]:
    """Turn the seconds of a float32 product of squares and of a copy into what a second does."""
    return {
        "attainable_flops_per_second": 2 * side**3 / product_seconds,
        "attainable_bytes_per_second": 2 * _FLOAT_BYTES * many / copy_seconds,
    }
