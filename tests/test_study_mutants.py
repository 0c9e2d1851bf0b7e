"""Which tests a room's mutants are tried with, and that a sample is drawn anew alike."""

import pytest

from studies import ROOT, mutants
from timelift.errors import UserError


def test_a_room_s_mutants_are_tried_with_the_tests_that_import_it_and_start_no_run():
    tried = mutants.tests_of("analyse", ROOT)
    assert {"tests/test_ranking.py", "tests/test_verdicts.py"} <= set(tried)
    assert not {"tests/test_bench.py", "tests/test_escape.py", "tests/test_study_gate.py"} & set(
        tried
    )
    assert "tests/test_gate_rule.py" in mutants.tests_of("gate", ROOT)


def test_a_seed_draws_the_same_mutants_whatever_order_they_are_told_in():
    names = [f"mutant_{number}" for number in range(50)]
    drawn = mutants.draw(names, 10, seed=3)
    assert drawn == mutants.draw(names[::-1], 10, seed=3) != mutants.draw(names, 10, seed=4)
    assert len(set(drawn)) == 10


def test_a_room_that_is_not_there_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(mutants, "find_spec", lambda _: True)
    with pytest.raises(UserError, match="expected a folder of timelift/, received 'analysis'"):
        mutants.lay_out(tmp_path, "analysis")


def test_a_mutant_that_no_test_sees_is_named():
    became = {"a": "killed", "b": "survived", "c": "timeout", "d": "no tests"}
    assert list(mutants.missed("abcd", became)) == ["b: survived", "d: no tests"]
