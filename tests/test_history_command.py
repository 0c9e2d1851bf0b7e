"""`python report.py history`: what it says, what it writes, and what it returns to a build."""

import csv

import pytest

import report
from tests import histories, journals
from timelift.history.history_report import csv_changes
from timelift.history.many_runs import read_history

SIX = journals.grid(histories.STRATEGIES, seq_lens=(16,), phases=("forward",))


@pytest.fixture
def results(tmp_path, monkeypatch):
    """The folder of results of a project of this test alone."""
    monkeypatch.setattr(report, "ROOT", tmp_path)
    (tmp_path / "results").mkdir()
    return tmp_path / "results"


def _nights(results, count=16, slower=histories.nothing, **how):
    histories.nights(results, count, slower, **({"cases": SIX} | how))


MOVED = f"moved together between {histories.day(7)} and {histories.day(8)}, not the code: 100 %"
ZERO = {
    "quiet": (16, histories.nothing, "nothing is slower than it was by 3 % or more; 5 same"),
    "a slow-down that was mended": (
        24,
        lambda case, night: 0.1 * (case.strategy == "loop_slice" and 8 <= night < 16),
        "earlier changes",
    ),
    "a machine that moved": (16, lambda _, night: 0.26 * (night >= 8), MOVED),
}


@pytest.mark.parametrize("happened", ZERO)
def test_a_history_without_a_slow_down_that_is_still_there_is_zero(results, capsys, happened):
    count, slower, text = ZERO[happened]
    _nights(results, count, slower)
    assert report.main(["history"]) == 0
    assert text in capsys.readouterr().out


def test_a_shift_of_the_machine_has_no_interval_in_the_csv(results):
    for apart, sign in ((False, 1), (True, -1)):
        folder = results / str(apart)

        def slower(case, night, sign=sign):
            return 0.26 * (night >= 8) * (sign if case.strategy in histories.STRATEGIES[:2] else 1)

        history = read_history(histories.nights(folder, 16, slower, cases=SIX[:4]))
        rows = list(csv.DictReader(csv_changes(history).splitlines()))
        (shift,) = [row for row in rows if not row["case"]]
        assert (shift["low"], shift["high"]) == ("", "")
        assert (shift["ratio"] == "") == apart


def test_a_change_is_accepted_by_forgetting_what_was_before(results):
    _nights(results, 16, histories.step("loop_slice", 8))
    assert report.main(["history"]) == 2
    assert report.main(["history", "--since", histories.day(8)]) == 0


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (["--workloads", "tokens"], 5),
        (["--workloads", "tokens, frames"], 10),
        (["--case", "frames-T16-B8-forward-graph-native"], 1),
        (["--case", "frames-T16-B8-forward-graph"], 5),
    ],
)
def test_part_of_a_history_can_be_asked_for(results, words, count):
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
def test_a_mistake_is_one_sentence_and_one(results, capsys, words, sentence):
    _nights(results, 4)
    assert report.main(["history", *words]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert sentence in said.err
    assert said.err.count("\n") == 1
    assert not (results / "report").exists()


def test_an_empty_folder_is_a_sentence(results, capsys):
    assert report.main(["history"]) == 1
    assert "measure one with: timelift bench" in capsys.readouterr().err
    assert list(results.iterdir()) == []


def test_one_run_is_a_history_that_says_what_it_lacks(results, capsys):
    _nights(results, 1)
    assert report.main(["history"]) == 0
    assert "too few runs: a change needs 3 runs before it and 3 after" in capsys.readouterr().out
    assert (results / "report" / "history.png").exists()


def test_an_exact_fact_that_changed_is_told_with_its_runs_and_fails_nothing(results, capsys):
    case = journals.case("loop_slice")
    for night, nodes in enumerate([44, 44, 44, 1044]):
        lines = [journals.line(case, launch, facts={"graph_nodes": nodes}) for launch in (1, 2)]
        histories.run(results / "example" / f"{night}.jsonl", night, lines)
    assert report.main(["history"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    place = f"from {histories.day(3)} on, between {histories.commit(2)} and {histories.commit(3)}"
    assert f"loop_slice: graph nodes 44 → 1,044 {place}" in said
