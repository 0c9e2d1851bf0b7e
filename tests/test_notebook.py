"""What a program gets of a run: `timelift.load` and `timelift.read_run`."""

import doctest
import re

import numpy as np
import pandas as pd
import pytest

import timelift
from tests.support import journals
from tests.support.projects import ROOT
from timelift.analyse import results
from timelift.errors import UserError

PAGE = ROOT / "docs" / "library.md"


LEVELS = ("measurement", "launch", "round")


@pytest.fixture
def here(tmp_path, monkeypatch):
    cases = journals.grid(
        ("native", "loop_slice"), seq_lens=(1, 4, 16, 64), batches=(1,), phases=("forward",)
    )
    journals.synthetic(tmp_path / "results" / "machine" / "run.jsonl", cases, noise=0.001)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("here")
def test_the_examples_of_the_docs_run():
    parser = doctest.DocTestParser()
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    blocks = "\n".join(re.findall(r"```pycon\n(.*?)```", PAGE.read_text(), re.DOTALL))
    test = parser.get_doctest(blocks, {}, "library.md", str(PAGE), 0)
    assert len(test.examples) == 5
    said = []
    runner.run(test, out=said.append)
    assert runner.failures == 0, "".join(said)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("level", LEVELS)
def test_every_column_is_documented(level):
    table = timelift.load("latest", level)
    page = PAGE.read_text()
    assert [name for name in table.columns if f"`{name}`" not in page] == []
    assert table.attrs["units"]["seconds_per_call"] == "seconds"
    assert table.attrs["machine"] == "example-cpu-2cores-8gib"


@pytest.mark.usefixtures("here")
def test_the_level_decides_what_a_row_is():
    run = timelift.read_run()
    counts = {level: len(timelift.load(run, level)) for level in LEVELS}
    assert counts == {"measurement": 8 + 2, "launch": 8 * 3, "round": 8 * 3 * 8}
    table = timelift.load(run)
    lost = table[table.status != "measured"]
    assert sorted(lost.reason) == ["no gradient of this inner layer", "signal 11"]
    assert lost.seconds_per_call.isna().all()


@pytest.mark.usefixtures("here")
def test_numbers_are_numbers_and_enums_are_text():
    table = timelift.load("latest", "measurement")
    assert table.seq_len.dtype == "int64"
    numbers = table[["ratio", "peak_bytes", "graph_nodes"]]
    assert set(map(str, numbers.dtypes)) == {"float64"}
    assert set(map(type, table.phase)) == {str}
    assert table.groupby("seq_len").ratio.min().tolist() == [1, 1, 1, 1]


@pytest.mark.usefixtures("here")
def test_a_launch_s_seconds_are_the_median_of_its_rounds():
    by_launch = timelift.load(level="launch").set_index(["strategy", "seq_len", "launch"])
    rounds = timelift.load(level="round").groupby(["strategy", "seq_len", "launch"])
    medians = np.exp(rounds.seconds_per_call.agg(lambda seconds: np.log(seconds).median()))
    seconds = by_launch.seconds_per_call.sort_index()
    assert seconds.tolist() == pytest.approx(medians.sort_index().tolist(), rel=1e-12)


def test_a_table_is_that_of_the_report_s_csv(here, run_command):
    table = timelift.load("latest")
    run = here / "results" / "machine" / "run.jsonl"
    run_command(0, run, "--output", here / "out")
    read = pd.read_csv(here / "out" / "measurements.csv")
    assert read.seconds_per_call.dropna().tolist() == table.seconds_per_call.dropna().tolist()


def test_a_run_may_be_anywhere(here):
    path = here / "results" / "machine" / "run.jsonl"
    for named in (path, str(path), here / "results", "abcdef1", results.load(path)):
        assert len(timelift.load(named)) == 10
    assert len(timelift.load("latest", results_folder=here / "results" / "machine")) == 10


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda: timelift.load("typo"), "expected a run, a path, a folder or a commit"),
        (lambda: timelift.load(level="launhc"), "unknown level 'launhc'; nearest: launch"),
        (lambda: timelift.load(results_folder="nowhere"), "measure one with: timelift bench"),
    ],
)
def test_a_mistake_is_one_sentence(ask, sentence):
    with pytest.raises(UserError, match=re.escape(sentence)):
        ask()


def test_a_run_without_results_has_a_table(tmp_path):
    lost = journals.ended(journals.case(), "crashed", "signal 11")
    path = journals.write(tmp_path / "run.jsonl", journals.header(), lost)
    assert timelift.load(path).status.tolist() == ["crashed"]
    assert timelift.load(path, "launch").empty
    assert timelift.load(path, "round").empty


def test_every_public_name_of_the_package_exists():
    names = re.findall(r"`timelift\.(\w+)", timelift.__doc__)
    assert {*names, *timelift.__all__} == {"__version__", "advise", "load", "read_run"}
    assert {"load", "read_run"} <= set(dir(timelift))
    for name in dir(timelift):
        assert hasattr(timelift, name)
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        _ = timelift.lod
