"""Tests are found by what they try: no file of tests needs another, and a name is one sentence."""

import ast
from pathlib import Path

import pytest

FILES = [*Path(__file__).parent.rglob("*.py")]
LONGEST_NAME = 80


def faults(text):
    """Names of tests that are too long, and modules of tests that are imported."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = f"{getattr(node, 'module', None) or ''}."
            names = [f"{module}{alias.name}".lstrip(".") for alias in node.names]
            yield from (name for name in names if name.startswith("tests.test_"))
        elif isinstance(node, ast.FunctionDef) and len(node.name) > LONGEST_NAME:
            yield node.name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_of_tests_needs_no_other_and_its_names_are_short(path):
    assert [*faults(path.read_text(encoding="utf-8"))] == []


def test_an_import_and_a_long_name_are_found():
    long = "test_" + "x" * LONGEST_NAME
    imports = ("from tests.test_x import y", "from tests import test_x", "import tests.test_x")
    text = "\n".join([*imports, f"def {long}(): ...", "def test_short(): ...", "import tests"])
    assert [*faults(text)] == ["tests.test_x.y", "tests.test_x", "tests.test_x", long]
