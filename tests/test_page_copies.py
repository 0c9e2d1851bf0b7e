"""The page of a run that raced copies: what a gate or a self-test found comes first."""

import csv
import json
import re

import pytest

from tests import journals
from tests.journals import AGAINST
from tests.pages import Elements, harm, reported, section
from tests.test_gate_outcomes import run_file


def first_screen(html):
    """The headline, and all words of the first screen."""
    (headline,) = re.findall(r'<h1 id="headline">(.*?)</h1>', html)
    return re.sub("<.*?>", "", headline), " ".join(Elements(section(html, "answer")).words)


@pytest.mark.parametrize(
    ("slow", "headline", "count", "verdict"),
    [
        (
            1.06,
            "1 of 4 cases fails the gate against main: fold_time,",
            "1 slower, 3 same",
            "slower",
        ),
        (0.9, "None of 4 cases fails the gate against main.", "1 faster, 3 same", "faster"),
    ],
)
def test_a_gate_says_first_what_fails_it(tmp_path, slow, headline, count, verdict):
    html = reported(run_file(tmp_path, slow=slow))
    said, words = first_screen(html)
    assert said.startswith(headline)
    assert f"gate 3 %, 1.5 % ignored: {count}." in words
    assert "Write" not in words
    assert "over the best" not in section(html, "answer").partition("</details>")[2]
    assert "new: mine; renamed: fold is fold_time now" in {*Elements(html).words}
    with (tmp_path / "report" / "tables" / "gate.csv").open() as file:
        rows = {row["case"].partition(",")[0]: row for row in csv.DictReader(file)}
    assert rows["fold_time"]["time"] == verdict
    assert rows["fold_time"]["gate"] == ("fails" if verdict == "slower" else "passes")
    assert rows["native"]["gate"] == "passes"


def test_many_cases_have_their_failures_on_the_first_screen(tmp_path):
    path = run_file(tmp_path, slow=1.06)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for length in (32, 64, 128):
        copies = [json.loads(json.dumps(one)) for one in lines if "case" in one]
        for one in copies:
            if one["case"]["seq_len"] == 16:
                one["case"]["seq_len"] = length
                lines.insert(-1, one)
    journals.write(path, *lines)
    html = reported(path)
    said, words = first_screen(html)
    assert said == "4 of 16 cases fail the gate against main."
    assert words.count("fails") == 4
    assert "4 more cases in the tables below." in words


def test_hostile_names_of_sides_are_text(tmp_path):
    evil = "<script>alert(1)</script>\x1b"
    html = reported(run_file(tmp_path, slow=1.06, against=AGAINST | {"label": evil}))
    assert harm(html) == []
    assert "&lt;script&gt;alert(1)" in html


def test_a_usual_run_has_no_gate(tmp_path):
    html = reported(journals.synthetic(tmp_path / "run.jsonl"))
    assert "gate" not in first_screen(html)[1]
    assert not (tmp_path / "report" / "tables" / "gate.csv").exists()
