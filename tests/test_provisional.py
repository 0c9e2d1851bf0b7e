"""A run that is not over: on every surface its verdicts are marked by one word and never coloured.

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
from timelift import cli, ended
from timelift.analyse.findings import find_out
from timelift.analyse.runs import results
from timelift.analyse.runs.baseline import baseline_lines
from timelift.analyse.selftest import trust_file
from timelift.commands.changes import _raced
from timelift.journal import write_whole
from timelift.present import exports, figures, github, terminal
from timelift.present.page import render
from timelift.present.report import in_markdown, report
from timelift.present.summary import summary

CASES = journals.grid()
WHOLE = [journals.header(cases=len(CASES)), *journals.campaign(CASES), journals.END]
INTERRUPTED = journals.END | {"exit": "interrupted"}
CUT_SHORT = journals.END | {"exit": "cut short"}
#: A run against another side, with a slow-down, as it is in the golden files.
AGAINST = Path(__file__).parent / "golden" / "results" / "golden" / "against" / "main.jsonl"
#: What no finished run says of its verdicts.
MARKS = ("provisional", "so far")


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
    """It goes on, was killed, or was interrupted, however many launches every setting has.

    One that was gone on with is open again until it ends; a budget ends a run.
    """
    run = results.load(journals.write(tmp_path / "run.jsonl", *lines))
    assert run.is_provisional is is_provisional


def test_a_run_whose_closing_mark_is_torn_is_provisional(tmp_path):
    path = journals.write(tmp_path / "run.jsonl", *WHOLE)
    assert not results.load(path).is_provisional
    path.write_text(path.read_text()[:-5])
    assert results.load(path).is_provisional


@pytest.mark.parametrize(
    ("end", "is_provisional"), [(journals.END, False), (CUT_SHORT, False), (INTERRUPTED, True)]
)
def test_a_baseline_is_as_provisional_as_its_run(tmp_path, end, is_provisional):
    run = results.load(journals.write(tmp_path / "run.jsonl", *WHOLE[:-1], end))
    write_whole(tmp_path / "kept.jsonl", baseline_lines(run))
    kept = results.load(tmp_path / "kept.jsonl")
    assert (kept.complete, kept.is_provisional) == (run.complete, is_provisional)


# Every surface -----------------------------------------------------------------------------------


def _summary(found):
    return terminal.summary_text(summary(found, None), 80, colour=False)


def _tables(found):
    console = Console(file=io.StringIO(), width=160)
    terminal.show_report(report(found), console)
    return console.file.getvalue()


def _markdown(found):
    return in_markdown(report(found))


def _github(found):
    return github.of_run(summary(found, None), report(found))


def _page(found):
    beside = render.Beside(render.tables(found))
    html = without_scripts(render.html(found, report(found), beside))
    return re.sub("<(style|script)[^>]*>.*?</\\1>", "", html, flags=re.DOTALL)


def _figures(found):
    drawn = figures.of_run(found).values()
    return "\n".join(text.get_text() for one in drawn for text in one.findobj(_is_text))


def _is_text(one):
    return hasattr(one, "get_text") and hasattr(one, "get_fontsize")


def _action(found):
    return exports.github_action_benchmark(found).decode()


#: How each surface shows a run.
SURFACES = {
    "the end of a run": _summary,
    "the tables": _tables,
    "report.md": _markdown,
    "GitHub's summary": _github,
    "the page": _page,
    "the figures": _figures,
    "github-action-benchmark": _action,
}


def _found(folder, *lines):
    return find_out(results.load(journals.write(folder / "run.jsonl", *lines)))


@pytest.mark.parametrize("surface", SURFACES)
def test_a_surface_marks_a_run_that_is_not_over_and_no_other(tmp_path, surface):
    show = SURFACES[surface]
    over = show(_found(tmp_path, *WHOLE)).lower()
    assert not [word for word in MARKS if word in over]
    cut_short = show(_found(tmp_path, *WHOLE[:-1], CUT_SHORT)).lower()
    assert not [word for word in MARKS if word in cut_short]
    for lines in (WHOLE[:-1], [*WHOLE[:-1], INTERRUPTED]):
        assert "provisional" in show(_found(tmp_path, *lines)).lower()


def test_every_setting_is_marked_once_and_every_recommendation_is_so_far(tmp_path):
    text = _markdown(_found(tmp_path, *WHOLE[:-1]))
    settings = [part for part in text.split("\n## ")[1:] if part.startswith("tokens-")]
    assert len(settings) == 4
    for part in settings:
        assert part.partition("\n")[0].endswith(" (provisional)")
        assert part.count("provisional") == 1
        assert "- so far, fastest: " in part
    assert "tokens: so far, write " in text
    whole = _markdown(_found(tmp_path, *WHOLE))
    unmarked = text.replace(" (provisional)", "").replace("so far, ", "")
    assert [one for one in unmarked.splitlines() if "**state:**" not in one] == whole.splitlines()


def test_the_page_marks_its_answer_and_the_headings_above_verdicts(tmp_path):
    page = _page(_found(tmp_path, *WHOLE[:-1]))
    assert 'class="provisional"' in page
    assert '<h1 id="headline">So far: ' in page
    for heading in ("write (provisional)", "verdict (provisional)", "size (provisional)"):
        assert heading in page
    assert 'class="provisional"' not in _page(_found(tmp_path, *WHOLE))


def _coloured(found):
    return terminal.summary_text(summary(found, None), 80, colour=True)


def _coloured_tables(found):
    console = Console(file=io.StringIO(), width=160, force_terminal=True, color_system="standard")
    terminal.show_report(report(found), console)
    return console.file.getvalue()


@pytest.mark.parametrize("show", [_coloured, _coloured_tables])
def test_a_verdict_that_may_change_has_no_colour(tmp_path, show):
    green = "32m"
    assert green in show(_found(tmp_path, *WHOLE))
    for lines in (WHOLE[:-1], [*WHOLE[:-1], INTERRUPTED]):
        assert green not in show(_found(tmp_path, *lines))


@pytest.mark.parametrize(("lines", "word"), [(WHOLE, "False"), (WHOLE[:-1], "True")])
def test_programs_have_a_field(tmp_path, lines, word):
    found = _found(tmp_path, *lines)
    rows = list(csv.DictReader(io.StringIO(exports.csv(found).decode())))
    assert {row["provisional"] for row in rows} == {word}
    (told,) = {
        one["extra_info"]["provisional"]
        for one in json.loads(exports.pytest_benchmark(found))["benchmarks"]
    }
    assert str(told) == word


# Commands ----------------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path):
    """A project whose results are one run, which a test writes."""
    (tmp_path / "results").mkdir()

    def run(lines, *words):
        journals.write(tmp_path / "results" / "run.jsonl", *lines)
        return cli.main([*words], tmp_path)

    return run


QUESTION = ("choose", "--workload", "tokens", "--batch", "8", "--seq-len")


@pytest.mark.parametrize(
    "words", [(*QUESTION, "16"), (*QUESTION, "64"), (*QUESTION, "9000"), ("scaling",), ("modes",)]
)
def test_a_command_marks_its_answer(project, capsys, words):
    project(WHOLE, *words)
    assert "provisional" not in capsys.readouterr().out
    project(WHOLE[:-1], *words)
    assert capsys.readouterr().out.count("provisional") == 1


@pytest.mark.parametrize("size", ["16", "9000"])
@pytest.mark.parametrize(("lines", "is_provisional"), [(WHOLE, False), (WHOLE[:-1], True)])
def test_an_answer_for_programs_has_a_field(project, capsys, size, lines, is_provisional):
    project(lines, *QUESTION, size, "--json")
    assert json.loads(capsys.readouterr().out)["provisional"] is is_provisional


def test_a_comparison_with_a_run_that_is_not_over_says_so(tmp_path, project, capsys):
    other = journals.write(tmp_path / "results" / "other.jsonl", *WHOLE)
    assert project(WHOLE, "compare", str(other), str(tmp_path / "results" / "run.jsonl")) == 0
    whole = capsys.readouterr().out
    assert "now" in whole
    assert "provisional" not in whole
    project(WHOLE[:-1], "compare", str(other), str(tmp_path / "results" / "run.jsonl"))
    told = capsys.readouterr().out
    assert "now (provisional)" in told
    assert [line.endswith(", provisional") for line in told.splitlines()[:2]] == [False, True]


# Copies ------------------------------------------------------------------------------------------


def _unfinished(folder, path):
    """The journal at `path`, without its closing mark."""
    lines = path.read_text().splitlines(keepends=True)
    copy = folder / "unfinished.jsonl"
    copy.write_text("".join(lines[:-1]))
    return copy


def test_a_gate_that_is_not_over_fails_nothing_for_good(tmp_path):
    over, open_still = list(ended.gate_lines(AGAINST)), _unfinished(tmp_path, AGAINST)
    assert not [line for line in over if "provisional" in line]
    first, *_ = ended.gate_lines(open_still)
    assert first.startswith("provisional: 4 cases against main (01234567)")
    whys, so_far = ended.failures(AGAINST), ended.failures(open_still)
    assert whys
    assert so_far == {case: f"provisional: {why}" for case, why in whys.items()}
    page, page_so_far = (_page(find_out(results.load(one))) for one in (AGAINST, open_still))
    assert '<h1 id="headline">So far: ' in page_so_far
    assert "gate (provisional)" in page_so_far
    assert not [word for word in MARKS if word in page.lower()]


def test_a_bisection_skips_a_commit_whose_run_did_not_end(tmp_path):
    assert _raced(AGAINST).word in {"good", "bad"}
    unfinished = _raced(_unfinished(tmp_path, AGAINST))
    assert unfinished.word == "skip"
    assert unfinished.text.startswith("its run did not end")


def test_a_self_test_that_is_not_over_is_not_kept(tmp_path):
    path = journals.selftest(tmp_path / "run.jsonl", launches=5)
    copy = _unfinished(tmp_path, path)
    lines = list(ended.selftest_lines(copy))
    assert lines[0].startswith("so far, identical code was called different in ")
    assert lines[-1].startswith("not stored: provisional: ")
    assert not (tmp_path / trust_file.FILE).exists()
    assert not [line for line in ended.selftest_lines(path) if line.startswith(("so far", "not s"))]
    assert (tmp_path / trust_file.FILE).exists()
