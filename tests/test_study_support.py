"""The page of what lifts what: a sample of its cells is tried again, and must come out the same."""

import random
import re

import pytest

from studies import support
from studies.support import Cell
from tests.projects import ROOT, STRATEGIES, WORKLOADS
from timelift.case import Backend, Mode, TimeAxis

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


def test_words_are_counted_and_reasons_written_once():
    cells = [
        Cell("fold", workload, TimeAxis.STATIC, mode, word, reason, backend)
        for backend, mode, workload, word, reason in (
            (Backend.TENSORFLOW, Mode.EAGER, "sensor", "lifts", ""),
            (Backend.TENSORFLOW, Mode.EAGER, "frames", "refuses", "no Dense"),
            (Backend.TENSORFLOW, Mode.GRAPH, "sensor", "lifts", ""),
            (Backend.JAX, Mode.EAGER, "sensor", "refuses", "it assigns"),
            (Backend.JAX, Mode.EAGER, "frames", "refuses", "no Dense"),
            (Backend.JAX, Mode.GRAPH, "sensor", "refuses", "it assigns"),
        )
    ]
    head, _, row, _, *notes = support.by_backend(cells)
    assert (
        head == "| strategy | tensorflow eager | tensorflow compiled | jax eager | jax compiled |"
    )
    assert row == "| `fold` | lifts 1, refuses 1 | lifts | refuses 2 (1) | refuses (1) |"
    assert notes == ["1. it assigns"]


def test_everything_is_tried_eagerly_and_one_workload_compiled():
    tried = support.trials(["sensor", "frames"], [Backend.JAX])
    columns = {workload: list(columns) for _, workload, columns in tried}
    assert columns == {"sensor": [support.EAGER, support.COMPILED], "frames": [support.EAGER]}
