"""The other side of a gate: what it is taken from, which cases have one, and why others do not."""

import json
import os
import platform
import sys
from dataclasses import replace

import pytest

from tests.support.projects import commit, git, strategy, workload, write
from timelift.axis_values import Phase
from timelift.case import Case, Setting
from timelift.errors import UserError
from timelift.gate.other_side import of_project, of_python, open_other_side
from timelift.gate.sides import SidesRace
from timelift.journal.lines import Machine
from timelift.measure import machine
from timelift.measure.header import new_header
from timelift.measure.request import RunRequest
from timelift.project import Project


def checkout(root):
    return Project(root, brought=root)


def request(root):
    return RunRequest(checkout(root), {})


def catalogue(root):
    return request(root).catalogue


def case(name="native", of="sensor"):
    return Case(Setting(of, 3, 2, Phase.FORWARD), name)


@pytest.fixture
def sides(tmp_path):
    files = {"strategies/native.py": strategy(), "workloads/sensor.py": workload()}
    return [write(tmp_path / name, files) for name in ("here", "there")]


def paired(sides, *cases):
    """Pair cases of the first folder with the second's; the race and the catalogue."""
    here, there = sides
    race = SidesRace(request(here), of_project("main", checkout(there)))
    race.rivals(cases or [case()])
    return race, race.request.catalogue


def test_a_changed_strategy_has_another_side_in_its_own_folder(sides):
    write(sides[0], {"strategies/native.py": strategy("Another title")})
    race, mine = paired(sides)
    (old,) = race.sides.values()
    assert old == case("native@main")
    rival = mine.rival(old, 1)
    assert rival.path == str(sides[1] / "strategies" / "native.py")
    assert rival.home == str(sides[1])
    assert rival.pair == mine.rival(case(), 1).pair == "native"
    assert rival.factory == ""  # the workload is the same, so both lift one layer
    # a limit that this side hits alone is no chance
    assert mine.rival(case(), 1).patience == 2 * rival.patience


def test_suspects_are_tried_beyond_the_launches_that_screen_every_case(sides):
    race, _ = paired(sides)
    launches = race.options().launches
    assert (launches.fewest, launches.most) == (3, 15)
    assert race.header_entry().screening == 3


@pytest.mark.parametrize("path", ["strategies/native.py", "workloads/sensor.py"])
def test_a_case_is_measured_where_what_either_file_imports_has_changed(sides, path):
    for side in sides:
        text = (side / path).read_text() + "\nimport ours\n"
        write(side, {path: text, "ours.py": ""})
    assert not paired(sides)[0].sides
    write(sides[0], {"ours.py": "1"})
    assert paired(sides)[0].sides


def test_another_step_is_another_question(sides):
    write(sides[0], {"workloads/sensor.py": workload(features=7)})
    race, _ = paired(sides)
    assert "is 3 on main and 7 here" in race.reasons[case()]


def test_new_files_have_no_other_side_and_removed_ones_are_named(sides):
    write(sides[0], {"strategies/mine.py": strategy("Mine"), "workloads/ours.py": workload()})
    write(sides[1], {"strategies/gone.py": strategy("Gone")})
    race, _ = paired(sides, case("mine"), case(of="ours"))
    assert race.reasons[case("mine")] == "new: main has no strategy 'mine'"
    assert race.reasons[case(of="ours")] == "new: main has no workload 'ours'"
    assert (race.header_entry().new, race.header_entry().removed) == (("mine",), ("gone",))


def test_a_revision_is_taken_out_and_the_work_tree_stays_as_it_is(sides):
    here = commit(sides[0])
    write(here, {"strategies/native.py": strategy("Later"), "strategies/new.py": strategy("New")})
    commit(here)
    write(here, {"strategies/native.py": strategy("Not committed")})
    before = git(here, "status", "--porcelain"), git(here, "worktree", "list")
    side = open_other_side("HEAD~1", checkout(here), catalogue(here))
    assert side.commit == git(here, "rev-parse", "HEAD~1").strip()
    assert (side.project.root / "strategies" / "native.py").read_text() == strategy()
    assert side.strategies.keys() == {"native"}
    assert (git(here, "status", "--porcelain"), git(here, "worktree", "list")) == before


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("--help", "expected a revision that git knows here"),
        ("./python", "expected a path that exists, received './python', or name a"),
        ("~nobody-here/x", "expected a path that exists, received '~nobody-here/x'"),
        ("{}/strategies", "expected a project with strategies/ in it"),
    ],
)
def test_an_unknown_side_is_one_sentence(sides, word, sentence):
    here = commit(sides[0])
    with pytest.raises(UserError, match=sentence):
        open_other_side(word.format(here), checkout(here), catalogue(here))


def test_a_file_that_cannot_be_read_there_costs_its_own_cases(sides):
    write(sides[1], {"strategies/native.py": "no = docstring\n"})
    race, _ = paired(sides)
    assert race.reasons[case()].startswith("main: strategies/native.py: lacks a docstring")
    assert race.header_entry().new == ()


def test_a_link_out_of_the_project_is_left_out(sides):
    (sides[0] / "data").symlink_to("/nowhere")
    (sides[0] / "alias").symlink_to("strategies")
    here = commit(sides[0])
    side = open_other_side("HEAD", checkout(here), catalogue(here))
    assert (side.project.root / "alias").is_dir()
    assert not (side.project.root / "data").is_symlink()


def test_a_family_is_not_raced_against_its_variant_and_what_became_one_is_named(sides):
    text = strategy().replace("dtype=None", "dtype=None, *, k=1")
    write(sides[1], {"strategies/native.py": text + "\nVARIANTS = ({'k': 4}, {'k': 8})\n"})
    race, _ = paired(sides)
    assert race.reasons[case()] == "new: main has no strategy 'native'"
    race, _ = paired(sides[::-1], case("native[k=4]"))
    assert race.reasons[case("native[k=4]")] == "new: main has no strategy 'native[k=4]'"
    assert race.header_entry().removed == ("native",)


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


def python_of(folder, command):
    """A script that is called like an interpreter."""
    write(folder, {"python": f"#!/bin/sh\n{command}\n"})
    (folder / "python").chmod(0o755)
    return str(folder / "python")


def test_an_interpreter_in_the_working_folder_is_that_one_and_none_on_path(sides, monkeypatch):
    here = sides[0]
    python_of(here, f'exec {sys.executable} "$@"')
    monkeypatch.chdir(here)
    side = open_other_side("./python", checkout(here), catalogue(here))
    assert side.python == str(here / "python")


@pytest.mark.parametrize("python", ["no/such/python", "true"])
def test_what_is_no_interpreter_is_one_sentence(sides, python):
    with pytest.raises(UserError, match="expected an interpreter"):
        of_python(python, catalogue(sides[0]), checkout(sides[0]))


def test_versions_that_differ_in_another_interpreter_are_its_label_and_in_the_header(sides):
    asked = request(sides[0])
    known = asked.catalogue
    ours = {"python": platform.python_version()}
    ours |= machine.versions(machine.packages(known.backends))
    theirs = ours | {"keras": "99.1", "more": "1"}
    del theirs["numpy"]
    side = of_python(python_of(sides[1], f"echo '{json.dumps(theirs)}'"), known, asked.project)
    assert side.label == "keras 99.1, numpy none, more 1"
    race = SidesRace(asked, side)
    race.rivals([case()])
    pairs = {"keras": ("99.1", ours["keras"]), "numpy": ("none", ours["numpy"])}
    assert race.header_entry().versions == pairs | {"more": ("1", "none")}
    old = python_of(sides[1], f"echo '{json.dumps(ours | {'keras': '2.9'})}'")
    with pytest.raises(UserError, match=r"Keras 3\.4 or newer .*python, received 2\.9"):
        of_python(old, known, asked.project)


def test_an_interpreter_of_the_same_versions_is_raced_all_the_same(sides):
    asked = request(sides[0])
    here = asked.catalogue
    side = of_python(sys.executable, here, asked.project)
    assert (side.label, side.versions) == (sys.executable, {})
    ours, old = SidesRace(asked, side).rivals([case()])
    assert here.rival(old, 1).in_other_python
    assert not here.rival(ours, 1).in_other_python


def test_a_digest_follows_a_layer_in_a_module(sides):
    here, project = sides[0], checkout(sides[0])
    mine = catalogue(here)
    mine.workloads["make"] = replace(mine.workloads["sensor"], factory="models:make")

    def digest(text):
        write(here, {"models.py": text})
        return new_header(project, mine, [case(of="make")], 1, {"": Machine()}).sources["models.py"]

    assert digest("def make(): ...") != digest("def make(): pass")


LAYERS = "import keras\n\n\ndef encoder():\n    return keras.layers.Dense({units})\n"
MINE = '''"""The project's own layer."""

from mine.layers import encoder

FEATURES = (3,)
SEQ_LENS = (3,)
BATCH_SIZES = (2,)


def make_layer():
    return encoder()
'''


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """One of two commits: the layer in src/ has more units, and a strategy came."""
    before = {
        "pyproject.toml": "[project]\nname = 'mine'\n",
        "src/mine/__init__.py": "",
        "src/mine/layers.py": LAYERS.format(units=4),
        "workloads/mine.py": MINE,
        "workloads/same.py": workload(),
    }
    after = {
        "src/mine/layers.py": LAYERS.format(units=5),
        "strategies/native.py": strategy("My own native"),
    }
    root = commit(write(tmp_path_factory.mktemp("users"), before))
    return Project(commit(write(root, after)))


def raced(project, *words, **texts):
    """A race against the commit before, after it matched cases like `native of mine`."""
    race = SidesRace(RunRequest(project, {"against": "HEAD~1"} | texts))
    wanted = [word.split(" of ") for word in words]
    cases = [Case(Setting(layer, 3, 2, Phase.FORWARD), name) for name, layer in wanted]
    race.rivals(cases)
    return race, cases


def test_a_layer_in_src_is_raced_against_itself_as_it_was(project):
    race, (lifted, own) = raced(project, "fold_time of mine", "native of mine")
    there = race.other_side.project
    for here in (lifted, own):
        other = race.sides[here]
        rival = race.request.catalogue.rival(other, 1)
        assert rival.factory == f"{there.root}/workloads/mine.py:make_layer"
        assert rival.home == os.pathsep.join(map(str, (there.root, there.root / "src")))
        assert (there.root / "src/mine/layers.py").read_text() == LAYERS.format(units=4)
        assert race.request.catalogue.rival(here, 1).factory == ""
    paths = {name: one.path for name, one in race.request.catalogue.strategies.items()}
    assert paths["fold_time@HEAD~1"] == paths["fold_time"]
    assert paths["native"] == project.root / "strategies/native.py"
    assert paths["native@HEAD~1"] == project.brought / "strategies/native.py"


def test_the_header_of_the_run_names_the_files_of_both_sides(project):
    race, (lifted, own) = raced(project, "fold_time of mine", "native of mine")
    every = [lifted, own, *race.sides.values()]
    sources = new_header(project, race.request.catalogue, every, 1, {"": Machine()}).sources
    native, fold_time = "strategies/native.py", "timelift/strategies/fold_time.py"
    there = [fold_time, f"timelift/{native}", "workloads/mine.py"]
    here = {fold_time, native, "workloads/mine.py"}
    assert set(sources) == here | {f"HEAD~1: {file}" for file in there}
    assert sources[native] != sources[f"HEAD~1: timelift/{native}"]


@pytest.mark.parametrize("layer", ["mine.layers:encoder", "src/mine/layers.py:encoder"])
def test_a_layer_that_is_named_is_taken_from_its_own_side(project, monkeypatch, layer):
    monkeypatch.chdir(project.root)
    monkeypatch.setattr("timelift.measure.users_layer.look_at", lambda *_: {})  # slow
    race, (named,) = raced(project, "fold_time of encoder", layer=layer, inputs="3")
    rival = race.request.catalogue.rival(race.sides[named], 1)
    there = race.other_side.project.root
    assert rival.factory == (f"{there}/{layer}" if "/" in layer else layer)
    assert rival.home.endswith("/src")
