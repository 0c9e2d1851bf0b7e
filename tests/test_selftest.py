"""The self-test: which twins race, what was found of them, and a file that may hold anything."""

import dataclasses
import json
import math
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some
from msgspec import structs
from scipy import stats

from tests.support import journals
from tests.support.projects import ROOT, SMALL, project, run_module
from tests.support.simulated import scaled
from timelift.analyse import results
from timelift.analyse.results import Run
from timelift.axis_values import Status
from timelift.case import COPY_SEPARATOR, Case
from timelift.journal.lines import Header, Machine
from timelift.measure.request import Question, RunRequest
from timelift.present.terminal import to_text
from timelift.project import Project
from timelift.selftest.trust import (
    Proportion,
    Trust,
    end_of_selftest,
    load_trust,
    machine_folder,
    machine_trust,
    save_trust,
    trust_from_run,
    trust_in_words,
    twin_groups,
)
from timelift.selftest.twins import TWINS, TwinsRace

NAMES = ("native", "fold_time")
GRID = journals.grid(strategies=NAMES, seq_lens=range(1, 9))
TRUST = Trust(
    schema=1,
    measured="2026-01-02T03:04:05+00:00",
    versions={"keras": "3.15.1", "tensorflow": "2.21.0"},
    settings=12,
    launches=6.5,
    false_alarms=Proportion(1, 1000),
    wrong_way=Proportion(0, 60),
    found={0.05: Proportion(99, 100), -0.05: Proportion(90, 100), 0.02: Proportion(10, 100)},
)


@pytest.fixture
def planted():
    """Sixteen settings of two strategies, turned into a self-test: the cases and the race."""
    race = TwinsRace(RunRequest(Project(ROOT), {}))
    return race.cases(GRID), race


def test_every_setting_has_one_strategy_and_all_its_twins(planted):
    cases, race = planted
    bases = [case for case in cases if COPY_SEPARATOR not in case.strategy]
    assert len(bases) == 16
    assert {case.strategy for case in bases} == set(NAMES)
    for base in bases:
        twins = [case.strategy for case in cases if case.setting == base.setting and case != base]
        assert twins == [f"{base.strategy}{COPY_SEPARATOR}{word}" for word in TWINS]
    again = race.cases(GRID[2:])
    assert set(again) < set(cases)  # a second question about a setting has the same rivals


@pytest.mark.parametrize("asked", ["all", "fold_chunks", ""])
def test_a_second_question_plants_no_twins_of_twins(asked):
    request = RunRequest(Project(ROOT), {"strategies": asked}, TwinsRace.usual_axes)
    race = TwinsRace(request)
    for phase in ("forward", "backward"):
        question = Question({"phases": phase, "modes": "graph,eager"})
        cases = race.cases(request.cases(question))
        assert any(COPY_SEPARATOR not in case.strategy for case in cases)
        assert all(case.strategy.count(COPY_SEPARATOR) <= 1 for case in cases)


def test_a_self_test_measures_the_layer_that_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("timelift.measure.users_layer.look_at", lambda *_: {})  # slow
    (tmp_path / "layers.py").write_text("def make(): ...\n")
    texts = {"layer": f"{tmp_path / 'layers.py'}:make", "inputs": "3"}
    request = RunRequest(Project(tmp_path), texts, TwinsRace.usual_axes)
    cases = request.cases(Question({"phases": "forward", "modes": "eager"}))
    assert {case.setting.workload for case in cases} == {"make"}


def test_copies_come_from_paths_of_their_own_and_the_others_are_slower(planted):
    cases, catalogue = planted[0], planted[1].request.catalogue
    setting = next(case.setting for case in cases if case.strategy == "native")
    native = catalogue.strategies["native"]
    twins = [catalogue.strategies[f"native{COPY_SEPARATOR}{word}"] for word in TWINS]
    copies = [twin for twin in twins if twin.path != native.path]
    assert len({twin.path for twin in copies}) == len(copies) == 3
    assert all(twin.path.read_text() == native.path.read_text() for twin in copies)
    for twin in twins:
        assert (twin.copy_of, twin.planted) == ("native", 0.0 if twin in copies else 0.05)
        rival = catalogue.rival(Case(setting, twin.name), 1)
        assert (rival.slower, rival.built_first) == (twin.planted, False)
    assert catalogue.rival(Case(setting, "native"), 1).slower == 0
    assert not catalogue.entry("native").copy_of


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "selftest.jsonl"
    return results.load(journals.selftest(path, sizes=2, launches=8))


def names_of(group):
    return [rival.case.strategy for rival in group.rivals]


def test_every_strategy_meets_its_twins_in_every_setting(run):
    groups = twin_groups(run)
    firsts = [(group.rivals[0].case.setting.seq_len, names_of(group)[0]) for group in groups]
    assert firsts == [(1, "loop_slice"), (1, "native"), (2, "loop_slice"), (2, "native")]
    for group in groups:
        base, *twins = names_of(group)
        assert twins == sorted(f"{base}@{word}" for word in TWINS)
        assert group.slower == (0.0, *(TWINS[twin.partition("@")[2]] for twin in twins))
        assert len({rival.case.setting for rival in group.rivals}) == 1


def test_a_rival_without_samples_takes_no_part(run):
    lost = {"native@copy_1": Status.CRASHED, "loop_slice": Status.TIMED_OUT}
    measurements = tuple(
        dataclasses.replace(one, status=lost.get(one.case.strategy, one.status))
        for one in run.measurements
    )
    groups = twin_groups(dataclasses.replace(run, measurements=measurements))
    assert [names_of(group)[0] for group in groups] == ["native", "native"]
    assert {len(group.rivals) for group in groups} == {len(TWINS)}


@pytest.mark.parametrize("wrong", [{"of": "nobody"}, {"of": "native@copy_1"}], ids=str)
def test_a_twin_of_a_wrong_entry_is_left_out(run, wrong):
    fields = run.header.fields()
    fields["strategies"]["native@+5%_1"]["planted"] |= wrong
    header = msgspec.convert(fields, Header)
    groups = twin_groups(dataclasses.replace(run, header=header))
    names = {name for group in groups for name in names_of(group)}
    assert "native@+5%_1" not in names
    assert len(names) == 2 * (1 + len(TWINS)) - 1


def slowed(run, name, factor):
    measurements = [
        scaled(it, factor) if it.case.strategy == name else it for it in run.measurements
    ]
    return dataclasses.replace(run, measurements=tuple(measurements))


def test_a_copy_that_differs_is_a_false_alarm_beside_each_of_its_kind(run):
    trust = trust_from_run(slowed(run, "native@copy_1", 1.2))
    assert trust.false_alarms.hits >= 6


def test_a_planted_effect_that_is_called_faster_is_the_wrong_way_round(run):
    trust = trust_from_run(slowed(run, "native@+5%_1", 0.8))
    assert trust.wrong_way == Proportion(2, 12)
    assert trust.found == {0.05: Proportion(10, 12)}
    assert trust.false_alarms.tries == 4 * math.comb(4, 2)
    assert trust.false_alarms.hits <= 1


@given(some.integers(0, 400), some.integers(0, 3000))
def test_the_bound_is_that_of_clopper_and_pearson(hits, tries):
    share = Proportion(min(hits, tries), tries)
    exact = 1.0 if share.hits == tries else stats.beta.ppf(0.95, share.hits + 1, tries - share.hits)
    assert share.at_most == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize("field", [field.name for field in structs.fields(Trust)])
@pytest.mark.parametrize("wrong", [None, [2, 1], [0, 10**9], {"x": [1, 2]}], ids=str)
def test_what_is_saved_is_read_again_and_a_wrong_file_is_as_good_as_none(tmp_path, field, wrong):
    path = save_trust(TRUST, tmp_path)
    good = json.loads(path.read_text()) | {"seconds_per_verdict": 3.2}  # of older self-tests
    path.write_text(json.dumps(good))
    assert load_trust(path) == TRUST
    for text in (json.dumps(good | {field: wrong}), json.dumps(good)[:-1], "\0"):
        path.write_text(text)
        assert load_trust(path) is None


@pytest.fixture
def state(tmp_path, monkeypatch):
    """A user's state folder in which no machine has been tested."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


def run_on(name, **versions):
    machine = Machine(name=name, drift={"versions": TRUST.versions | versions})
    return Run(Header(machine=machine), (), complete=True)


def test_a_run_finds_the_self_test_of_its_machine_only(state):
    save_trust(TRUST, machine_folder("some-machine"))
    save_trust(TRUST, state / "results" / "tested-before" / "selftest")
    nowhere = ("other", "../timelift/some-machine", "a" * 300, "..", "", "a\x00b", "/")
    names = dict.fromkeys(("some-machine", "tested-before"), TRUST) | dict.fromkeys(nowhere)
    for name, trust in names.items():
        assert machine_trust(state / "results", run_on(name)) == trust


def test_of_several_self_tests_the_last_of_the_same_versions_counts_or_else_the_last(state):
    later = structs.replace(TRUST, found={}, measured="2026-02-01")
    other = structs.replace(TRUST, versions={"keras": "4.0"}, measured="2026-03-01")
    save_trust(TRUST, state / "a" / "selftest")
    for trust in (other, later):
        save_trust(trust, machine_folder("a"))
    for versions, trust in (({}, later), ({"keras": "4.0"}, other), ({"keras": "5.0"}, other)):
        assert machine_trust(state, run_on("a", **versions)) == trust


def test_the_sentence_names_what_has_changed_since():
    def sentence(trust, **others):
        return trust_in_words(run_on("a", **others), trust)[1]

    assert "since" not in sentence(TRUST)
    assert "since then other keras" in sentence(TRUST, keras="3.16")
    assert sentence(structs.replace(TRUST, found={})).endswith("(at most 0.47 %)")


def end(path):
    """The end of a self-test, whose findings are stored beside its journal."""
    return to_text(end_of_selftest(results.load(path), path.parent))


def test_a_self_test_that_is_not_over_is_not_kept(tmp_path):
    path = journals.selftest(tmp_path / "run.jsonl", launches=5)
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    assert end(path).startswith("provisional: ")
    assert end(path).endswith("not stored, since the run did not end\n")
    few = end(journals.selftest(tmp_path / "few.jsonl", launches=2))
    assert "not stored, since 3 launches a rival are needed" in few
    assert not list(tmp_path.glob("trust*"))


def test_a_self_test_that_tells_less_does_not_take_the_place_of_one_that_tells_more(tmp_path):
    large = journals.selftest(tmp_path / "large.jsonl", sizes=6, launches=3)
    small = journals.selftest(tmp_path / "small.jsonl", sizes=1, launches=3)
    end(large)
    (stored,) = tmp_path.glob("trust*")
    kept = stored.read_text()
    assert "which rests on more comparisons" in " ".join(end(small).split())
    assert stored.read_text() == kept
    stored.unlink()
    assert "from now on" in " ".join(end(small).split())


def test_a_self_test_without_twins_has_no_result(tmp_path):
    path = journals.synthetic(tmp_path / "run.jsonl")
    assert "so there is no result" in end(path)
    assert not list(tmp_path.glob("trust*"))


def test_what_a_self_test_found_is_told_where_it_cannot_be_kept(tmp_path):
    path = journals.selftest(tmp_path / "run.jsonl", launches=5)
    stored = save_trust(trust_from_run(results.load(path)), tmp_path)
    stored.unlink()
    stored.mkdir()
    said = end(path)
    assert said.startswith("Identical code was called different in ")
    assert re.search(r"not stored: cannot write .*trust-\w+\.json", said.replace("\n", ""))


@pytest.mark.parametrize(
    ("results", "where"), [("", "timelift/a/selftest"), ("kept", "kept/a/selftest")]
)
def test_a_self_test_is_the_machines_unless_a_folder_is_named(state, results, where):
    race = TwinsRace(RunRequest(Project(state), {"results": results}))
    assert race.journal_folder("a") == state / where


def test_a_self_test_races_a_strategy_against_its_twins(tmp_path, state):
    folder = project(tmp_path / "project", ("native",))
    words = "--strategies native --launches 3 --modes graph".split()
    done = run_module(folder, "timelift", "selftest", "bench/test_forward.py", *SMALL, *words)
    assert f"{1 + len(TWINS)} passed" in done.stdout
    assert "provisional" not in done.stdout
    (false_alarms,) = re.findall(r"called different in (\d) of 6 comparisons", done.stdout)
    assert not (folder / "results").exists()
    (journal,) = state.glob("timelift/*/selftest/*.jsonl")
    run = results.load(journal)
    assert run.header.strategies["native@+5%_1"].planted.slower == 0.05
    assert run.header.strategies["native"].planted is None
    assert str(tmp_path) not in journal.read_text()
    trust = machine_trust(folder / "results", run)
    assert trust.false_alarms == Proportion(int(false_alarms), 6)
    assert int(false_alarms) <= 2  # twins are equal; load may set two of six apart
    assert f"from now on:\n  {journal.parent}\n" in done.stdout
