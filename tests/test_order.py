"""Tests are found by what they try: no file of tests needs another, and a name is one sentence."""

import ast
from pathlib import Path

import pytest

FILES = [*Path(__file__).parent.rglob("test_*.py")]
LONGEST_NAME = 80


def faults(text):
    """Names of tests that are too long, and modules of tests that are imported."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("tests.test_"):
            yield node.module
        elif isinstance(node, ast.FunctionDef) and len(node.name) > LONGEST_NAME:
            yield node.name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_of_tests_needs_no_other_and_its_names_are_short(path):
    assert [*faults(path.read_text(encoding="utf-8"))] == []


def test_an_import_and_a_long_name_are_found():
    long = "test_" + "x" * LONGEST_NAME
    text = f"from tests.test_cluster import play\ndef {long}(): ...\ndef test_short(): ...\n"
    assert [*faults(text)] == ["tests.test_cluster", long]
