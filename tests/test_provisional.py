"""A run that is not over: one line above its answer says so, and a field of every JSON.

The same run with its closing mark is the one that must not be marked.
"""

import csv
import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console

from tests import journals
from tests.pages import without_scripts
from timelift import cli
from timelift.analyse import selftest
from timelift.analyse.findings import find_out
from timelift.analyse.runs import results
from timelift.present import case_table, ended, figures, terminal
from timelift.present.page import render
from timelift.present.report import in_markdown, report
from timelift.present.summary import summary
from timelift.present.tables import csv_of_values

CASES = journals.grid()
WHOLE = [journals.header(cases=len(CASES)), *journals.campaign(CASES), journals.END]
INTERRUPTED = journals.END | {"exit": "interrupted"}
CUT_SHORT = journals.END | {"exit": "cut short"}
#: A run against another side, with a slow-down, as it is in the golden files.
AGAINST = Path(__file__).parent / "golden" / "results" / "golden" / "against" / "main.jsonl"
#: What no finished run says.
MARK = "provisional"


@pytest.mark.parametrize(
    ("lines", "is_provisional"),
    [
        (WHOLE, False),
        ([*WHOLE[:-1], CUT_SHORT], False),
        ([*WHOLE[:-1], INTERRUPTED], True),
        ([*WHOLE[:-1], journals.END | {"exit": "a word of another program"}], True),
        (WHOLE[:-1], True),
        (WHOLE[: 1 + len(CASES)], True),
        (WHOLE[: 2 + len(CASES)], True),
        ([*WHOLE[:9], journals.END, *WHOLE[9:-1]], True),
        ([*WHOLE[:9], CUT_SHORT, *WHOLE[9:-1]], True),
        ([*WHOLE[:9], INTERRUPTED, *WHOLE[9:]], False),
        (WHOLE[:1], True),
    ],
)
def test_a_run_is_provisional_until_its_last_line_closes_it(tmp_path, lines, is_provisional):
    run = results.load(journals.write(tmp_path / "run.jsonl", *lines))
    assert run.is_provisional is is_provisional


def test_a_run_whose_closing_mark_is_torn_is_provisional(tmp_path):
    path = journals.write(tmp_path / "run.jsonl", *WHOLE)
    assert not results.load(path).is_provisional
    path.write_text(path.read_text()[:-5])
    assert results.load(path).is_provisional


# Every surface -----------------------------------------------------------------------------------


def _summary(found):
    return terminal.summary_text(summary(found, None), 80, colour=False)


def _tables(found):
    console = Console(file=io.StringIO(), width=160)
    terminal.show_report(report(found), console)
    return console.file.getvalue()


def _markdown(found):
    return in_markdown(report(found))


def _page(found):
    html = without_scripts(render.html(found, report(found), render.tables(found)))
    return re.sub("<(style|script)[^>]*>.*?</\\1>", "", html, flags=re.DOTALL)


def _figures(found):
    drawn = figures.of_run(found).values()
    return "\n".join(text.get_text() for one in drawn for text in one.findobj(_is_text))


def _is_text(one):
    return hasattr(one, "get_text") and hasattr(one, "get_fontsize")


#: How each surface shows a run.
SURFACES = {
    "the end of a run": _summary,
    "the tables": _tables,
    "report.md": _markdown,
    "the page": _page,
    "the figures": _figures,
}


def _found(folder, *lines):
    return find_out(results.load(journals.write(folder / "run.jsonl", *lines)))


@pytest.mark.parametrize("surface", SURFACES)
def test_a_surface_marks_a_run_that_is_not_over_and_no_other(tmp_path, surface):
    show = SURFACES[surface]
    for lines in (WHOLE, [*WHOLE[:-1], CUT_SHORT]):
        assert MARK not in show(_found(tmp_path, *lines))
    for lines in (WHOLE[:-1], [*WHOLE[:-1], INTERRUPTED]):
        assert MARK in show(_found(tmp_path, *lines))


@pytest.mark.parametrize(("lines", "word"), [(WHOLE, "False"), (WHOLE[:-1], "True")])
def test_programs_have_a_field(tmp_path, lines, word):
    text = csv_of_values(case_table.for_programs(_found(tmp_path, *lines)))
    assert {row["provisional"] for row in csv.DictReader(io.StringIO(text))} == {word}


# Commands ----------------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path):
    """A project whose results are one run, which a test writes."""
    (tmp_path / "results").mkdir()

    def run(lines, *words):
        journals.write(tmp_path / "results" / "run.jsonl", *lines)
        return cli.main([*words], tmp_path)

    return run


def test_a_comparison_marks_the_run_that_is_not_over(tmp_path, project, capsys):
    other = journals.write(tmp_path / "results" / "other.jsonl", *WHOLE)
    project(WHOLE[:-1], "compare", str(other), str(tmp_path / "results" / "run.jsonl"))
    told = capsys.readouterr().out.splitlines()
    assert [line.endswith(", provisional") for line in told[:2]] == [False, True]


QUESTION = ("choose", "--workloads", "tokens", "--batch-sizes", "8", "--seq-lens")


@pytest.mark.parametrize(
    "words", [(*QUESTION, "16"), (*QUESTION, "16", "--code"), (*QUESTION, "9000")]
)
def test_a_command_marks_its_answer(project, capsys, words):
    project(WHOLE, *words)
    assert "provisional" not in capsys.readouterr().out
    project(WHOLE[:-1], *words)
    first, *others = capsys.readouterr().out.splitlines()
    assert first.removeprefix("# ").startswith("provisional: ")
    assert "provisional" not in "".join(others)


@pytest.mark.parametrize("size", ["16", "9000"])
@pytest.mark.parametrize(("lines", "is_provisional"), [(WHOLE, False), (WHOLE[:-1], True)])
def test_an_answer_for_programs_has_a_field(project, capsys, size, lines, is_provisional):
    project(lines, *QUESTION, size, "--json")
    assert json.loads(capsys.readouterr().out)["provisional"] is is_provisional


# Copies ------------------------------------------------------------------------------------------


def _unfinished(folder, path):
    """The journal at `path`, without its closing mark."""
    lines = path.read_text().splitlines(keepends=True)
    copy = folder / "unfinished.jsonl"
    copy.write_text("".join(lines[:-1]))
    return copy


def test_a_gate_that_is_not_over_says_so_above_its_verdicts(tmp_path):
    over, open_still = (
        [*ended.gate_lines(one)] for one in (AGAINST, _unfinished(tmp_path, AGAINST))
    )
    assert not [line for line in over if "provisional" in line]
    assert open_still[0].startswith("provisional: ")
    assert open_still[1:-1] == over[:-1]


def test_a_self_test_that_is_not_over_is_not_kept(tmp_path):
    path = journals.selftest(tmp_path / "run.jsonl", launches=5)
    copy = _unfinished(tmp_path, path)
    lines = list(ended.selftest_lines(copy))
    assert lines[0].startswith("provisional: ")
    assert lines[-1] == "not stored, since the run did not end"
    assert not (tmp_path / selftest.FILE).exists()
    assert not [line for line in ended.selftest_lines(path) if line.startswith(("prov", "not s"))]
    assert (tmp_path / selftest.FILE).exists()
