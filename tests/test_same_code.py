"""Which code is the same on both sides of a gate: a file, and what it imports of its project."""

from pathlib import Path

import pytest

from tests.repositories import write
from timelift.gate.same_code import SameCode
from timelift.project import Project

FILES = {
    "mine.py": "import keras\nfrom ours import inner\n",
    "ours/__init__.py": "",
    "ours/inner.py": "from .deep.part import Layer\n",
    "src/ours/deep/part.py": "from ours.deep import part\nimport numpy.linalg\n",
    "data.csv": "1",
}


@pytest.fixture
def sides(tmp_path):
    return [write(tmp_path / name, FILES | {"src/empty.txt": ""}) for name in ("here", "there")]


def is_same(sides, name="mine.py"):
    here, there = sides
    return SameCode(Project(here), Project(there)).of_files(here / name, there / name)


@pytest.mark.parametrize(
    "path", ["mine.py", "ours/__init__.py", "ours/inner.py", "src/ours/deep/part.py"]
)
def test_a_byte_of_a_module_that_is_imported_anywhere_is_a_change(sides, path):
    write(sides[0], {path: FILES[path] + "\n"})
    assert not is_same(sides)


def test_other_files_of_the_project_and_files_of_data_are_not_looked_at(sides):
    write(sides[0], {"data.csv": "2", "other.py": "new", "ours/other.py": "new"})
    assert is_same(sides)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("import ours.gone", False),
        ("from ours import *", False),
        ("from ours.inner import *", True),
        ("__import__('ours')", False),
        ("run = eval", False),
        ("from importlib import import_module", False),
        ("import importlib.metadata", True),
        ("import importlib\nimportlib.import_module('ours')", False),
        ("import runpy", False),
        ("import sys\nsys.path.append('lib')", False),
        ("import sys as s\ns.path.insert(0, 'lib')", False),
        ("from sys import path as p", False),
        ("from sys import *\npath.append('lib')", False),
        ("import torch\ntorch.nn.Linear(2, 2).eval()", True),
        ("def broken(:", False),
        ("import not_installed", True),
    ],
)
def test_what_is_lost_or_imported_by_no_statement_counts_as_changed(sides, text, same):
    for side in sides:
        write(side, {"ours/inner.py": text})
    assert is_same(sides) == same


def test_a_module_that_moved_to_another_folder_is_the_same_and_one_that_hides_it_is_not(sides):
    write(sides[0], {"src/ours/inner.py": FILES["ours/inner.py"]})
    assert not is_same(sides)
    (sides[0] / "ours" / "inner.py").unlink()
    assert is_same(sides)


def test_a_module_is_followed_like_a_file(sides):
    same = SameCode(*map(Project, sides))
    assert same.of_module("ours.inner")
    assert same.of_module("keras")
    write(sides[0], {"src/ours/deep/part.py": ""})
    assert not same.of_module("ours.inner")


def test_what_is_compiled_and_lies_in_the_project_counts_as_changed(sides):
    for side in sides:
        write(side, {"ours/inner.py": "import fast", "fast.so": ""})
    assert not is_same(sides)


def test_a_module_that_cannot_be_read_counts_as_changed(sides, monkeypatch):
    def read_bytes(path):
        if path.name == "part.py":
            raise PermissionError(path)
        return path.open("rb").read()

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    assert not is_same(sides)
    assert not SameCode(*map(Project, sides)).of_module("ours.inner")
