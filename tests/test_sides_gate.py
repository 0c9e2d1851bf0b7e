"""The other side of a gate: what it is taken from, which cases have one, and why others do not."""

import itertools
import sys
from dataclasses import replace

import pytest

from tests.repositories import commit, git, strategy, workload, write
from timelift.case import Backend, Case, Phase, Setting
from timelift.errors import UserError
from timelift.layer_inputs import LayerInputs
from timelift.measure.campaign_options import CampaignOptions
from timelift.measure.catalogue import Catalogue, read_strategies, read_workloads
from timelift.measure.header import new_header
from timelift.measure.other_side import of_project, of_python, open_other_side, take_out
from timelift.measure.same_code import file_changes
from timelift.measure.sides_gate import SidesGate
from timelift.measure.users_layer import user_workload
from timelift.project import Project, modules_in
from timelift.worker.isolation import imports_from

#: A strategy that is like no other.
STRANGE = '"""Mine."""\n\n\ndef build(layer, shape):\n    return layer\n'


def checkout(root):
    """A checkout of timelift: all that there is lies in it."""
    return Project(root, brought=root)


def catalogue(root):
    there = checkout(root)
    return Catalogue(
        read_strategies(there.strategies.values()), read_workloads(there.workloads.values())
    )


def matched(mine, sides, *cases):
    """A gate that matched cases of the first folder's catalogue with the second's."""
    here, there = map(checkout, sides)
    gate = SidesGate(here, CampaignOptions.read({}), mine, of_project("main", there))
    gate.match(cases)
    return gate


def case(name="native", of="sensor"):
    return Case(Setting(of, 3, 2, Phase.FORWARD), name)


@pytest.fixture
def sides(tmp_path):
    """Two folders that hold the same strategy and workload."""
    files = {"strategies/native.py": strategy(), "workloads/sensor.py": workload()}
    return [write(tmp_path / name, files) for name in ("here", "there")]


def paired(sides, *cases):
    """Pair cases of the first folder with the second's; the gate and the catalogue."""
    mine = catalogue(sides[0])
    return matched(mine, sides, *(cases or [case()])), mine


def test_a_changed_strategy_has_another_side_in_its_own_folder(sides):
    write(sides[0], {"strategies/native.py": strategy("Another title")})
    found, mine = paired(sides)
    (old,) = found.sides.values()
    assert old == case("native@main")
    rival = mine.rival(old, 1)
    assert rival.path == str(sides[1] / "strategies" / "native.py")
    assert rival.home == str(sides[1])
    assert rival.pair == mine.rival(case(), 1).pair == "native"
    assert rival.factory == ""  # the workload is the same, so both lift one layer


def test_the_sides_are_built_first_in_turn(sides):
    write(sides[0], {"strategies/native.py": strategy("Another title")})
    found, mine = paired(sides)
    (old,) = found.sides.values()
    first = [
        (mine.rival(case(), launch).built_first, mine.rival(old, launch).built_first)
        for launch in range(1, 7)
    ]
    assert set(first) == {(True, False), (False, True)}
    assert all(one != following for one, following in itertools.pairwise(first))


def test_what_is_the_same_on_both_sides_is_not_measured(sides):
    found, _ = paired(sides)
    assert not found.sides
    assert found.reasons[case()].startswith("unchanged since main")
    assert list(found.unchanged) == ["native"]


@pytest.mark.parametrize("path", ["strategies/native.py", "workloads/sensor.py"])
def test_a_case_is_measured_where_what_either_file_imports_has_changed(sides, path):
    for side in sides:
        text = (side / path).read_text() + "\nimport ours\n"
        write(side, {path: text, "ours.py": ""})
    assert not paired(sides)[0].sides
    write(sides[0], {"ours.py": "1"})
    assert paired(sides)[0].sides


def test_another_layer_is_lifted_from_its_own_factory(sides):
    write(sides[0], {"workloads/sensor.py": workload(units=5)})
    found, mine = paired(sides)
    (old,) = found.sides.values()
    assert mine.rival(old, 1).factory == f"{sides[1] / 'workloads' / 'sensor.py'}:make_layer"
    assert mine.rival(case(), 1).factory == ""


def test_another_step_is_another_question(sides):
    write(sides[0], {"workloads/sensor.py": workload(features=7)})
    found, _ = paired(sides)
    assert "is 3 on main and 7 here" in found.reasons[case()]


def test_what_is_new_has_no_other_side(sides):
    write(sides[0], {"strategies/mine.py": STRANGE, "workloads/ours.py": workload()})
    found, _ = paired(sides, case("mine"), case(of="ours"))
    assert found.reasons[case("mine")] == "new: main has no strategy 'mine'"
    assert found.reasons[case(of="ours")] == "new: main has no workload 'ours'"
    assert found.file_changes.new == ("mine",)


def test_a_renamed_strategy_is_compared_with_what_it_was(sides):
    write(sides[0], {"strategies/plain.py": strategy("A plain call")})
    (sides[0] / "strategies" / "native.py").unlink()
    found, mine = paired(sides, case("plain"))
    assert found.file_changes.renamed == {"plain": "native"}
    assert mine.strategies["plain@main"].path.stem == "native"


def test_files_that_are_not_alike_are_new_and_gone(tmp_path):
    write(tmp_path, {"a.py": strategy(), "b.py": "x = 1\ny = 2\n"})
    found = file_changes({"a": tmp_path / "a.py"}, {"b": tmp_path / "b.py"})
    assert (found.new, found.removed, found.renamed) == (("a",), ("b",), {})


def test_a_users_layer_is_taken_from_the_other_side_too(sides):
    for side in sides:
        write(side, {"models.py": "def make():\n    return 1\n"})
    write(sides[0], {"models.py": "def make():\n    return 2\n"})
    here = catalogue(sides[0])
    layer = f"{sides[0] / 'models.py'}:make"
    here.workloads["make"] = user_workload(layer, LayerInputs((3,)), Backend.JAX, [])
    (old,) = matched(here, sides, case(of="make")).sides.values()
    assert here.rival(old, 1).factory == f"{sides[1] / 'models.py'}:make"


def test_a_revision_is_taken_out_and_the_work_tree_stays_as_it_is(tmp_path, sides):
    here = commit(sides[0])
    write(here, {"strategies/native.py": strategy("Later"), "strategies/new.py": strategy("New")})
    commit(here)
    write(here, {"strategies/native.py": strategy("Not committed")})
    before = git(here, "status", "--porcelain"), git(here, "worktree", "list")
    found = take_out(here, "HEAD~1", tmp_path / "out")
    assert found == git(here, "rev-parse", "HEAD~1").strip()
    assert (tmp_path / "out" / "strategies" / "native.py").read_text() == strategy()
    assert not (tmp_path / "out" / "strategies" / "new.py").exists()
    assert (git(here, "status", "--porcelain"), git(here, "worktree", "list")) == before


@pytest.mark.parametrize("word", ["--help", "HEAD~9"])
def test_an_unknown_revision_is_one_sentence(tmp_path, sides, word):
    with pytest.raises(UserError, match="expected a revision that git knows here"):
        take_out(commit(sides[0]), word, tmp_path / "out")


def test_a_file_that_cannot_be_read_there_costs_its_own_cases(sides):
    write(sides[1], {"strategies/native.py": "no = docstring\n"})
    found, _ = paired(sides)
    assert found.reasons[case()].startswith("main: strategies/native.py: lacks a docstring")
    assert found.file_changes.new == ()


def test_a_link_out_of_the_project_is_left_out(tmp_path, sides):
    (sides[0] / "data").symlink_to("/nowhere")
    take_out(commit(sides[0]), "HEAD", tmp_path / "out")
    assert (tmp_path / "out" / "strategies").is_dir()
    assert not (tmp_path / "out" / "data").is_symlink()


def test_a_family_is_not_raced_against_one_of_its_variants(sides):
    text = strategy().replace("dtype=None", "dtype=None, *, k=1")
    write(sides[1], {"strategies/native.py": text + "\nVARIANTS = ({'k': 4}, {'k': 8})\n"})
    found, _ = paired(sides)
    assert found.reasons[case()] == "new: main has no strategy 'native'"


def test_a_word_that_git_knows_is_a_revision_and_one_like_a_path_is_a_path(sides, monkeypatch):
    here = commit(sides[0])
    git(here, "branch", "main")
    write(here / "main", {"strategies/native.py": strategy("A folder")})
    write(here / "there", {"strategies/native.py": strategy("Another")})
    monkeypatch.chdir(here)

    def opened(word):
        return open_other_side(word, checkout(here), catalogue(here))

    assert opened("main").commit == git(here, "rev-parse", "main").strip()
    assert opened("main").strategies["native"].title == "One call"
    assert opened("./main").commit == ""
    assert opened("./main").strategies["native"].title == "A folder"
    assert opened("there").strategies["native"].title == "Another"
    assert opened(str(here / "there")).label == "there"
    assert opened(str(sides[1])).label == f"…/{sides[1].name}"
    assert opened(sys.executable).python == sys.executable


def test_an_interpreter_in_the_working_folder_is_that_one_and_none_on_path(sides, monkeypatch):
    here = sides[0]
    write(here, {"python": f'#!/bin/sh\nexec {sys.executable} "$@"\n'})
    (here / "python").chmod(0o755)
    monkeypatch.chdir(here)
    found = open_other_side("./python", checkout(here), catalogue(here))
    assert found.python == str(here / "python")


def test_the_folder_of_no_user_is_one_sentence(sides):
    here = sides[0]
    with pytest.raises(UserError, match="expected a path that exists, received '~nobody-here/x'"):
        open_other_side("~nobody-here/x", checkout(here), catalogue(here))


@pytest.mark.parametrize("python", ["no/such/python", "true", "false"])
def test_what_is_no_interpreter_is_one_sentence(sides, python):
    with pytest.raises(UserError, match="expected an interpreter"):
        of_python(python, catalogue(sides[0]), checkout(sides[0]))


def test_an_interpreter_of_the_same_versions_is_raced_all_the_same(sides):
    project, here = checkout(sides[0]), catalogue(sides[0])
    found = of_python(sys.executable, here, project)
    assert (found.label, found.versions) == (sys.executable, {})
    gate = SidesGate(project, CampaignOptions.read({}), here, found)
    gate.match([case()])
    (old,) = gate.sides.values()
    assert here.rival(old, 1).in_other_python
    assert not here.rival(case(), 1).in_other_python


def test_a_folder_of_data_is_no_module_of_a_project(tmp_path):
    data, code = ["logging.yaml", "json/data.txt"], ["mine.py", "pack/__init__.py"]
    root = write(tmp_path, dict.fromkeys([*data, *code, "src/deep/inner/part.py"], ""))
    assert modules_in([root, root / "src"]) == {"mine", "pack", "deep"}


def test_digests_tell_the_sides_apart_and_follow_a_layer_in_a_module(sides):
    here, project = sides[0], checkout(sides[0])
    write(here, {"strategies/native.py": strategy("Another title")})
    mine = catalogue(here)
    pairs = matched(mine, sides, case()).sides
    before = new_header(project, mine, [*pairs, *pairs.values()], 1).sources
    both = {"strategies/native.py", "main: strategies/native.py"}
    assert set(before) == {*both, "workloads/sensor.py"}
    assert before["strategies/native.py"] != before["main: strategies/native.py"]

    write(here, {"models.py": "def make(): ..."})
    mine.workloads["make"] = replace(mine.workloads["sensor"], factory="models:make")
    of_layer = [case(of="make")]
    before = new_header(project, mine, of_layer, 1).sources
    write(here, {"models.py": "def make(): pass"})
    after = new_header(project, mine, of_layer, 1).sources
    assert before["models.py"] != after["models.py"]


def test_two_revisions_of_one_package_live_side_by_side(tmp_path, monkeypatch):
    for name in ("here", "there"):
        files = {"pack/__init__.py": "", "pack/inner.py": f"VALUE = {name!r}\n"}
        write(tmp_path / name, files)
    monkeypatch.syspath_prepend(tmp_path / "here")
    there = str(tmp_path / "there")

    def value():
        from pack.inner import VALUE

        return VALUE

    assert value() == "here"
    with imports_from(there):
        assert value() == "there"
        first = sys.modules["pack.inner"]
    assert value() == "here"
    with imports_from(there):
        assert value() == "there"
        assert sys.modules["pack.inner"] is first
    assert value() == "here"
    assert there not in sys.path
    for name in ("pack", "pack.inner"):
        sys.modules.pop(name)


def test_a_folder_that_both_sides_search_stays_searched(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    before = list(sys.path)
    with imports_from(str(tmp_path)):
        assert sys.path[:2] == [str(tmp_path), str(tmp_path)]
    assert sys.path == before
