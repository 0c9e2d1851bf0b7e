"""Two revisions of a user's project, which is no checkout of timelift: what is raced, and why."""

import os

import pytest

from tests.repositories import commit, strategy, workload, write
from timelift.case import Case, Phase, Setting
from timelift.measure.header import new_header
from timelift.measure.options import OPTIONS
from timelift.measure.session import Session
from timelift.project import Project

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
    """One of two commits: the layer in src/ has more units, and a workload and a strategy came."""
    before = {
        "pyproject.toml": "[project]\nname = 'mine'\n",
        "src/mine/__init__.py": "",
        "src/mine/layers.py": LAYERS.format(units=4),
        "workloads/mine.py": MINE,
        "workloads/same.py": workload(),
    }
    after = {
        "src/mine/layers.py": LAYERS.format(units=5),
        "workloads/later.py": workload(),
        "strategies/native.py": strategy("My own native"),
    }
    root = commit(write(tmp_path_factory.mktemp("users"), before))
    return Project(commit(write(root, after)))


def raced(project, *words, **texts):
    """A session against the commit before, after it matched cases like `native of mine`."""
    asked = {option.name: "" for option in OPTIONS} | {"against": "HEAD~1"} | texts
    session = Session(project, asked)
    wanted = [word.split(" of ") for word in words]
    cases = [Case(Setting(layer, 3, 2, Phase.FORWARD), name) for name, layer in wanted]
    session.gate.match(cases)
    return session, cases


def test_a_layer_in_src_is_raced_against_itself_as_it_was(project):
    session, (lifted, own) = raced(project, "fold_time of mine", "native of mine")
    there = session.gate.other_side.project
    for case in (lifted, own):
        other = session.gate.sides[case]
        rival = session.catalogue.rival(other, 1)
        assert rival.factory == f"{there.root}/workloads/mine.py:make_layer"
        assert rival.home == os.pathsep.join(map(str, (there.root, there.root / "src")))
        assert (there.root / "src/mine/layers.py").read_text() == LAYERS.format(units=4)
    paths = {name: one.path for name, one in session.catalogue.strategies.items()}
    assert paths["fold_time@HEAD~1"] == paths["fold_time"]
    assert paths["native"] == project.root / "strategies/native.py"
    assert paths["native@HEAD~1"] == project.packaged("strategies") / "native.py"


def test_what_is_timelift_s_and_what_stayed_is_not_raced(project):
    session, cases = raced(project, "fold_time of same", "native of same", "fold_time of later")
    same, replaced, later = cases
    assert session.gate.reasons[same].startswith("unchanged since HEAD~1")
    assert replaced in session.gate.sides
    assert session.gate.reasons[later] == "new: HEAD~1 has no workload 'later'"


def test_the_header_of_the_run_names_the_file_that_won(project):
    session, (lifted, own) = raced(project, "fold_time of mine", "native of mine")
    sides = session.gate.sides
    every = [lifted, own, sides[lifted], sides[own]]
    assert set(new_header(project, session.catalogue, every, 1).sources) == {
        "timelift/strategies/fold_time.py",
        "strategies/native.py",
        "workloads/mine.py",
        "HEAD~1: timelift/strategies/fold_time.py",
        "HEAD~1: timelift/strategies/native.py",
        "HEAD~1: workloads/mine.py",
    }


def test_a_layer_of_a_module_is_taken_from_its_own_side(project):
    session, (case,) = raced(
        project, "fold_time of encoder", layer="mine.layers:encoder", inputs="3"
    )
    rival = session.catalogue.rival(session.gate.sides[case], 1)
    assert rival.factory == "mine.layers:encoder"
    assert rival.home.endswith("/src")


def test_pytest_s_pythonpath_is_searched_too(tmp_path):
    root = write(tmp_path, {"lib/deep.py": ""})
    found = Project(root, pythonpath=(root / "lib",))
    assert found.import_folders == [root, root / "lib"]
    assert "deep" in found.modules
