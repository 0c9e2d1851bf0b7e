"""Planted faults: each can be planted, the test that sees it is named, and a survivor is exit 1."""

import ast
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from studies import mutations
from studies.faults import FAULTS, Fault
from tests import repositories

ROOT = Path(__file__).parent.parent
PRODUCT = """def price(seconds, calls):
    # what one call costs
    return seconds / calls
"""
TESTS = {
    "tests/test_price.py": (
        "import product\ndef test_price():\n    assert product.price(6, 3) == 2\n"
    ),
    "tests/test_broken.py": "import product\nproduct.no_such_name\n",
    "tests/test_wrong.py": "def test_wrong():\n    assert False\n",
    "tests/test_setup.py": (
        "import product\nimport pytest\n"
        "@pytest.fixture\ndef price():\n    return product.price(6, 3) // 1\n"
        "def test_price(price):\n    assert price == 2\n"
    ),
}
UPSIDE_DOWN = Fault(
    "shop",
    "a price upside down",
    "product.py",
    "seconds / calls",
    "calls / seconds",
    ("tests/test_price.py",),
)


@pytest.fixture
def shop(tmp_path):
    """A checkout of one module, whose tests see some faults and not others."""
    root = tmp_path / "shop"
    repositories.write(root, {"product.py": PRODUCT, **TESTS})
    repositories.commit(root)
    (root / "conftest.py").write_text("raise AssertionError('no tracked file')")
    return root


@pytest.fixture
def study(shop, monkeypatch):
    """The study of that checkout, with these faults in the place of the product's."""
    monkeypatch.setattr(mutations, "ROOT", shop)

    def run(*faults, words=()):
        monkeypatch.setattr(mutations, "FAULTS", faults)
        return mutations.main([*words])

    return run


def test_every_fault_can_be_planted():
    rotten = [(one.what, one.count(ROOT)) for one in FAULTS if one.count(ROOT) != 1]
    assert rotten == []
    for one in FAULTS:
        text = (ROOT / one.path).read_text()
        assert ast.dump(ast.parse(one.planted(ROOT))) != ast.dump(ast.parse(text)), one.what


def test_every_room_has_faults_and_every_fault_has_tests():
    assert min(Counter(one.room for one in FAULTS).values()) >= 3
    assert max(Counter(one.what for one in FAULTS).values()) == 1
    missing = {test for one in FAULTS for test in one.tests if not (ROOT / test).is_file()}
    assert missing == set()


def test_a_fault_that_a_test_sees_is_caught_and_the_test_is_named(study, shop, capsys):
    assert study(UPSIDE_DOWN) == 0
    row = capsys.readouterr().out.splitlines()[-1]
    assert row.startswith("shop ")
    assert "a price upside down" in row
    assert "tests/test_price.py::test_price" in row
    assert (shop / "product.py").read_text() == PRODUCT


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"right": "what one call costs", "wrong": "what a call costs"}, "it survives"),
        pytest.param(
            {"right": "seconds * calls"},
            "its text stands 0 times in product.py",
            marks=pytest.mark.study,
        ),
        pytest.param(
            {"right": "calls"}, "its text stands 2 times in product.py", marks=pytest.mark.study
        ),
        pytest.param(
            {"path": "products.py"},
            "its text stands 0 times in products.py",
            marks=pytest.mark.study,
        ),
        pytest.param(
            {"wrong": "seconds / / calls"},
            "the tests do not run (exit code 2)",
            marks=pytest.mark.study,
        ),
        pytest.param(
            {"wrong": "seconds // 0", "tests": ("tests/test_setup.py",)},
            "do not run (exit code 1)",
            marks=pytest.mark.study,
        ),
    ],
)
def test_a_fault_that_no_test_sees_is_exit_1(study, capsys, changed, said):
    assert study(UPSIDE_DOWN, replace(UPSIDE_DOWN, what="another", **changed)) == 1
    told = capsys.readouterr().err
    assert told.startswith("shop another nothing: ")
    assert said in told
    assert told.count("\n") == 1


@pytest.mark.study
def test_tests_that_do_not_end_are_a_catch_that_is_told(study, monkeypatch, capsys):
    monkeypatch.setattr(mutations, "PATIENCE", 5.0)
    hangs = replace(UPSIDE_DOWN, wrong="__import__('time').sleep(600)")
    assert study(hangs) == 0
    assert "tests that do not end" in capsys.readouterr().out


@pytest.mark.study
@pytest.mark.parametrize("tests", ["tests/test_wrong.py", "tests/test_broken.py", "tests/no.py"])
def test_tests_that_fail_without_a_fault_are_exit_1(study, capsys, tests):
    assert study(replace(UPSIDE_DOWN, tests=(tests,))) == 1
    assert f"{tests}: wrong: expected at most 0, found 1" in capsys.readouterr().err


@pytest.mark.study
def test_one_room_can_be_asked_for_and_an_unknown_one_is_a_sentence(study, capsys):
    other = replace(UPSIDE_DOWN, room="yard", what="another")
    assert study(UPSIDE_DOWN, other, words=["--room", "yard"]) == 0
    rows = capsys.readouterr().out
    assert "another" in rows
    assert "a price upside down" not in rows
    assert study(UPSIDE_DOWN, other, words=["--room", "yart"]) == 1
    assert "unknown room 'yart'; nearest: yard" in capsys.readouterr().err


def test_without_a_repository_nothing_is_copied(tmp_path, study, monkeypatch, capsys):
    monkeypatch.setattr(mutations, "ROOT", tmp_path)
    (tmp_path / "product.py").write_text(PRODUCT)
    assert study(UPSIDE_DOWN) == 1
    assert "expected a git checkout" in capsys.readouterr().err
