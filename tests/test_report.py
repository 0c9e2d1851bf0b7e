"""What readers get of a run: at a command line, and in a notebook."""

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import report
import timelift
from tests.support import journals
from tests.support.endings import told
from tests.support.pages import found
from tests.support.projects import ROOT, write
from timelift import cli
from timelift.analyse import results
from timelift.case import Mode, Status
from timelift.errors import UserError
from timelift.present import figures
from timelift.present.full_report import full_report

SMALL = journals.grid(("native", "loop_slice"), seq_lens=(8, 64), phases=("forward",))
PLANTED = {"": (1, 1), "tables": (1, 0), ".report.md.new": (0, 0), "history.svg": (0, 0)}
TEXTS = {"index.html", "report.md", "measurements.csv"}


@pytest.fixture
def journal(tmp_path):
    return journals.synthetic(tmp_path / "run.jsonl", SMALL, launches=2)


def _files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("most_panels", [figures.MOST_PANELS, 1])
def test_a_report_goes_over_an_earlier_one_and_leaves_what_is_a_user_s(
    tmp_path, monkeypatch, run_command, most_panels
):
    out, mine = tmp_path / "out", {"figures/time-mine.svg", "notes.csv"}
    large = journals.grid(("native", "loop_slice"), ("tokens", "frames"), (8, 64))
    small = journals.grid(("native",), ("tokens", "frames"), (8,), phases=("forward",))
    for cases, most in ((large, most_panels), (small, figures.MOST_PANELS)):
        monkeypatch.setattr(figures, "MOST_PANELS", most)
        path = journals.synthetic(tmp_path / f"{len(cases)}.jsonl", cases, launches=2)
        run_command(0, path, "--output", out)
        for name in mine:
            (out / name).write_text("mine")
    run_command(0, path, "--output", tmp_path / "alone")
    assert _files(out) == _files(tmp_path / "alone") | mine


@pytest.mark.parametrize(("planted", "codes"), PLANTED.items())
def test_nothing_is_written_through_a_planted_link(tmp_path, capsys, planted, codes):
    link, outside = tmp_path / "results/report" / planted, tmp_path / "outside"
    journals.synthetic(tmp_path / "results/m/run.jsonl", SMALL, launches=2)
    write(outside, {"gate.csv": "mine"})
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(outside / "gate.csv" if link.suffix else outside)
    assert [cli.main([command], tmp_path) for command in ("report", "history")] == [*codes]
    assert ("a link below" in capsys.readouterr().err) is (1 in codes)
    assert [path.read_text() for path in outside.iterdir()] == ["mine"]
    assert {*tmp_path.rglob(".*")} <= {link}


def test_a_folder_that_the_user_names_may_be_a_link(tmp_path, run_command):
    journals.synthetic(tmp_path / "disk/m/run.jsonl", SMALL, launches=2)
    link = tmp_path / "results"
    link.symlink_to(tmp_path / "disk")
    for command, name in {"report": "index.html", "history": "history.md"}.items():
        run_command(0, command, "--output", link, root=tmp_path)
        assert name in _files(tmp_path / "disk")


@pytest.fixture
def two_workloads(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "ROOT", tmp_path)
    grid = {"workloads": ("tokens", "sensor"), "phases": ("forward",)}
    cases = journals.grid(("native", "loop_slice"), **grid)
    cases += journals.grid(("native", "loop_slice"), **grid, mode=Mode.EAGER)
    journals.synthetic(tmp_path / "results" / "m" / "run.jsonl", cases)


@pytest.mark.usefixtures("two_workloads")
@pytest.mark.parametrize("words", [["sensor"], ["run", "sensor"], ["latest", "sensor"]])
def test_of_workloads_that_are_named_the_tables_are_printed_and_nothing_is_written(
    tmp_path, run_command, words
):
    said = run_command(0, *words).out
    assert "\nsensor-T" in said
    assert "\ntokens-T" not in said
    assert _files(tmp_path) == {"results/m/run.jsonl"}


@pytest.mark.usefixtures("two_workloads")
def test_what_workloads_leave_out_changes_no_figure(run_command):
    whole, part = run_command(0, "tokens", "sensor").out, run_command(0, "sensor").out
    assert part[part.index("\nsensor-T") : part.rindex("\nsensor-T")] in whole


def test_speed_ups_are_told_against_what_is_asked_for(journal, tmp_path, run_command):
    words = [journal, "--output", tmp_path / "out", "--relative-to"]
    said = " ".join(run_command(0, *words, "loop_slice").out.split())
    assert "times as fast as loop_slice" in said
    assert run_command(1, *words, "nativ").err.endswith("received 'nativ'; nearest: native\n")


@pytest.mark.parametrize("is_there", [True, False])
def test_the_page_is_opened_in_a_browser(journal, tmp_path, monkeypatch, run_command, is_there):
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda url: opened.append(url) or is_there)
    printed = run_command(0, journal, "--output", tmp_path / "out", "--open").out
    assert opened == [(tmp_path / "out" / "index.html").as_uri()]
    assert ("no browser was found" in printed) is not is_there


def test_a_reader_that_has_enough_is_no_traceback(journal):
    command = [sys.executable, ROOT / "report.py", journal, "tokens"]
    reader, writer = os.pipe()
    os.close(reader)  # it has enough before a line comes
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert done.stderr == b""
    assert done.returncode == 1


@pytest.mark.parametrize("name", ["index.html", "report.md", "figures/time.svg", None])
def test_a_file_that_cannot_be_written_is_a_sentence(journal, tmp_path, run_command, name):
    if name:
        (tmp_path / "out" / name).mkdir(parents=True)
    output = tmp_path / "out" if name else journal
    why = "name another folder with --output" if name else "expected a folder, received"
    assert why in run_command(1, journal, "--output", output).err


def test_names_inside_a_file_never_become_paths(tmp_path, run_command):
    cases = journals.grid(["../../evil"], ["/etc/passwd"], phases=("forward",), device="../../up")
    cases += journals.grid(["../../evil"], ["/etc/passwd"], phases=("forward",), device="/x")
    journal = journals.synthetic(tmp_path / "run.jsonl", cases, launches=1)
    output = tmp_path / "deep" / "er" / "report"
    assert "../../evil" in run_command(0, journal, "--output", output).out
    assert {name.partition("/")[0] for name in _files(tmp_path)} == {"run.jsonl", "deep"}
    drawn = {name for name in _files(output) if name.startswith("figures/")}
    assert len(drawn) == len({"time", "first_call_and_memory"}) * len({"svg", "png"})
    assert _files(output) - drawn >= TEXTS | {"tables/measurements.csv"}


def test_a_run_whose_cases_all_failed_is_reported(tmp_path, run_command):
    lost = journals.ended(SMALL[0], Status.CRASHED, "signal 11")
    journal = journals.write(tmp_path / "run.jsonl", journals.header(), lost, journals.END)
    whole = run_command(0, journal, "--output", tmp_path / "report").out
    assert "native crashed: signal 11" in whole
    assert "nothing measured" in run_command(0, journal, "tokens").out
    assert _files(tmp_path / "report") == TEXTS | {"tables/not_run.csv"}


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"machine": {}}, "machine"),
        ({"machine": {"identity": {"cpu": {"deep": []}}}}, "machine"),
        ({"commit": {"id": None, "dirty": True}}, "commit"),
        ({"command": []}, "command"),
    ],
)
def test_the_head_leaves_out_what_the_file_does_not_tell(tmp_path, changes, missing):
    whole, poor = (
        found(tmp_path / "run", header, journals.line(journals.case()))
        for header in (journals.header(), journals.header(**changes))
    )
    assert missing in told(full_report(whole))
    assert missing not in told(full_report(poor))


def test_a_report_goes_through_a_pipe_that_knows_ascii_only(journal):
    done = subprocess.run(
        [sys.executable, ROOT / "report.py", journal, "tokens"],
        env={"PATH": "", "HOME": str(Path.home()), "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "95 % interval" in done.stdout
    assert "\x1b" not in done.stdout
    assert done.stdout.isascii()


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
