"""A run that is not over: one line above its answer says so, and a field of every JSON.

The same run with its closing mark is the one that must not be marked.
"""

import io
import json
import re
from pathlib import Path

import pytest
from matplotlib.text import Text
from rich.console import Console

from tests import journals
from tests.pages import found, without_scripts
from timelift import cli
from timelift.analyse import results
from timelift.commands.additions import section
from timelift.present import figures, terminal
from timelift.present.full_report import in_markdown, report
from timelift.present.page import page_html, page_tables
from timelift.present.summary import summary

CASES = journals.grid()
WHOLE = [journals.header(cases=len(CASES)), *journals.campaign(CASES), journals.END]
INTERRUPTED = journals.END | {"exit": "interrupted"}
CUT_SHORT = journals.END | {"exit": "cut short"}
#: A run against another side, with a slow-down, as it is in the golden files.
AGAINST = Path(__file__).parent / "golden" / "results" / "golden" / "against" / "main.jsonl"


@pytest.mark.parametrize(
    ("lines", "is_provisional"),
    [
        ([*WHOLE[:-1], journals.END | {"exit": "a word of another program"}], True),
        (WHOLE[: 1 + len(CASES)], True),
        ([*WHOLE[:9], journals.END, *WHOLE[9:-1]], True),
        ([*WHOLE[:9], INTERRUPTED, *WHOLE[9:]], False),
        (WHOLE[:1], True),
    ],
)
def test_a_run_is_provisional_until_its_last_line_closes_it(tmp_path, lines, is_provisional):
    run = results.load(journals.write(tmp_path / "run.jsonl", *lines))
    assert run.is_provisional is is_provisional


def surfaces(seen):
    written, console = report(seen), Console(file=io.StringIO(), width=160)
    terminal.show_report(written, console)
    html = without_scripts(page_html(seen, written, page_tables(seen)))
    texts = [text for one in figures.of_run(seen).values() for text in one.findobj(Text)]
    return {
        "the end of a run": terminal.summary_text(summary(seen, None), 80, colour=False),
        "the tables": console.file.getvalue(),
        "report.md": in_markdown(written),
        "the page": re.sub("<(style|script)[^>]*>.*?</\\1>", "", html, flags=re.DOTALL),
        "the figures": "\n".join(text.get_text() for text in texts),
    }


@pytest.mark.parametrize(
    ("lines", "is_provisional"),
    [
        (WHOLE, False),
        ([*WHOLE[:-1], CUT_SHORT], False),
        (WHOLE[:-1], True),
        ([*WHOLE[:-1], INTERRUPTED], True),
    ],
)
def test_every_surface_marks_a_run_that_is_not_over_and_no_other(tmp_path, lines, is_provisional):
    texts = surfaces(found(tmp_path / "run.jsonl", *lines))
    marked = {name for name, text in texts.items() if "provisional" in text}
    assert marked == (set(texts) if is_provisional else set())


@pytest.fixture
def project(tmp_path):
    """A project whose results are one run, which a test writes."""
    (tmp_path / "results").mkdir()

    def run(lines, *words):
        journals.write(tmp_path / "results" / "run.jsonl", *lines)
        return cli.main([*words], tmp_path)

    return run


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
def test_an_answer_for_programs_has_a_field(project, capsys, size):
    for lines in (WHOLE, WHOLE[:-1]):
        project(lines, *QUESTION, size, "--json")
        assert json.loads(capsys.readouterr().out)["provisional"] is (lines is not WHOLE)


def test_a_gate_that_is_not_over_says_so_above_its_verdicts(tmp_path):
    unfinished = tmp_path / "unfinished.jsonl"
    unfinished.write_text("".join(AGAINST.read_text().splitlines(keepends=True)[:-1]))
    over, open_still = (section(results.load(path)).versions[0] for path in (AGAINST, unfinished))
    assert not [line for line in over if "provisional" in line]
    assert open_still[0].startswith("provisional: ")
    assert open_still[1:] == over
