"""The end of a self-test: what it found, and that it is kept."""

import pytest

from tests import journals
from timelift.analyse import results
from timelift.errors import UserError
from timelift.selftest import end_of_selftest


def end(path):
    """The lines at the end of a self-test, whose findings are stored beside its journal."""
    return end_of_selftest(results.load(path), path.parent)


def test_the_end_of_a_self_test_keeps_what_it_found(tmp_path):
    path = journals.selftest(tmp_path / "run.jsonl", launches=5)
    lines = list(end(path))
    assert lines[0].startswith("identical code was called different in ")
    assert (tmp_path / "trust.json").exists()


def test_a_self_test_that_tells_less_does_not_take_the_place_of_one_that_tells_more(tmp_path):
    large = journals.selftest(tmp_path / "large.jsonl", sizes=6, launches=3)
    small = journals.selftest(tmp_path / "small.jsonl", sizes=1, launches=3)
    list(end(large))
    kept = (tmp_path / "trust.json").read_text()
    assert any("which rests on more comparisons" in line for line in end(small))
    assert (tmp_path / "trust.json").read_text() == kept
    list(end(large))
    (tmp_path / "trust.json").write_text(kept.replace("3.15.1", "3.14.0"))
    assert any("from now on" in line for line in end(small))


@pytest.mark.parametrize("strategies", [("native",), ("native", "fold_time")])
def test_a_self_test_without_twins_has_no_result(tmp_path, strategies):
    cases = journals.grid(strategies=strategies)
    path = journals.synthetic(tmp_path / "run.jsonl", cases)
    (line,) = end(path)
    assert line.endswith("so there is no result")
    assert not (tmp_path / "trust.json").exists()


def test_what_a_self_test_found_is_told_where_it_cannot_be_kept(tmp_path):
    path = journals.selftest(tmp_path / "run.jsonl", launches=5)
    (tmp_path / "trust.json").mkdir()
    lines = end(path)
    assert next(lines).startswith("identical code was called different in ")
    with pytest.raises(UserError, match="cannot write"):
        list(lines)
