"""Parcels: which files go to another machine and arrive there, and paths as they are on each."""

import dataclasses
import io
import json
import os
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.projects import write
from timelift.axis_values import Phase
from timelift.case import Case, Setting
from timelift.cluster import parcel
from timelift.cluster.parcel import left_behind, pack, translated, unpack
from timelift.cluster.place import Shipment
from timelift.errors import UserError
from timelift.inner_layer import LayerInputs
from timelift.measure.campaign import Campaign
from timelift.measure.catalogue import Catalogue, Strategy, Workload
from timelift.measure.options import RunOptions
from timelift.messages import LiftChange, RivalSpec, Task


def arrived(folder, *roots):
    unpack(pack(roots).data, folder)
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_files_arrive_byte_for_byte(tmp_path):
    content = b"\r\n" + bytes(range(256))
    (write(tmp_path / "mine", {"a/b.py": ""}) / "a/b.py").write_bytes(content)
    assert arrived(tmp_path / "new/theirs", tmp_path / "mine") == {"0/a/b.py"}
    assert (tmp_path / "new/theirs/0/a/b.py").read_bytes() == content


def test_what_is_hidden_installed_or_no_python_stays(tmp_path):
    stay = ".git/a.py env/lib/site-packages/x/a.py a/__pycache__/a.py node_modules/a.py data.csv"
    stay += " .secret.py a/.b.py venv/pyvenv.cfg venv/bin/a.py conda/conda-meta/x conda/x/a.py"
    mine = write(tmp_path / "mine", dict.fromkeys([*stay.split(), "a/b.py", "b.py"], ""))
    assert arrived(tmp_path / "theirs", mine) == {"0/a/b.py", "0/b.py"}


def test_equal_files_have_an_equal_digest_wherever_and_whenever_they_were_written(tmp_path):
    files = {f"{number}.py": str(number) for number in range(20)}
    here, there = (write(tmp_path / name, files) for name in "xy")
    os.utime(there / "1.py", (1, 1))
    other = write(tmp_path / "z", {**files, "1.py": "2", "2.py": "1"})
    assert pack([here]).digest == pack([there]).digest != pack([other]).digest


def test_a_root_inside_of_another_is_sent_once_unless_it_would_stay(tmp_path):
    mine = write(tmp_path / "mine", {"a.py": "", "src/b.py": "", ".old/c.py": ""})
    roots = [mine / "src", mine, mine / ".old", mine]
    assert pack(roots).places == {str(mine): "0", str(mine / ".old"): "1"}
    assert arrived(tmp_path / "theirs", *roots) == {"0/a.py", "0/src/b.py", "1/c.py"}


def test_a_file_is_sent_without_its_neighbours(tmp_path):
    mine = write(tmp_path, {"models.py": "", "private.py": ""})
    sent = pack([mine / "models.py"])
    assert sent.places == {str(mine / "models.py"): "0/models.py"}
    assert sent.data == pack([write(tmp_path / "alone", {"models.py": ""})]).data


def test_links_are_followed_to_what_is_sent_itself(tmp_path):
    stay = [".env", ".secret.py", ".old/h.py", "venv/pyvenv.cfg", "venv/v.py", "data.csv"]
    mine = write(tmp_path / "mine", dict.fromkeys(["a.py", *stay], ""))
    also = write(tmp_path, {"also/b.py": "", "secret.py": ""}) / "also"
    for name, end in enumerate(["../also/b.py", *stay, "../secret.py", "?"]):
        (mine / f"{name}.py").symlink_to(end)
    assert arrived(tmp_path / "theirs", also, mine) == {"0/b.py", "1/a.py", "1/0.py"}
    links = [mine / f"{name}.py" for name in range(8)]
    assert left_behind([*map(str, links)], [also, mine]) == links[1:]
    assert arrived(tmp_path / "named", *links[1:3]) == {"1/2.py"}


@pytest.mark.parametrize("root", ["", "..", "../..", "/"])
def test_a_home_folder_is_never_sent(tmp_path, monkeypatch, root):
    home = write(tmp_path / "home" / "me", {"a.py": "", "mine/b.py": ""})
    monkeypatch.setenv("HOME", str(home))
    with pytest.raises(UserError, match=r"home folder; move .* into a folder of its own"):
        pack([home / "mine", (home / root).resolve()])
    assert arrived(tmp_path / "theirs", home / "mine") == {"0/b.py"}


def test_too_much_names_the_largest_folder(tmp_path, monkeypatch):
    write(tmp_path, {"a.py": "12", "small/b.py": "123", "large/c.py": "1234"})
    monkeypatch.setattr(parcel, "MOST_BYTES", 7)
    pack([tmp_path / "small", tmp_path / "large"])
    with pytest.raises(UserError, match=f"the most in '{tmp_path}/large'; move"):
        pack([tmp_path])


def test_a_file_whose_name_or_content_cannot_be_read_is_refused(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"cannot send a Python file .*udcff"):
        pack([write(tmp_path / "odd", {os.fsdecode(b"\xff.py"): ""})])
    monkeypatch.setattr(Path, "read_bytes", Path.rmdir)  # an error; root reads any file
    with pytest.raises(UserError, match=r"cannot send a Python file .*shut/a\.py"):
        pack([write(tmp_path / "shut", {"a.py": ""})])


def test_a_folder_that_another_process_made_stays(tmp_path):
    data = pack([write(tmp_path / "mine", {"a.py": "new"})]).data
    unpack(data, write(tmp_path / "theirs", {"0/a.py": "old"}))
    assert (tmp_path / "theirs/0/a.py").read_text() == "old"
    assert len([*tmp_path.iterdir()]) == 2


@pytest.mark.parametrize("name", ["../a.py", "0/../../a.py", "0/a/../../../a.py", "/0/a.py"])
def test_no_file_leaves_the_folder_of_a_parcel(tmp_path, name):
    with ZipFile(data := io.BytesIO(), "w") as archive:
        archive.writestr(name, "")
    unpack(data.getvalue(), tmp_path / "here" / "theirs")
    (arrived_at,) = tmp_path.rglob("*.py")
    assert arrived_at.is_relative_to(tmp_path / "here" / "theirs")


FOLDERS = {"/a": "/x", "/a/b": "/a", "/a/b/m.keras": "/a/b/m.keras"}
TEXTS = {
    "/a/b": "/a",
    "/a/b/c.py:make": "/a/c.py:make",
    "/a/b/m.keras#1": "/a/b/m.keras#1",
    "/a/b:/other:/a/src": "/a:/other:/x/src",
    "no '/a/b/c.py' in /a/b. See (/a), /a": "no '/a/c.py' in /a. See (/x), /x",
    "/a/bc": "/x/bc",
    **{other: other for other in "x/a/b ./a/b /a.b /a-b /ab //a/b ~/a keras".split()},
}


@pytest.mark.parametrize(("text", "there"), TEXTS.items())
def test_a_folder_is_replaced_where_a_path_begins_with_it(text, there):
    assert translated({text: [text, (text, 1)]}, FOLDERS) == {text: [there, (there, 1)]}


@given(st.lists(st.text("/ab. :", max_size=12) | st.sampled_from([*TEXTS])))
def test_what_is_translated_comes_back(texts):
    there, back = {"/a": "/node/1", "/a/b": "/node/0"}, {"/node/1": "/a", "/node/0": "/a/b"}
    assert translated(translated(texts, there), back) == translated(texts, {}) == texts


def test_files_that_no_parcel_brings_are_found(tmp_path):
    mine = write(tmp_path / "mine", dict.fromkeys(["m.keras", "s.py", ".old/h.py"], ""))
    other = write(tmp_path / "other", {"s.py": "", "d.npz": ""})
    stay = [mine / ".old" / "h.py", mine / "m.keras", other / "d.npz", other / "s.py"]
    texts = [f"{mine}/m.keras#2", f"{mine}/.old/h.py:make", f"{mine}:{other}/d.npz", "x" * 999]
    value = {"path": f"{other}/s.py", "all": texts, "more": [(f"{mine}/s.py:a", 1), "conftest.py"]}
    assert left_behind(value, [mine]) == stay
    (link := tmp_path / "link").symlink_to(mine)
    assert left_behind([value, f"{link}/s.py"], [link, mine / ".old", other]) == stay[1:3]


def test_files_that_go_by_path_are_named_as_they_are_and_data_outside_is_sent(tmp_path):
    mine = write(tmp_path / "mine", {"m.keras": "", "s.py": ""})
    outside = write(tmp_path / "outside", {"d.py": ""})
    model = Workload("m", f"{mine}/m.keras#1", LayerInputs(), (1,), (1,), data=f"{outside}/d.py:f")
    catalogue = Catalogue({"s": Strategy("s", mine / "s.py", "")}, {"m": model})
    options = replace(RunOptions.read({}), import_folders=(mine,), other_python=f"{mine}/python")
    case = Case(Setting("m", 1, 1, Phase.FORWARD), "s")
    shipment = Shipment(Campaign([case], catalogue, options, None, None))
    named = [model.factory, options.other_python, model.data, f"{mine}/s.py"]
    sent = ["/timelift-sent/1/d.py:f", "/timelift-sent/0/s.py"]
    assert translated(named, shipment.there) == [*named[:2], *sent]


def test_a_rival_that_changes_a_model_arrives_as_it_was_sent():
    changed = RivalSpec("changed", "s.py", changes=(LiftChange(1, "/here/fold.py", {"k": 2}),))
    setting = Setting("model", 4, 2, Phase.TRAIN)
    task = Task(setting, (changed,), "m.py:make", LayerInputs(), 1, 0.0, is_model=True)
    sent = json.loads(json.dumps(translated(dataclasses.asdict(task), {"/here": "/far"})))
    assert Task.from_fields(sent).rivals[0].changes == (LiftChange(1, "/far/fold.py", {"k": 2}),)
