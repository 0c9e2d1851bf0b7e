"""The page of what lifts what: a sample of its cells is tried again, and must come out the same."""

import random
import re

import pytest

from studies import support
from tests.projects import ROOT, STRATEGIES, WORKLOADS
from timelift.case import Backend

PAGE = ROOT / "docs" / "support.md"


def printed(workload):
    """The words of a workload's table, by strategy, in the order of the columns."""
    section = PAGE.read_text().partition(f"\n## {workload}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([^`]+)` \| (.*) \|$", section, re.MULTILINE)
    return {name: [cell.split()[0] for cell in cells.split(" | ")] for name, cells in rows}


def test_every_pair_is_on_the_page():
    for workload in WORKLOADS:
        table = printed(workload)
        assert sorted(table) == sorted(STRATEGIES), workload
        assert {len(row) for row in table.values()} == {len(support.COLUMNS[Backend.TENSORFLOW])}


@pytest.mark.study
@pytest.mark.parametrize("workload", ["sensor", "windows"])
def test_a_sample_of_cells_comes_out_as_printed(workload):
    names = random.Random(workload).sample(sorted(STRATEGIES), 3)
    chosen = {name: STRATEGIES[name] for name in names}
    tried = {name: [] for name in names}
    for cell in support.cells(WORKLOADS[workload], chosen):
        tried[cell.strategy].append(cell.word)
    table = printed(workload)
    assert tried == {name: table[name] for name in names}


def test_everything_is_tried_eagerly_and_one_workload_compiled():
    tried = support.trials(["sensor", "frames"], [Backend.JAX])
    columns = {workload: list(columns) for _, workload, columns in tried}
    assert columns == {"sensor": [support.EAGER, support.COMPILED], "frames": [support.EAGER]}
