"""`timelift init`: what it writes into a project, what it says, and what it refuses."""

from dataclasses import asdict

import pytest

from tests.projects import ROOT, run_module
from tests.repositories import write
from timelift import cli
from timelift.commands.bench import with_pythonpath
from timelift.inner_layer import LayerInputs, StepTensor
from timelift.measure import users_layer
from timelift.measure.catalogue import read_workload
from timelift.project import Project

FILES = ["bench/test_lift.py", "workloads/mine.py", ".github/workflows/timelift.yml"]
SEVERAL = LayerInputs((StepTensor((3, 2), masked=True), StepTensor((), "int32", 6)), ("x", "y"))
WORDS = ["init", "--layer", "mypkg.models:make_encoder"]


@pytest.fixture(autouse=True)
def described_inputs(monkeypatch):
    inputs = {"inputs": asdict(LayerInputs.of_one((3,)))}
    monkeypatch.setattr(users_layer, "describe", lambda *_: inputs)


@pytest.fixture
def root(tmp_path):
    made = "import keras\n\n\ndef make_encoder():\n    return keras.layers.Dense(4)\n"
    package = {"src/mypkg/__init__.py": "", "src/mypkg/models.py": made}
    about = {"pyproject.toml": '[project]\nname = "p"\nversion = "0"\n'}
    return write(tmp_path, package | about)


def files(root):
    """Every file of a project but those it began with."""
    paths = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    return {name for name in paths if not name.startswith(("src", "pyproject"))}


def test_three_files_are_written_with_what_to_add_and_to_type(root, capsys):
    assert cli.main(WORDS, root) == 0
    assert files(root) == set(FILES)
    said = capsys.readouterr().out
    assert said.startswith(f"in {root}\n")
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
def test_the_workload_makes_the_layer_that_was_named(root, more, inputs):
    cli.main([*WORDS, *more], root)
    assert "from mypkg.models import make_encoder\n" in (root / FILES[1]).read_text()
    workload = read_workload(root / FILES[1])
    assert (workload.name, workload.inputs) == ("mine", inputs)


def test_without_a_layer_the_workload_is_left_to_fill_in(root, capsys):
    assert cli.main(["init"], root) == 0
    assert f"next, fill in FEATURES and make_layer in {FILES[1]}, and" in capsys.readouterr().out
    assert cli.main(["workloads"], root) == 1
    assert "mine.py: FEATURES is still to fill in" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("there", "said"),
    [
        (FILES[:1], f"found {FILES[0]}; nothing was written"),
        (FILES[1:], f"found {', '.join(FILES[1:])}; nothing was written"),
        ([".github"], "nothing was written"),
    ],
)
def test_nothing_is_overwritten_and_what_cannot_be_written_leaves_nothing(
    root, capsys, there, said
):
    write(root, dict.fromkeys(there, "mine"))
    before = sorted(root.rglob("*"))
    assert cli.main(["init"], root) == 1
    assert said in capsys.readouterr().err
    assert sorted(root.rglob("*")) == before
    assert {(root / name).read_text() for name in there} == {"mine"}


def test_timelift_s_own_checkout_is_refused(capsys):
    assert cli.main(["init"], ROOT) == 1
    assert "expected a project of yours" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "text", "folders"),
    [
        ("pytest.ini", "[pytest]\npythonpath = lib 'my code'\n", ["lib", "my code"]),
        ("pyproject.toml", "[tool.pytest.ini_options]\npythonpath = ['lib']\n", ["lib"]),
        ("pytest.ini", "[pytest]\npythonpath = 'lib\n", []),
    ],
)
def test_modules_are_found_where_pytest_is_told_to_look(root, name, text, folders):
    (root / name).write_text(text)
    assert with_pythonpath(Project(root)).pythonpath == tuple(root / folder for folder in folders)


@pytest.mark.parametrize("door", ["timelift bench", "pytest bench/ -p timelift.plugin"])
def test_the_question_is_about_the_project_s_layer(root, door):
    cli.main(WORDS, root)
    done = run_module(root, *door.split(), "--collect-only", "-q", "--strategies", "native")
    assert done.returncode == 0, done.stdout + done.stderr
    cases = [line for line in done.stdout.splitlines() if "::" in line]
    assert len(cases) == 4
    assert all(line.startswith("bench/test_lift.py::test_lift[mine-T") for line in cases)
