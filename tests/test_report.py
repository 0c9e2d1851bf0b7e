"""`timelift report`: what is printed and written of a run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import report
from tests.support import journals
from tests.support.endings import told
from tests.support.pages import found
from tests.support.projects import ROOT, write
from timelift import cli
from timelift.axis_values import Mode, Status
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
