"""The summary of a GitHub Actions step: appended, short enough, and text whatever the names are."""

import pytest

import report
from tests import journals
from timelift.errors import UserError
from timelift.present import github

CASES = journals.grid(("native", "loop_slice"), seq_lens=(8, 64), phases=("forward",))


@pytest.fixture
def written(tmp_path, monkeypatch):
    """The report of a journal, whose summary follows what was in the file before."""

    def run(cases=CASES, machine="machine", before=""):
        folder = tmp_path / "results" / machine
        folder.mkdir(parents=True, exist_ok=True)
        journal = journals.synthetic(folder / "run.jsonl", cases)
        path = tmp_path / "summary.md"
        if before:
            path.write_text(before)
        monkeypatch.setenv(github.VARIABLE, str(path))
        words = [str(journal), "--output", str(tmp_path / "report"), "--github-summary"]
        assert report.main(words) == 0
        return path.read_text()

    return run


def test_the_answer_and_short_tables_are_appended(written, capsys):
    text = written(before="# before\n")
    assert github.WRITTEN in capsys.readouterr().out
    assert text.startswith("# before\n## timelift\n\n4 cases in 2 settings, 3 launches; ")
    assert "\n\n| workload | write | times as fast as loop\\_slice |" in text.replace(
        "p_s", "p\\_s"
    )
    assert "\n| tokens | native | " in text
    assert "\n- **trust:** this machine is not tested yet" in text
    assert "### tokens-T8-B8-forward-graph\n\n| strategy | time (ms) | ratio |" in text
    assert "graph nodes" not in text


def test_names_are_text_in_the_summary(written):
    names = ("<img src=x>", "a|b\n## c", "![](http://x)")
    text = written(journals.grid(names, workloads=["[w](x)"], seq_lens=(8,), phases=("forward",)))
    assert "<img" not in text
    assert "\n## c" not in text
    assert "a\\|b" in text
    assert "\\!\\[\\](http://x)" in text


@pytest.mark.parametrize("folder", ["against", "selftest"])
def test_a_run_of_twins_has_no_tables_and_no_winner(written, folder):
    assert "###" in written()
    text = written(machine=f"machine/{folder}")
    last = text[text.rindex("## timelift") :]
    assert "###" not in last
    assert "fastest" not in last
    assert "**trust:**" in last


@pytest.mark.parametrize("environment", [{}, {github.VARIABLE: ""}])
def test_an_unset_variable_is_a_sentence(environment):
    with pytest.raises(UserError, match=r"expected GITHUB_STEP_SUMMARY to name a file.* there"):
        github.append("text", environment)


def test_a_file_that_cannot_be_written_is_a_sentence(tmp_path):
    with pytest.raises(UserError, match="leave out --github-summary"):
        github.append("text", {github.VARIABLE: str(tmp_path)})


def test_a_long_summary_is_cut_at_a_line_with_a_sentence(tmp_path):
    path = tmp_path / "summary.md"
    path.write_text("x" * 1000 + "\n")
    lines = (f"answer {number} µ" * 20 for number in range(10_000))
    github.append("\n".join(lines), {github.VARIABLE: str(path)})
    text = path.read_bytes().decode()
    assert github.LIMIT - 500 < len(text.encode()) <= github.LIMIT
    assert text.endswith("GitHub shows no more than 1 MiB; the report has the rest.\n")
    *_, last, _, _ = text.splitlines()
    assert last.startswith("answer ")
    assert last.endswith("µ")


@pytest.mark.parametrize("room", [10, 0, -5, 100])
def test_where_there_is_no_room_nothing_is_written(room):
    assert len(github.shortened("line\n" * 100, room)) <= max(0, room)
