"""The page of what lifts what: a sample of its cells is tried again, and must come out the same."""

import random
import re
from pathlib import Path

import pytest

from studies import support
from timelift.case import Backend
from timelift.measure import catalogue

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "support.md"
STRATEGIES = catalogue.strategies(ROOT / "strategies")
WORKLOADS = catalogue.workloads(ROOT / "workloads")


def printed(workload):
    """The words of a workload's table, by strategy, in the order of the columns."""
    section = PAGE.read_text().partition(f"\n## {workload}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([^`]+)` \| (.*) \|$", section, re.MULTILINE)
    return {name: [cell.split()[0] for cell in cells.split(" | ")] for name, cells in rows}


def test_every_pair_is_on_the_page():
    """Every strategy on every workload, with each time axis in each mode."""
    for workload in WORKLOADS:
        table = printed(workload)
        assert sorted(table) == sorted(STRATEGIES), workload
        assert {len(row) for row in table.values()} == {len(support.COLUMNS[Backend.TENSORFLOW])}


@pytest.mark.parametrize("workload", ["sensor", "windows"])
def test_a_sample_of_cells_comes_out_as_printed(workload):
    """Three strategies, drawn by the workload's name, in all six columns."""
    names = random.Random(workload).sample(sorted(STRATEGIES), 3)
    chosen = {name: STRATEGIES[name] for name in names}
    found = {name: [] for name in names}
    for cell in support.cells(WORKLOADS[workload], chosen):
        found[cell.strategy].append(cell.word)
    table = printed(workload)
    assert found == {name: table[name] for name in names}
