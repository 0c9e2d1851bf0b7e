"""What a self-test found: exact bounds, sentences, and a file that may hold anything."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as some
from msgspec import structs
from scipy import stats

from tests import journals
from timelift import ended
from timelift.analyse.runs import results
from timelift.analyse.runs.measurement import Run
from timelift.analyse.selftest import trust_file
from timelift.analyse.selftest.score import Proportion
from timelift.analyse.selftest.trust_file import Trust
from timelift.errors import UserError
from timelift.journal import Header, Machine
from timelift.present import ending
from timelift.present.report import trust_in_words

TRUST = Trust(
    schema=1,
    measured="2026-01-02T03:04:05+00:00",
    versions={"keras": "3.15.1", "tensorflow": "2.21.0"},
    settings=12,
    launches=6.5,
    false_alarms=Proportion(1, 1000),
    one_in_n=Proportion(0, 12),
    wrong_way=Proportion(0, 60),
    found={0.05: Proportion(99, 100), -0.05: Proportion(90, 100), 0.02: Proportion(10, 100)},
    seconds_per_verdict=3.25,
)


@given(some.integers(0, 400), some.integers(1, 3000))
def test_the_bound_is_that_of_clopper_and_pearson(hits, tries):
    share = Proportion(min(hits, tries), tries)
    exact = 1.0 if share.hits == tries else stats.beta.ppf(0.95, share.hits + 1, tries - share.hits)
    assert share.at_most == pytest.approx(exact, rel=1e-6)


def test_no_alarm_in_a_thousand_is_not_no_alarm_ever():
    assert Proportion(0, 1000).at_most == pytest.approx(0.003, rel=0.01)
    assert Proportion(0, 0).at_most == 1
    assert math.isnan(Proportion(0, 0).value)


def test_what_is_saved_is_read_again(tmp_path):
    path = ended.save(TRUST, tmp_path)
    assert trust_file.load_trust(path) == TRUST
    assert [one.name for one in tmp_path.iterdir()] == ["trust.json"]


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path):
    path = ended.save(TRUST, tmp_path)
    (tmp_path / ".trust.json.new").mkdir()
    with pytest.raises(UserError, match=r"cannot write .*trust\.json"):
        ended.save(structs.replace(TRUST, settings=1), tmp_path)
    assert trust_file.load_trust(path) == TRUST


WRONG = [
    {"schema": 2},
    {"false_alarms": [2, 1]},
    {"false_alarms": [-1, 1]},
    {"false_alarms": [0, 10**9]},
    {"false_alarms": "10"},
    {"one_in_n": None},
    {"found": {"x": [1, 2]}},
    {"found": [1]},
    {"versions": "3"},
    {"settings": []},
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_a_wrong_file_is_as_good_as_none(tmp_path, wrong):
    path = ended.save(TRUST, tmp_path)
    good = json.loads(path.read_text())
    without = {name: value for name, value in good.items() if name not in wrong}
    for text in (json.dumps(good | wrong), json.dumps(without)):
        path.write_text(text)
        assert trust_file.load_trust(path) is None
    path.write_text(json.dumps(good))
    assert trust_file.load_trust(path) == TRUST


@given(some.binary(max_size=200))
def test_any_bytes_are_as_good_as_none(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("trust") / "trust.json"
    path.write_bytes(data)
    assert trust_file.load_trust(path) is None


def test_a_run_finds_the_self_test_of_its_machine_only(tmp_path):
    folder = tmp_path / "results" / "some-machine" / "selftest"
    folder.mkdir(parents=True)
    ended.save(TRUST, folder)
    for name, found in [
        ("some-machine", TRUST),
        ("other", None),
        ("../results/some-machine", None),
    ]:
        header = journals.header(machine={"name": name})
        path = journals.write(tmp_path / "run.jsonl", header, journals.line(journals.case()))
        assert trust_file.machine_trust(tmp_path / "results", results.load(path)) == found


def test_the_sentence_names_what_has_changed_since():
    def sentence(versions):
        return trust_in_words(
            Run(Header(machine=Machine(drift={"versions": versions})), (), complete=True), TRUST
        )

    same = sentence(TRUST.versions)
    assert "1 false alarm in 1,000 comparisons of identical code (at most 0.47 %)" in same
    assert "+2 % found in 10 %, +5 % found in 99 %" in same
    assert "since" not in same
    assert "since then other keras" in sentence({**TRUST.versions, "keras": "3.16"})


def test_a_part_of_the_sentence_that_is_empty_leaves_no_separator():
    nothing_found = structs.replace(TRUST, found={})
    run = Run(Header(machine=Machine(drift={"versions": TRUST.versions})), (), complete=True)
    assert trust_in_words(run, nothing_found).endswith("(at most 0.47 %)")


def test_a_self_tests_run_is_judged(tmp_path):
    path = journals.selftest(tmp_path / "run.jsonl", launches=8)
    found = trust_file.trust_from_run(results.load(path))
    assert found.false_alarms.tries > 0
    assert found.false_alarms.hits <= 1
    assert found.found[0.1].value == 1
    assert found.wrong_way.hits == 0
    lines = ending.selftest_findings(found, Run(Header(), (), complete=True))
    assert any("identical code was called different in" in line for line in lines)


def test_a_run_without_twins_says_nothing(tmp_path):
    assert (
        trust_file.trust_from_run(results.load(journals.synthetic(tmp_path / "run.jsonl"))) is None
    )
