"""The processors that this process may use, on every system."""

import os


def usable() -> frozenset[int]:
    """Number the processors that this process may use: all where it cannot be held to some."""
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


def can_pin() -> bool:
    """Whether this system holds a process to some processors; macOS does not."""
    return hasattr(os, "sched_setaffinity")
