"""pytest-benchmark's JSON, this project's and others', becomes a run of one launch."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from tests import journals
from timelift.analyse.runs import results
from timelift.analyse.runs.measurement import Run
from timelift.case import Phase
from timelift.journal import Commit


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of this test alone."""
    return tmp_path / "run.json"


def _load_foreign(path: Path, *benchmarks: Any) -> Run:
    path.write_text(json.dumps(journals.foreign(*benchmarks), indent=4))
    return results.load(path)


def test_this_projects_pytest_benchmark_json_gives_its_cases_and_facts(path: Path) -> None:
    of = journals.case("fold_chunks[k=8]", phase=Phase.BACKWARD)
    extra = {"first_call_seconds": 0.5}
    run = _load_foreign(path, journals.benchmark(params=of.fields(), extra_info=extra))
    (measurement,) = run.measurements
    assert measurement.case == of
    assert measurement.launches[0].facts.first_call_seconds == 0.5
    assert run.header.commit == Commit("abcdef", dirty=True)
    assert run.complete


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("bench/test_ways.py", "test_fold", 1, 1)),
        ({"group": "dense"}, ("dense", "test_fold", 1, 1)),
        (
            {"name": "test_lift[fold-10]", "params": {"way": "fold", "length": 10}},
            ("test_lift", "fold", 10, 1),
        ),
        (
            {"name": "test_fold[10-4]", "params": {"timesteps": 10, "batch_size": 4}},
            ("bench/test_ways.py", "test_fold", 10, 4),
        ),
        (
            {"name": "test_fold[10-relu]", "params": {"n": 10, "activation": "relu"}},
            ("bench/test_ways.py", "test_fold[activation=relu]", 10, 1),
        ),
        (
            {"name": "test_fold[big]", "params": {"size": "big"}},
            ("bench/test_ways.py", "test_fold[size=big]", 1, 1),
        ),
    ],
)
def test_a_benchmark_of_another_project_becomes_a_case(
    path: Path, changes: dict[str, Any], expected: tuple[str, str, int, int]
) -> None:
    (measurement,) = _load_foreign(path, journals.benchmark(**changes)).measurements
    setting = measurement.case.setting
    found = (setting.workload, measurement.case.strategy, setting.seq_len, setting.batch)
    assert found == expected


def test_a_foreign_benchmark_without_samples_is_read_by_its_median(path: Path) -> None:
    run = _load_foreign(path, journals.benchmark(stats={"median": 1.5e-3}))
    assert run.measurements[0].launches[0].seconds_per_call == [1.5e-3]
    assert "median" in run.warnings[0]


#: JSON as Python writes it, which has NaN; after a time neither min nor max finds it.
NOT_A_NUMBER = {"data": [1.0, math.nan, 2.0]}


@pytest.mark.parametrize(
    "stats", [None, {}, {"data": []}, {"data": [0.0]}, NOT_A_NUMBER, {"median": None}]
)
def test_a_foreign_benchmark_without_times_is_named_and_skipped(path: Path, stats: Any) -> None:
    good = journals.benchmark(name="test_good")
    run = _load_foreign(path, journals.benchmark(stats=stats), good)
    assert [one.case.strategy for one in run.measurements] == ["test_good"]
    assert run.warnings[-1].startswith("benchmark 1: ")
