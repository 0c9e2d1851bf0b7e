"""A report's folder holds one report: what an earlier one wrote goes, what is a user's stays."""

import json
import shutil

import pytest

import report
from tests import histories, journals
from timelift.present.folder import FILE

LARGE = journals.grid(("native", "loop_slice"), ("tokens", "frames"), (8, 64))
SMALL = journals.grid(("native",), seq_lens=(8,), phases=("forward",))


def reported(folder, cases):
    """Report a run of these cases into `folder / "out"`, which is returned."""
    path = journals.synthetic(folder / "run.jsonl", cases, launches=2)
    assert report.main([str(path), "--output", str(folder / "out")]) == 0
    return folder / "out"


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Return the folder of a larger report, to be copied."""
    return reported(tmp_path_factory.mktemp("large"), LARGE)


@pytest.fixture
def made(tmp_path, large):
    """Report a run of these cases into a folder, which is given."""

    def make(cases):
        folder = tmp_path / "out"
        if cases is LARGE and not folder.exists():
            return shutil.copytree(large, folder)
        return reported(tmp_path, cases)

    return make


def files(folder):
    """Every file in a folder."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_smaller_report_leaves_nothing_of_a_larger_one(made, tmp_path):
    before = files(made(LARGE))
    after = files(made(SMALL))
    (tmp_path / "out").rename(tmp_path / "old")
    alone = files(made(SMALL))
    assert after == alone
    assert {"tables/prices.csv", "figures/forward_backward.svg"} <= before - after


def test_what_a_user_put_there_or_changed_stays(made):
    folder = made(LARGE)
    mine = {"figures/mine.svg": "mine", "notes.csv": "mine", "tables/prices.csv": "changed by me"}
    for name, text in mine.items():
        (folder / name).write_text(text)
    made(SMALL)
    assert {name: (folder / name).read_text() for name in mine} == mine


def test_a_history_in_the_same_folder_is_another_s(made, tmp_path, monkeypatch):
    folder = made(LARGE)
    (tmp_path / "results").mkdir()
    monkeypatch.setattr(report, "ROOT", tmp_path)
    for workloads in (("tokens", "frames"), ("tokens",)):
        cases = journals.grid(workloads=workloads, seq_lens=(8,))
        histories.nights(tmp_path / "results", 3, cases=cases)
        words = ["history", "--output", str(folder)]
        assert report.main(words) == 0
        assert (folder / "history-frames.svg").exists() is ("frames" in workloads)
    made(SMALL)
    assert {"history.md", "history-tokens.svg"} <= files(folder)


@pytest.mark.parametrize(
    "damage",
    ["", "[", "[]", "7", '{"report": 3}', '{"report": {"a": 3}}', "[" * 100_000, "\ud800"],
)
def test_a_damaged_list_removes_nothing(made, damage):
    folder = made(LARGE)
    before = files(folder)
    (folder / FILE).write_bytes(damage.encode("utf-8", "surrogatepass"))
    assert files(made(SMALL)) >= before


@pytest.mark.parametrize("name", ["../kept", "/{}/kept", "figures/../../kept", "", ".", "a\0b"])
def test_a_list_that_leads_out_of_the_folder_is_not_followed(made, tmp_path, name):
    folder = made(SMALL)
    (tmp_path / "kept").write_text("")
    digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    told = {"report": {name.format(str(tmp_path).strip("/")): digest}}
    (folder / FILE).write_text(json.dumps(told))
    made(SMALL)
    assert (tmp_path / "kept").exists()
