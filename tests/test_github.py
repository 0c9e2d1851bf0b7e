"""The summary of a GitHub Actions step: appended, short enough, and text whatever the names are."""

import pytest

import report
from tests import journals
from tests.projects import SMALL, bench, project
from timelift import ended
from timelift.errors import UserError
from timelift.present import github

CASES = journals.grid(("native", "loop_slice"), seq_lens=(8, 64), phases=("forward",))


@pytest.fixture
def run(tmp_path):
    """A small run in a folder of results."""
    folder = tmp_path / "results" / "machine"
    folder.mkdir(parents=True)
    return journals.synthetic(folder / "run.jsonl", CASES)


def test_the_answer_and_short_tables_are_appended(run, tmp_path):
    """What was in the file stays before them."""
    path = tmp_path / "summary.md"
    path.write_text("# before\n")
    said = ended.append_summary(["fastest: native"], run, environment={github.VARIABLE: str(path)})
    text = path.read_text()
    assert said == "the answer is in the summary of this GitHub Actions step"
    assert text.startswith("# before\n## timelift\n\n- fastest: native\n\n**trust:** not known")
    assert "### tokens-T8-B8-forward-graph\n\n| strategy | time (ms) | ratio |" in text
    assert "graph nodes" not in text


def test_the_file_need_not_exist(run, tmp_path):
    """It is made."""
    path = tmp_path / "summary.md"
    ended.append_summary([], run, environment={github.VARIABLE: str(path)})
    assert path.exists()


@pytest.mark.parametrize("environment", [{}, {github.VARIABLE: ""}])
def test_an_unset_variable_is_a_sentence(run, environment):
    """What was expected, and where to use it."""
    with pytest.raises(UserError, match=r"expected GITHUB_STEP_SUMMARY to name a file.* there"):
        ended.append_summary([], run, environment=environment)


def test_a_file_that_cannot_be_written_is_a_sentence(run, tmp_path):
    """Here a folder."""
    with pytest.raises(UserError, match="leave out --github-summary"):
        ended.append_summary([], run, environment={github.VARIABLE: str(tmp_path)})


def test_a_long_summary_is_cut_at_a_line_with_a_sentence(run, tmp_path):
    """What other tools wrote in the same step counts."""
    path = tmp_path / "summary.md"
    path.write_text("x" * 1000 + "\n")
    answers = [f"answer {number} µ" * 20 for number in range(10_000)]
    ended.append_summary(answers, run, environment={github.VARIABLE: str(path)})
    text = path.read_bytes().decode()
    assert github.LIMIT - 500 < len(text.encode()) <= github.LIMIT
    assert text.endswith("GitHub shows no more than 1 MiB; the report has the rest.\n")
    *_, last, _, _ = text.splitlines()
    assert last.startswith("- answer ")
    assert last.endswith("µ")


@pytest.mark.parametrize("room", [10, 0, -5, 100])
def test_where_there_is_no_room_nothing_is_written(room):
    """A full file stays as it is; with little room there is the sentence."""
    assert len(github.shortened("line\n" * 100, room)) <= max(0, room)


def test_names_are_text_in_the_summary(tmp_path):
    """No markup, table cells, or HTML of theirs."""
    names = ("<img src=x>", "a|b\n## c", "![](http://x)")
    cases = journals.grid(names, workloads=["[w](x)"], seq_lens=(8,), phases=("forward",))
    run = journals.synthetic(tmp_path / "run.jsonl", cases)
    text = ended.summary(["`x` <b>"], run, tmp_path)
    assert "<img" not in text
    assert "<b>" not in text
    assert "\n## c" not in text
    assert "a\\|b" in text
    assert "\\!\\[\\](http://x)" in text


def test_a_run_of_twins_has_answers_and_no_tables(tmp_path):
    """Its rivals are the two sides of each other."""
    folder = tmp_path / "results" / "machine" / "against"
    folder.mkdir(parents=True)
    run = journals.synthetic(folder / "run.jsonl", CASES)
    text = ended.summary(["1 slower"], run, ended.results_folder_of(run))
    assert "- 1 slower" in text
    assert "###" not in text
    assert ended.results_folder_of(run) == tmp_path / "results"


def test_the_report_writes_it_too(run, tmp_path, monkeypatch, capsys):
    """With the lines that end a run."""
    path = tmp_path / "summary.md"
    words = [str(run), "--output", str(tmp_path / "report"), "--github-summary"]
    monkeypatch.delenv(github.VARIABLE, raising=False)
    assert report.main(words) == 1
    assert "found it unset" in capsys.readouterr().err
    monkeypatch.setenv(github.VARIABLE, str(path))
    assert report.main(words) == 0
    assert "- tokens-T8-B8-forward-graph: fastest: native" in path.read_text()


def test_a_bench_run_writes_it(tmp_path, monkeypatch):
    """And without the variable it says why not, without failing the run."""
    folder = project(tmp_path, strategies=("native",))
    path = tmp_path / "summary.md"
    words = ["bench/test_forward.py", *SMALL, "--launches", "1", "--github-summary"]
    monkeypatch.setenv(github.VARIABLE, str(path))
    assert bench(folder, *words).returncode == 0
    assert path.read_text().startswith("## timelift\n")
    monkeypatch.delenv(github.VARIABLE)
    done = bench(folder, *words)
    assert done.returncode == 0
    assert "timelift: expected GITHUB_STEP_SUMMARY to name a file" in done.stdout
