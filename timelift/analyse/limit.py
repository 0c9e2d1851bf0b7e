"""How close to the limit: the share of its time that a call would need at the machine's best.

The facts `flops` and `least_bytes` of a case, and `attainable_flops_per_second` and
`attainable_bytes_per_second` of its device, give the roofline (Williams, Waterman and Patterson
2009, Communications of the ACM 52(4), 65-76). Nothing is said where one of them is not known.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from timelift.analyse.runs.measurement import Measurement, fact
from timelift.case import Dtype, Lengths

#: Less than this stays in a cache, whose speed the copy does not tell.
_CACHED_BYTES = 1 << 26


class Device(NamedTuple):
    """What shares a limit."""

    device: str
    threads: int
    backend: str


class Attainable(NamedTuple):
    """What a device does in a second at best."""

    flops: float
    bytes_moved: float


Limits = Mapping[Device, Attainable]


def attainable(measurements: Iterable[Measurement]) -> Limits:
    """Find what each device attained at best while a run went on."""
    found: dict[Device, Attainable] = {}
    for one in measurements:
        for launch in one.launches:
            flops = launch.facts.number("attainable_flops_per_second") or 0.0
            moved = launch.facts.number("attainable_bytes_per_second") or 0.0
            before = found.get(_device(one), Attainable(0.0, 0.0))
            found[_device(one)] = Attainable(
                max(before.flops, flops), max(before.bytes_moved, moved)
            )
    return {device: best for device, best in found.items() if best.flops > 0}


def share(measurement: Measurement, seconds_per_call: float, limits: Limits) -> float | None:
    """Give the least seconds that a call needs on its device, as a share of what it takes.

    None where that is not known, and for padded sequences, of which not all steps are work.
    """
    setting, flops = measurement.case.setting, fact(measurement, "flops")
    best = limits.get(_device(measurement))
    exact = setting.dtype is Dtype.FLOAT32 and setting.lengths is Lengths.FULL
    if not flops or best is None or not exact or not seconds_per_call > 0:
        return None
    moved = fact(measurement, "least_bytes") or 0.0
    by_memory = moved / best.bytes_moved if best.bytes_moved and moved > _CACHED_BYTES else 0.0
    return max(flops / best.flops, by_memory) / seconds_per_call


def _device(measurement: Measurement) -> Device:
    setting = measurement.case.setting
    return Device(setting.device, setting.threads, setting.backend)
