"""Whether code is the same on two sides: what is imported anywhere, and what no one can follow."""

from pathlib import Path

import pytest

from tests.support.projects import write
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
def trees(tmp_path):
    return [write(tmp_path / name, FILES | {"src/empty.txt": ""}) for name in ("here", "there")]


def is_same(trees, name="mine.py"):
    here, there = trees
    return SameCode(Project(here), Project(there)).of_files(here / name, there / name)


@pytest.mark.parametrize("path", [name for name in FILES if name.endswith(".py")])
def test_a_byte_of_a_module_that_is_imported_anywhere_is_a_change(trees, path):
    write(trees[0], {path: FILES[path] + "\n"})
    assert not is_same(trees)


def test_other_files_of_the_project_and_files_of_data_are_not_looked_at(trees):
    write(trees[0], {"data.csv": "2", "other.py": "new", "ours/other.py": "new"})
    assert is_same(trees)


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
def test_what_is_lost_or_imported_by_no_statement_counts_as_changed(trees, text, same):
    for side in trees:
        write(side, {"ours/inner.py": text})
    assert is_same(trees) == same


def test_a_module_that_moved_is_the_same_and_one_that_hides_it_is_not(trees):
    write(trees[0], {"src/ours/inner.py": FILES["ours/inner.py"]})
    assert not is_same(trees)
    (trees[0] / "ours" / "inner.py").unlink()
    assert is_same(trees)


def test_a_module_is_followed_like_a_file(trees):
    same = SameCode(*map(Project, trees))
    assert same.of_module("ours.inner")
    assert same.of_module("keras")
    write(trees[0], {"src/ours/deep/part.py": ""})
    assert not same.of_module("ours.inner")


def test_what_is_compiled_and_lies_in_the_project_counts_as_changed(trees):
    for side in trees:
        write(side, {"ours/inner.py": "import fast", "fast.so": ""})
    assert not is_same(trees)


def test_a_module_that_cannot_be_read_counts_as_changed(trees, monkeypatch):
    def read_bytes(path):
        if path.name == "part.py":
            raise PermissionError(path)
        return path.open("rb").read()

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    assert not is_same(trees)
    assert not SameCode(*map(Project, trees)).of_module("ours.inner")
