"""The study of support tries every cell, and the page of what lifts what is as it is printed."""

import random
import re
from itertools import product
from types import SimpleNamespace

import pytest

from studies import support
from tests.support.projects import ROOT, STRATEGIES, WORKLOADS
from timelift.axis_values import Backend, Dtype, Mode, TimeAxis


def printed(workload):
    """The words of a workload's table, by strategy, in the order of the columns."""
    page = (ROOT / "docs" / "support.md").read_text()
    section = page.partition(f"\n## {workload}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([^`]+)` \| (.*) \|$", section, re.MULTILINE)
    return {name: [cell.split()[0] for cell in cells.split(" | ")] for name, cells in rows}


def test_every_pair_is_on_the_page():
    for workload in WORKLOADS:
        table = printed(workload)
        assert sorted(table) == sorted(STRATEGIES), workload
        assert {len(row) for row in table.values()} == {len(support.columns_of(workload))}


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


def test_everything_is_tried_eagerly_and_a_third_of_the_workloads_compiled():
    columns = {workload: ways for _, workload, ways in support.trials(WORKLOADS, [Backend.JAX])}
    compiled = {workload for workload, ways in columns.items() if support.COMPILED in ways}
    assert all(support.EAGER in ways for ways in columns.values())
    assert compiled == support.COMPILED_TOO
    assert 3 * len(compiled) >= len(WORKLOADS)
    tried = support.static_trials(["tokens"], Backend, [Mode.XLA])
    assert tried == [(Backend.TENSORFLOW, "tokens", [(TimeAxis.STATIC, Mode.XLA)])]


def test_each_phase_is_tried_in_each_dtype_but_no_train_step_in_float16(monkeypatch):
    settings = []
    launch = SimpleNamespace(wait_until_ready=lambda: None, close=lambda: None)
    launch.measure = lambda task: settings.append(task.setting) or []
    monkeypatch.setattr(support, "LaunchProcess", lambda *_: launch)
    dtypes = Dtype.MIXED_FLOAT16, Dtype.FLOAT16
    [*support.cells(WORKLOADS["tokens"], STRATEGIES, columns=[support.EAGER], dtypes=dtypes)]
    phases = ("forward", "none"), ("backward", "inputs_and_weights"), ("train", "none")
    tried = [(setting.dtype, (setting.phase, setting.gradients)) for setting in settings]
    assert tried == [*product(dtypes, phases)][:-1]
