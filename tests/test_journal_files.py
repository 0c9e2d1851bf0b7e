"""Journal files: which run the user means, written whole or not at all, and where one goes on."""

import errno
import itertools
import json
import os
from pathlib import Path

import pytest

from tests import journals
from timelift.analyse import results
from timelift.case import Status
from timelift.errors import UserError
from timelift.journal.files import Journal, find_run, json_line, replace_text, runs_under
from timelift.journal.lines import Header
from timelift.measure.header import open_resumed
from timelift.measurement import CaseInLaunch

RIVALS = journals.grid(("native", "fold_time", "loop_slice"), phases=("forward",))
HEAD = journals.header(planned=[case.label for case in RIVALS], asked={})


@pytest.fixture
def root(tmp_path):
    """Two machines' runs: the newest by its header is the oldest by its name."""
    runs = {
        "a/20260101T000000Z_aaaa111": ("2026-01-09T00:00:00+00:00", "aaaa111bbbb"),
        "a/20260105T000000Z_bbbb222": ("2026-01-05T00:00:00+00:00", "bbbb222cccc"),
        "b/20260107T000000Z_bbbb333": ("2026-01-07T00:00:00+00:00", "bbbb333dddd"),
    }
    for name, (started, commit) in runs.items():
        header = journals.header(started=started, commit={"id": commit})
        journals.write(tmp_path / f"{name}.jsonl", header)
    (tmp_path / "b/broken.jsonl").write_bytes(b"\xff")
    return tmp_path


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("latest", "20260101T000000Z_aaaa111"),
        ("{root}/b", "20260107T000000Z_bbbb333"),
        ("b", "20260107T000000Z_bbbb333"),
        ("{root}/a/20260105T000000Z_bbbb222.jsonl", "20260105T000000Z_bbbb222"),
        ("20260105T000000Z_bbbb222", "20260105T000000Z_bbbb222"),
        ("aaaa", "20260101T000000Z_aaaa111"),
        ("bbbb", "20260107T000000Z_bbbb333"),
        ("bbbb222ccccdddd", "20260105T000000Z_bbbb222"),
    ],
)
def test_what_the_user_types_finds_its_run(root, word, name):
    assert find_run(root, word.format(root=root)).stem == name


def test_runs_of_twins_are_found_only_where_they_are_asked_for(root):
    twins = root / "a" / "selftest"
    journals.write(twins / "twins.jsonl", journals.header(started="2026-02-01T00:00:00+00:00"))
    (root / "gone").symlink_to(root / "nowhere")
    assert find_run(root).stem == "20260101T000000Z_aaaa111"
    assert find_run(root, str(twins)).stem == "twins"
    assert runs_under(root / "gone") == []


@pytest.mark.parametrize("copy", ["a/main", "a/000", "a/20260101T000000Z_aaaa111 2"])
def test_a_copy_of_a_run_stands_behind_it(root, copy):
    original, kept = root / "a/20260101T000000Z_aaaa111.jsonl", root / f"{copy}.jsonl"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(original.read_bytes())
    assert find_run(root) == original
    runs = runs_under(root)
    assert runs.index(original) < runs.index(kept)
    assert find_run(root, str(kept)) == kept


@pytest.mark.parametrize("word", ["x" * 5000, "a/../b", ""], ids=["long", "out and in", "empty"])
def test_what_can_be_the_name_of_no_file_is_no_run(root, word):
    for seek in (find_run, open_resumed):
        with pytest.raises(UserError, match="expected a run"):
            seek(root, word)


def test_a_run_that_measured_nothing_is_the_latest_only_to_be_resumed(root):
    empty = root / "a/20260101T000000Z_aaaa111.jsonl"
    case = CaseInLaunch(RIVALS[0], 1, seconds_per_call=[1e-3])
    with (root / "a/20260105T000000Z_bbbb222.jsonl").open("a") as file:
        file.write(json_line(case.fields()))
    assert find_run(root).stem == "20260105T000000Z_bbbb222"
    assert find_run(root, resumable=True) == find_run(root, empty.stem) == empty


@pytest.mark.parametrize("started", ["0001-01-01T00:00:00+14:00", "soon", None, 7])
def test_a_run_that_cannot_say_when_it_began_is_never_the_latest(root, started):
    journals.write(root / "a/zzz.jsonl", journals.header(started=started))
    assert find_run(root).stem == "20260101T000000Z_aaaa111"


@pytest.mark.parametrize("word", ["bb", "aaaa112", "20260105T000000Z_bbbb22", "nowhere.jsonl"])
def test_an_unknown_run_is_refused_with_the_nearest_names(root, word):
    with pytest.raises(UserError, match="20260105T000000Z_bbbb222"):
        find_run(root, word)


@pytest.mark.parametrize("word", ["latest", "abcd"])
def test_no_run_at_all_is_a_sentence(tmp_path, word):
    with pytest.raises(UserError, match=r"found none|holds no run"):
        find_run(tmp_path, word)


@pytest.mark.parametrize("changes", [{}, {"commit": "abc"}, {"machine": [], "planned": 7}])
def test_the_latest_run_is_refused_where_a_later_timelift_wrote_it(tmp_path, changes):
    old = journals.header(started="2026-01-01T00:00:00+00:00")
    journals.write(tmp_path / "machine/old.jsonl", old)
    new = {"kind": "run", "schema": 2, "started": "2026-02-01T00:00:00+00:00"}
    journals.write(tmp_path / "machine/new.jsonl", new | changes)
    latest = find_run(tmp_path)
    assert latest.name == "new.jsonl"
    with pytest.raises(UserError, match="expected journal schema 1, received 2"):
        results.load(latest)


def test_a_file_is_replaced_by_all_of_another_or_stays(tmp_path, monkeypatch):
    path = tmp_path / "trust.json"
    replace_text(path, "before")
    write = Path.write_text

    def half(self, text, **how):
        write(self, text[: len(text) // 2], **how)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", half)
    with pytest.raises(OSError, match="No space left"):
        replace_text(path, "after it")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_lines_are_on_disk_before_the_next_begin(tmp_path, monkeypatch):
    path, on_disk, sync = tmp_path / "run.jsonl", [], os.fsync

    def noted(file):
        sync(file)
        on_disk.append(path.stat().st_size)

    monkeypatch.setattr(os, "fsync", noted)
    line = CaseInLaunch(journals.case(), 1, status=Status.FAILED)
    with Journal(path, Header()) as file:
        file.append(line, line)
        file.append(line)
    ends = list(itertools.accumulate(map(len, path.read_bytes().splitlines(keepends=True))))
    assert on_disk == [ends[0], ends[2], ends[3], ends[4]]


def test_a_run_goes_on_behind_what_is_kept_and_nothing_else_is_left(tmp_path):
    lines = list(journals.campaign(RIVALS, launches=1))
    path = journals.write(tmp_path / "run.jsonl", HEAD, *lines)
    kept = path.read_bytes().splitlines(keepends=True)[:4]
    with Journal(path, Header(), len(b"".join(kept))) as file:
        file.exit_word = "cut short"
    *before, last = path.read_bytes().splitlines(keepends=True)
    assert before == kept
    assert json.loads(last)["exit"] == "cut short"


def test_a_setting_that_lost_the_line_of_a_rival_loses_the_others_when_its_run_goes_on(tmp_path):
    path = journals.write(tmp_path / "run.jsonl", HEAD, *journals.campaign(RIVALS, launches=2))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    resumed = open_resumed(tmp_path, str(path))
    assert resumed.kept_bytes == len(b"".join(lines[:-3]))
    assert {len(rivals) for rivals in resumed.played.values()} == {len(RIVALS) // 2}


def test_a_run_with_a_line_that_cannot_be_read_does_not_go_on(tmp_path):
    path = journals.write(tmp_path / "run.jsonl", HEAD, *journals.campaign(RIVALS, launches=2))
    path.write_bytes(path.read_bytes().replace(b'{"kind":"launch"', b"\0\0", 1))
    with pytest.raises(UserError, match="holds a damaged line"):
        open_resumed(tmp_path, str(path))


def test_a_run_of_many_cases_is_still_the_latest(tmp_path):
    journals.write(tmp_path / "m/old.jsonl", journals.header(started="2026-01-01T00:00:00+00:00"))
    new = journals.header(started="2026-02-01T00:00:00+00:00", planned=["x" * 60] * 20_000)
    late = journals.write(tmp_path / "m/new.jsonl", new)
    assert find_run(tmp_path) == late
