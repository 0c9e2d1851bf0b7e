"""What TensorFlow's own pool hands out on a CPU, counted from its allocation events.

With oneDNN, which is how TensorFlow comes for x86, blocks of 256 KiB and more are taken from a pool
(BFC) that gives nothing back to the system, so the resident set of a process does not show them.
The pool reports each allocation and release to TensorFlow's profiler, with the bytes asked for.
Source: tensorflow/core/common_runtime/mkl_cpu_allocator.h and bfc_allocator.cc (AddTraceMe).
"""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf

_TAKEN, _GIVEN_BACK = "MemoryAllocation", "MemoryDeallocation"


def peak_bytes(call: Callable[[], object]) -> int:
    """Return the bytes of the pool that `call` holds at most at once; 0 where there is no pool."""
    if not _has_pool():
        return 0
    held, live, peak = 0, dict[int, int](), 0
    for event, place, asked in _events(call):
        if event == _TAKEN:
            live[place], held = asked, held + asked
        else:
            held -= live.pop(place, 0)
        peak = max(peak, held)
    return peak


def _has_pool() -> bool:
    """True if the CPU's allocator is the pool: no other one counts (`get_memory_info` raises)."""
    try:
        tf.config.experimental.get_memory_info("CPU:0")
    except ValueError:
        return False
    return True


def _events(call: Callable[[], object]) -> Iterator[tuple[str, int, int]]:
    """Yield (event, address, bytes asked for) of each block while `call` runs, in order of time."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2  # noqa: PLC0415 - no public module

    options = tf.profiler.experimental.ProfilerOptions(
        host_tracer_level=2, python_tracer_level=0, device_tracer_level=0
    )
    with tempfile.TemporaryDirectory(prefix="timelift-") as folder:
        tf.profiler.experimental.start(folder, options)
        try:
            call()
        finally:
            tf.profiler.experimental.stop()
        for path in Path(folder).rglob("*.xplane.pb"):
            space = xplane_pb2.XSpace()
            space.ParseFromString(path.read_bytes())
            found = [event for plane in space.planes for event in _of_plane(plane)]
            for _, name, place, asked in sorted(found):
                yield name, place, asked


def _of_plane(plane: Any) -> Iterator[tuple[int, str, int, int]]:
    """Yield (picoseconds, event, address, bytes) of a plane of the profile."""
    stats = {number: one.name for number, one in plane.stat_metadata.items()}
    for line in plane.lines:
        for event in line.events:
            name = plane.event_metadata[event.metadata_id].name
            if name in {_TAKEN, _GIVEN_BACK}:
                told = {stats[one.metadata_id]: one.int64_value for one in event.stats}
                when = line.timestamp_ns * 1000 + event.offset_ps
                yield when, name, told["addr"], told["requested_bytes"]
