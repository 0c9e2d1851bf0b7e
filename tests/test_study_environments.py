"""The study of environments, with a scripted pip and a scripted timelift in place of real ones."""

import json
import re
import shutil
import tomllib
from pathlib import Path

import pytest

from studies import environments
from studies.environments import CORNERS, READ, Corner, Done, attempt, lower_bounds, rounded
from studies.support import Notes
from tests.golden import commands

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "environments.md").read_text()
JAX, READING = Corner("3.11", "jax"), Corner("3.11")
INSTALLED = {"keras": "3.15.1", "jax": "0.10.2", "numpy": "2.4.6"}
CASE = '<testcase name="test_forward[{}]">{}</testcase>'
GOOD = CASE.format("a-native", "") + CASE.format("a-lstm", '<skipped message="no LSTM"/>')
BAD = CASE.format("a-fold", '<failure message="Failed: a-fold: no attribute fold&#10;here"/>')


def scripted(cases=GOOD, said=None, fails=""):
    """A machine on which a command with certain words fails, and every other does as it should."""

    def run(command, folder):
        words = " ".join(command)
        if fails and fails in words:
            return Done(1, "", "a warning\nERROR: it cannot be\n")
        if "law.xml" in words:
            (folder / "law.xml").write_text(f"<testsuites>{cases}</testsuites>")
        if "--output page" in words:
            (folder / "page").mkdir()
            (folder / "page" / "index.html").touch()
        if "pip list" in words:
            listed = [{"name": name.title(), "version": one} for name, one in INSTALLED.items()]
            return Done(0, json.dumps(listed), "")
        if words.endswith("--version"):
            return Done(0, "Python 3.11.7\n", "")
        name = next((one for one in READ if words.endswith(read_words(one))), "")
        return (said or golden).get(name, Done(0, "", "")) if name else Done(0, "", "")

    return run


def read_words(name):
    """What follows `python -m timelift` for a command of the golden files."""
    return f"timelift {commands.COMMANDS[name].replace('OUT', name)}"


def as_done(text):
    """A golden text as the command that ended so."""
    found = re.search(r"exit code (\d+)\n--- stdout\n(.*)--- stderr\n(.*)", text, re.DOTALL)
    return Done(int(found[1]), found[2], re.sub(r"a figure: .*\n", "", found[3]))


golden = {name: as_done(commands.stored()[f"{name}.txt"]) for name in READ}


@pytest.fixture(autouse=True)
def a_python(monkeypatch):
    """Every Python but 3.14 is found, whatever is installed here."""
    found = {f"python3.{minor}": f"/bin/python3.{minor}" for minor in (11, 12, 13)}
    monkeypatch.setattr(shutil, "which", found.get)


def row(corner, home, **script):
    """The row of a corner by its columns, its notes beside it."""
    notes = Notes()
    cells = attempt(corner, home / "timelift.whl", home, run=scripted(**script)).row(notes)
    titles = [column.title for column in environments.BOARD.columns]
    return dict(zip(titles, cells, strict=True)), list(notes.lines())


def test_cases_are_counted_and_versions_told(tmp_path):
    cells, notes = row(JAX, tmp_path)
    assert (cells["Python"], cells["backend"], cells["numpy"]) == ("3.11.7", "jax 0.10.2", "2.4.6")
    assert (cells["cases that pass"], cells["refused"], cells["failed"]) == (1, 1, None)
    assert (cells["read differently"], notes) == (0, [])
    assert not list(environments.BOARD.complaints(list(cells.values())))


def test_a_corner_without_a_backend_reads_alone(tmp_path):
    cells, _ = row(READING, tmp_path, fails="timelift bench")
    assert (cells["backend"], cells["cases that pass"], cells["read differently"]) == (
        "none",
        None,
        0,
    )


@pytest.mark.parametrize(
    ("script", "failed", "note"),
    [
        ({"cases": GOOD + BAD}, 1, "no attribute fold"),
        ({"fails": "law.xml"}, 1, "the bench: ERROR: it cannot be"),
        ({"fails": "--launches 1"}, 1, "timelift bench: ERROR: it cannot be"),
        ({"fails": "--output page"}, 2, "timelift report: ERROR: it cannot be"),
        ({"fails": "pip install"}, 1, "ERROR: it cannot be"),
        ({"fails": "-m venv"}, 1, "ERROR: it cannot be"),
    ],
)
def test_what_fails_is_counted_with_its_reason(tmp_path, script, failed, note):
    cells, notes = row(JAX, tmp_path, **script)
    assert cells["failed"] == failed
    assert notes[0] == f"1. {note}"
    assert list(environments.BOARD.complaints(list(cells.values())))


def test_another_word_is_read_differently_and_another_last_digit_is_not(tmp_path):
    text = golden["tables"].printed
    changed = {**golden, "tables": Done(0, text.replace("fold_time", "fold"), "")}
    cells, notes = row(READING, tmp_path, said=changed)
    assert cells["read differently"] == 1
    assert notes == ["1. tables reads differently"]
    assert rounded("1.0000000001,2e-7 x3") == rounded("1.0,2e-7 x3") != rounded("1.001,2e-7 x3")


def test_a_python_that_is_not_installed_is_told_with_its_wheels(tmp_path):
    cells, notes = row(Corner("3.14", "jax"), tmp_path)
    assert cells["cases that pass"] is None
    assert "Python 3.14 is not installed; there are wheels of everything" in notes[0]
    _, notes = row(Corner("3.14", "jax"), tmp_path, fails="--dry-run")
    assert "no wheels: ERROR: it cannot be" in notes[0]
    assert not list(environments.BOARD.complaints(list(cells.values())))


def test_the_oldest_is_every_direct_requirement_at_its_lower_bound(tmp_path):
    project = {
        "dependencies": ["numpy>=1.26,<3", "pytest-benchmark[histogram]>=4"],
        "optional-dependencies": {"jax": ["jax>=0.4.30"], "torch": ["torch>=2"]},
    }
    assert list(lower_bounds(project, "jax")) == [
        "numpy==1.26",
        "pytest-benchmark==4",
        "jax==0.4.30",
    ]
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for extra in ("", "tensorflow", "jax", "torch"):
        asked = [*ours["dependencies"], *ours["optional-dependencies"].get(extra, ())]
        assert len(list(lower_bounds(ours, extra))) == len(asked)
    row(Corner("3.11", "jax", oldest=True), tmp_path)
    assert "jax==" in (tmp_path / "lower-bounds.txt").read_text()


def test_every_corner_is_on_the_page():
    assert re.findall(r"^\| ((?:newest|oldest)-\S+) \|", PAGE, re.MULTILINE) == list(CORNERS)
    assert "python -m studies.environments" in PAGE


def test_an_unknown_corner_is_one_sentence(capsys):
    assert environments.main(["newest-jaxx-3.11"]) == 1
    assert "unknown name 'newest-jaxx-3.11'; nearest: newest-jax-3.11" in capsys.readouterr().err
