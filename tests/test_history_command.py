"""`python report.py history`: what it says, what it writes, and what it returns to a build."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

import report
from tests import histories, journals
from timelift.analyse.changes.history import HistoryOptions, read
from timelift.case import Case
from timelift.present import history_report

SIX = journals.grid(histories.STRATEGIES, seq_lens=(16,), phases=("forward",))


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of results of a project of this test alone."""
    monkeypatch.setattr(report, "ROOT", tmp_path)
    (tmp_path / "results").mkdir()
    return tmp_path / "results"


def _nights(results: Path, count: int = 16, slower: Any = histories.nothing, **how: Any) -> None:
    histories.nights(results, count, slower, **({"cases": SIX} | how))


def _slow(results: Path, **how: Any) -> None:
    """From the ninth night on the loop is 10 % slower, with a new Keras."""

    def described(night: int) -> dict[str, Any]:
        return histories.machine(keras="3.15" if night >= 8 else "3.14")

    _nights(results, 16, histories.step("loop_slice", 8), described=described, **how)


MOVED = f"moved together between {histories.day(7)} and {histories.day(8)}, not the code: 100 %"
ZERO: dict[str, tuple[int, Any, str]] = {
    "quiet": (16, histories.nothing, "nothing is slower than it was by 3 % or more; 5 same"),
    "a slow-down that was mended": (
        24,
        lambda case, night: 0.1 * (case.strategy == "loop_slice" and 8 <= night < 16),
        "earlier changes",
    ),
    "a machine that moved": (16, lambda _, night: 0.26 * (night >= 8), MOVED),
}


@pytest.mark.parametrize("happened", ZERO)
def test_a_history_without_a_slow_down_that_is_still_there_is_zero(
    results: Path, capsys: pytest.CaptureFixture[str], happened: str
) -> None:
    count, slower, text = ZERO[happened]
    _nights(results, count, slower)
    assert report.main(["history"]) == 0
    assert text in capsys.readouterr().out


def test_a_slow_down_that_is_still_there_is_two_and_named(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _slow(results)
    assert report.main(["history"]) == 2
    said = capsys.readouterr().out
    between = f"{histories.commit(7)}..{histories.commit(8)}"
    row = next(line for line in said.splitlines() if line.startswith("tokens-T16"))
    assert row.split()[:2] == ["tokens-T16-B8-forward-graph-loop_slice", "slower"]
    assert histories.day(8) in row
    assert between in row
    assert 8 < float(row.split()[2]) < 12
    assert "keras 3.14 → 3.15" in said


def test_a_shift_of_the_machine_has_no_interval_in_the_csv(results: Path) -> None:
    for apart, sign in ((False, 1), (True, -1)):
        folder = results / str(apart)

        def slower(case: Case, night: int, sign: int = sign) -> float:
            return 0.26 * (night >= 8) * (sign if case.strategy in histories.STRATEGIES[:2] else 1)

        history = read(histories.nights(folder, 16, slower, cases=SIX[:4]), HistoryOptions())
        rows = list(csv.DictReader(history_report.csv_changes(history).splitlines()))
        (shift,) = [row for row in rows if not row["case"]]
        assert (shift["low"], shift["high"]) == ("", "")
        assert (shift["ratio"] == "") == apart


def test_a_change_is_accepted_by_forgetting_what_was_before(results: Path) -> None:
    _slow(results)
    assert report.main(["history", "--since", histories.day(8)]) == 0


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (["--workloads", "tokens"], 5),
        (["--workloads", "tokens,frames"], 10),
        (["--case", "frames-T16-B8-forward-graph-native"], 1),
        (["--case", "frames-T16-B8-forward-graph"], 5),
    ],
)
def test_part_of_a_history_can_be_asked_for(results: Path, words: list[str], count: int) -> None:
    cases = journals.grid(histories.STRATEGIES, ("tokens", "frames"), (16,), phases=("forward",))
    _nights(results, 6, cases=cases)
    output = results.parent / "out"
    assert report.main(["history", *words, "--output", str(output)]) == 0
    with (output / "history.csv").open() as file:
        assert len(list(csv.DictReader(file))) == count


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--machine", "nowhere"], "expected a machine that has runs, received 'nowhere'"),
        (["--workloads", "tokens,tokns"], "expected a workload of this history, received 'tokns'"),
        (["--case", "x"], "expected a case of this history, received 'x'"),
        (["--since", "soon"], "--since: expected a date, received 'soon'"),
        (["--since", "0001-01-01T00:00:00+14:00"], "--since: expected a date"),
        (["--since", "2030-01-01"], "expected a run since 2030-01-01, found none"),
    ],
)
def test_a_mistake_is_one_sentence_and_one(
    results: Path, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    _nights(results, 4)
    assert report.main(["history", *words]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert sentence in said.err
    assert said.err.count("\n") == 1
    assert not (results / "report").exists()


def test_an_empty_folder_is_a_sentence(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report.main(["history"]) == 1
    assert "measure one with: timelift bench" in capsys.readouterr().err
    assert list(results.iterdir()) == []


def test_one_run_is_a_history_that_says_what_it_lacks(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _nights(results, 1)
    assert report.main(["history"]) == 0
    assert "too few runs: a change needs 3 runs before it and 3 after" in capsys.readouterr().out
    assert (results / "report" / "history.png").exists()


def test_damaged_files_among_good_ones_are_named(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _slow(results)
    (results / "example" / "torn.jsonl").write_bytes(b'{"kind": "run", "sch')
    assert report.main(["history"]) == 2
    assert "warning: left out example/torn.jsonl" in capsys.readouterr().out


def test_hostile_names_are_shown_as_text(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["=cmd()", "a\x1b[31mb", "<b>|x|</b>", "_$\\frac", "native"]
    cases = journals.grid(names, ["../../evil"], (16,), phases=("forward",))
    commit = {"id": "\x1b[2Jabc", "dirty": True}
    hostile = [histories.machine(), histories.machine(keras="\x1b[31m|<b>")]
    histories.nights(
        results,
        14,
        histories.step("=cmd()", 7),
        cases=cases,
        described=lambda night: hostile[night >= 7],
    )
    histories.run(results / "example" / "014.jsonl", 14, [], commit=commit, machine=hostile[1])
    assert report.main(["history"]) == 2
    folder = results / "report"
    assert "\x1b" not in capsys.readouterr().out
    assert "\x1b" not in (folder / "history.md").read_text()
    assert "<b>" not in (folder / "history.md").read_text()
    with (folder / "history.csv").open() as file:
        assert not [row for row in csv.DictReader(file) if row["strategy"].startswith("=")]
    assert {one.name for one in results.parent.iterdir()} == {"results"}


def _with_nodes(path: Path, nodes: int) -> None:
    """Let `loop_slice` have so many graph nodes in a journal."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        if line.get("case", {}).get("strategy") == "loop_slice":
            line["facts"] = {"graph_nodes": nodes}
    path.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines))


def test_an_exact_fact_that_changed_is_told_with_its_runs_and_fails_nothing(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _nights(results, 6)
    paths = sorted((results / "example").glob("*.jsonl"))
    for night, path in enumerate(paths):
        _with_nodes(path, 44 if night < 4 else 1044)
    assert report.main(["history"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    place = f"from {histories.day(4)} on, between {histories.commit(3)} and {histories.commit(4)}"
    assert f"loop_slice: graph nodes 44 → 1,044 {place}" in said
    for path in paths:
        _with_nodes(path, 44)
    assert report.main(["history"]) == 0
    assert "graph nodes" not in capsys.readouterr().out
