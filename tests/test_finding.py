"""Which run the user means, by everything that one can type."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests import journals
from timelift.analyse.runs import results
from timelift.errors import UserError
from timelift.journal import runs_under
from timelift.measure.header import open_past


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two machines' runs: the newest by its header is the oldest by its name."""
    runs = {
        "a/20260101T000000Z_aaaa111": ("2026-01-09T00:00:00+00:00", "aaaa111bbbb"),
        "a/20260105T000000Z_bbbb222": ("2026-01-05T00:00:00+00:00", "bbbb222cccc"),
        "b/20260107T000000Z_bbbb333": ("2026-01-07T00:00:00+00:00", "bbbb333dddd"),
    }
    for name, (started, commit) in runs.items():
        file = tmp_path / f"{name}.jsonl"
        file.parent.mkdir(exist_ok=True)
        journals.write(file, journals.header(started=started, commit={"id": commit}))
    (tmp_path / "b/broken.jsonl").write_bytes(b"\xff")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], ["20260101T000000Z_aaaa111"]),
        (["latest"], ["20260101T000000Z_aaaa111"]),
        (["{root}/b"], ["20260107T000000Z_bbbb333"]),
        (["{root}/a/20260105T000000Z_bbbb222.jsonl"], ["20260105T000000Z_bbbb222"]),
        (["20260105T000000Z_bbbb222"], ["20260105T000000Z_bbbb222"]),
        (["aaaa"], ["20260101T000000Z_aaaa111"]),
        (["bbbb"], ["20260107T000000Z_bbbb333"]),
        (["bbbb222ccccdddd"], ["20260105T000000Z_bbbb222"]),
        (["aaaa", "bbbb2"], ["20260101T000000Z_aaaa111", "20260105T000000Z_bbbb222"]),
    ],
)
def test_what_the_user_types_finds_its_run(
    root: Path, words: list[str], expected: list[str]
) -> None:
    """Nothing, latest, a folder, a file, a name, a commit or its beginning."""
    found = results.find(root, [word.format(root=root) for word in words])
    assert [path.stem for path in found] == expected


def test_runs_of_twins_are_found_only_where_they_are_asked_for(root: Path) -> None:
    """A folder that goes away while it is looked through is no traceback."""
    twins = root / "a" / "selftest"
    twins.mkdir()
    late = journals.header(started="2026-02-01T00:00:00+00:00")
    journals.write(twins / "twins.jsonl", late)
    (root / "gone").symlink_to(root / "nowhere")
    assert [path.stem for path in results.find(root)] == ["20260101T000000Z_aaaa111"]
    assert [path.stem for path in results.find(root, [str(twins)])] == ["twins"]
    assert runs_under(root / "gone") == []


@pytest.mark.parametrize("word", ["latest", "20260105T000000Z_bbbb222"])
def test_who_reads_a_run_and_who_goes_on_with_it_mean_the_same(root: Path, word: str) -> None:
    """The latest is the one that was started last, whichever file was touched last."""
    for path in root.glob("*/2026*.jsonl"):
        header = json.loads(path.read_text())
        journals.write(path, header | {"planned": [], "asked": {}})
        os.utime(path, (1, 1))
    os.utime(root / "b/20260107T000000Z_bbbb333.jsonl", (99, 99))
    assert [open_past(root, word).path] == results.find(root, [word])


def test_a_word_longer_than_any_file_s_name_is_no_run(root: Path) -> None:
    """To neither of them."""
    for find in (results.find, open_past):
        with pytest.raises(UserError, match=r"expected a run"):
            find(root, "x" * 5000 if find is open_past else ["x" * 5000])


@pytest.mark.parametrize("started", ["0001-01-01T00:00:00+14:00", "soon", None, 7])
def test_a_run_that_cannot_say_when_it_began_is_never_the_latest(root: Path, started: Any) -> None:
    """Nor does it end in a traceback."""
    journals.write(root / "a/zzz.jsonl", journals.header(started=started))
    assert [path.stem for path in results.find(root)] == ["20260101T000000Z_aaaa111"]


@pytest.mark.parametrize("word", ["bb", "aaaa112", "20260105T000000Z_bbbb22", "nowhere.jsonl"])
def test_an_unknown_run_is_refused_with_the_nearest_names(root: Path, word: str) -> None:
    """Too short a commit is unknown, too."""
    with pytest.raises(UserError, match="20260105T000000Z_bbbb222"):
        results.find(root, [word])


@pytest.mark.parametrize("words", [[], ["latest"], ["abcd"]])
def test_no_run_at_all_is_a_sentence(tmp_path: Path, words: list[str]) -> None:
    """An empty folder of results."""
    with pytest.raises(UserError, match=r"found none|holds no run"):
        results.find(tmp_path, words)


def test_the_latest_run_is_refused_where_a_later_timelift_wrote_it(tmp_path):
    """An older run is never shown in its place."""
    folder = tmp_path / "results" / "machine"
    folder.mkdir(parents=True)
    old = journals.header(started="2026-01-01T00:00:00+00:00")
    journals.write(folder / "old.jsonl", old, journals.line(journals.case()), journals.END)
    new = {"kind": "run", "schema": 2, "started": "2026-02-01T00:00:00+00:00"}
    (folder / "new.jsonl").write_text(json.dumps(new) + "\n")
    (found,) = results.find(tmp_path / "results")
    assert found.name == "new.jsonl"
    with pytest.raises(UserError, match="expected journal schema 1, received 2"):
        results.load(found)
