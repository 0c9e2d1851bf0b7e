"""Which tests `make test` runs side by side, in two processes.

A file's tests stay in one process, where they share one run or one import, unless they name a group
of their own. The slow files begin first, so that no process waits for the other at the end.
"""

import os
from pathlib import Path

import pytest

#: The slowest first.
SLOW_FIRST = (
    "test_law",
    "test_survival",
    "test_refusals_torch",
    "test_bench",
    "test_against",
    "test_bisect",
    "test_engine_torch",
    "test_studies",
)

# Or a run that a test starts would take itself for one of the processes, 80 columns wide.
XDIST = [name for name in os.environ if name.startswith("PYTEST_XDIST_")]
for name in (*XDIST, "COLUMNS") if XDIST else ():
    os.environ.pop(name, None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the items, stably, and group those of a file."""

    def place(item: pytest.Item) -> int:
        name = Path(item.path).stem
        return SLOW_FIRST.index(name) if name in SLOW_FIRST else len(SLOW_FIRST)

    items.sort(key=place)
    for item in items:
        if not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
