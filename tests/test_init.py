"""`timelift init`: the files that it writes into a user's project, and what they ask."""

import re
from dataclasses import asdict

import pytest

from tests.golden import commands
from tests.support.projects import ROOT, run_module, write
from timelift import cli
from timelift.commands.bench import with_pythonpath
from timelift.inner_layer import LayerInputs, StepTensor
from timelift.measure import users_layer
from timelift.measure.catalogue import read_workload
from timelift.project import Project

WORKFLOWS = [f".github/workflows/{name}.yml" for name in ("timelift", "timelift-comment")]


FILES = ["bench/test_lift.py", "workloads/mine.py", *WORKFLOWS]


SEVERAL = LayerInputs((StepTensor((3, 2), masked=True), StepTensor((), "int32", 6)), ("x", "y"))


WORDS = ["init", "--layer", "mypkg.models:make_encoder"]


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A user's project, whose layer takes three features."""
    inputs = {"inputs": asdict(LayerInputs.of_one((3,)))}
    monkeypatch.setattr(users_layer, "look_at", lambda *_: inputs)
    made = "import keras\n\n\ndef make_encoder():\n    return keras.layers.Dense(4)\n"
    package = {"src/mypkg/__init__.py": "", "src/mypkg/models.py": made}
    about = {"pyproject.toml": '[project]\nname = "p"\nversion = "0"\n'}
    return write(tmp_path, package | about)


def files(mine):
    """Every file of a project but those it began with."""
    paths = {str(path.relative_to(mine)) for path in mine.rglob("*") if path.is_file()}
    return {name for name in paths if not name.startswith(("src", "pyproject"))}


def test_the_files_are_written_with_what_to_add_and_to_type(mine, run_command):
    said = run_command(0, *WORDS, root=mine).out
    assert files(mine) == set(FILES)
    assert said.startswith(f"in {mine}\n")
    assert all(f"  wrote {name}\n" in said for name in FILES)
    assert "-p timelift.plugin" in said
    assert said.endswith("next, type:\n  timelift bench\n")


@pytest.mark.parametrize(
    ("more", "inputs"),
    [
        ([], LayerInputs.of_one((3,))),
        (["--inputs", "int32[60]<1000"], LayerInputs.of_one((60,), "int32", 1000)),
        (["--inputs", "x=float32[3,2]+mask,y=int32[]<6"], SEVERAL),
    ],
)
def test_the_workload_makes_the_layer_that_was_named(mine, more, inputs):
    cli.main([*WORDS, *more], mine)
    assert "from mypkg.models import make_encoder\n" in (mine / FILES[1]).read_text()
    workload = read_workload(mine / FILES[1])
    assert (workload.name, workload.inputs) == ("mine", inputs)


def test_without_a_layer_the_workload_is_left_to_fill_in(mine, run_command):
    words = f"next, fill in FEATURES and make_layer in {FILES[1]}, and"
    assert words in run_command(0, "init", root=mine).out
    refusal = run_command(1, "workloads", root=mine).err
    assert "mine.py: FEATURES is still to fill in" in refusal


@pytest.mark.parametrize(
    ("there", "said"),
    [
        (FILES[:1], f"found {FILES[0]}; nothing was written"),
        (FILES[1:], f"found {', '.join(FILES[1:])}; nothing was written"),
        ([".github"], "nothing was written"),
    ],
)
def test_no_file_is_overwritten_and_a_failure_leaves_nothing(mine, run_command, there, said):
    write(mine, dict.fromkeys(there, "mine"))
    before = sorted(mine.rglob("*"))
    assert said in run_command(1, "init", root=mine).err
    assert sorted(mine.rglob("*")) == before
    assert {(mine / name).read_text() for name in there} == {"mine"}


def test_nothing_is_written_through_a_planted_folder(mine, run_command, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (mine / ".github").symlink_to(outside)
    said = "timelift.yml': a link below '.*' leads out of it; nothing was written"
    assert re.search(said, run_command(1, "init", root=mine).err)
    assert (files(mine), [*outside.iterdir()]) == (set(), [])


def test_timelift_s_own_checkout_is_refused(run_command):
    assert "expected a project of yours" in run_command(1, "init", root=ROOT).err


@pytest.mark.parametrize(
    ("name", "text", "folders"),
    [
        ("pytest.ini", "[pytest]\npythonpath = lib 'my code'\n", ["lib", "my code"]),
        ("pyproject.toml", "[tool.pytest.ini_options]\npythonpath = ['lib']\n", ["lib"]),
        ("pytest.ini", "[pytest]\npythonpath = 'lib\n", []),
    ],
)
def test_modules_are_found_where_pytest_is_told_to_look(mine, name, text, folders):
    (mine / name).write_text(text)
    assert with_pythonpath(Project(mine)).pythonpath == tuple(mine / folder for folder in folders)


def test_the_question_is_about_the_project_s_layer_by_either_door(mine):
    cli.main(WORDS, mine)
    words = "--collect-only -q -p no:cacheprovider --strategies native"
    code, printed, complained = commands.played(mine, f"bench {words}")
    assert code == 0, printed + complained
    done = run_module(mine, *"pytest bench/ -p timelift.plugin".split(), *words.split())
    assert done.returncode == 0, done.stdout + done.stderr
    for said in (printed, done.stdout):
        cases = [line for line in said.splitlines() if "::" in line]
        assert len(cases) == 4
        assert all(line.startswith("bench/test_lift.py::test_lift[mine-T") for line in cases)
