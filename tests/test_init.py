"""`timelift init`: what it writes into a project, what it says, and what it refuses."""

import ast
import subprocess
import sys

import pytest

from tests.projects import environment
from tests.typed import ROOT
from timelift import cli
from timelift.commands import own_workload
from timelift.commands.named_layer import find_layer
from timelift.errors import UserError
from timelift.measure.catalogue import read_workload
from timelift.project import Project

FILES = ["bench/test_lift.py", "workloads/mine.py", ".github/workflows/timelift.yml"]
MODELS = """
import keras
from functools import partial

def make_encoder():
    return keras.layers.Dense(4, activation="relu")

class Encoder: ...
make_other = partial(make_encoder)
try:
    from fast import make_fast
except ImportError:
    def make_slow(): ...
"""


@pytest.fixture(autouse=True)
def asked(monkeypatch):
    """The layers that were asked for their inputs, none of which tells."""
    seen = []

    def ask(factory, _backend, _folders):
        seen.append(factory)
        raise UserError(f"{factory}: there is no such layer here")

    monkeypatch.setattr(own_workload, "ask_layer", ask)
    return seen


@pytest.fixture
def root(tmp_path):
    """A project with a package in a src layout."""
    package = tmp_path / "src" / "mypkg"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('imported')\n")
    (package / "models.py").write_text(MODELS)
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "p"\nversion = "0"\n')
    return tmp_path


def files(root):
    """Every file of a project but those it began with."""
    found = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    return {name for name in found if name in FILES or not name.startswith(("src", "pyproject"))}


def test_three_files_are_written_and_named(root, capsys):
    assert cli.main(["init", "--layer", "mypkg.models:make_encoder", "--inputs", "3"], root) == 0
    assert files(root) == set(FILES)
    said = capsys.readouterr().out
    assert said.startswith(f"in {root}\n")
    assert all(f"  wrote {name}\n" in said for name in FILES)
    assert (
        'add to pyproject.toml:\n  [tool.pytest.ini_options]\n  addopts = "-p timelift.plugin"\n'
        in said
    )
    assert said.endswith("next, type:\n  timelift bench\n")


def test_the_workload_makes_the_layer_that_was_named(root):
    cli.main(["init", "--layer", "mypkg.models:make_encoder", "--inputs", "96,96,3"], root)
    text = (root / "workloads" / "mine.py").read_text()
    assert "from mypkg.models import make_encoder\n" in text
    assert "    return make_encoder()\n" in text
    workload = read_workload(root / "workloads" / "mine.py")
    assert (workload.name, workload.features) == ("mine", (96, 96, 3))


@pytest.mark.parametrize(
    ("words", "unfilled"),
    [
        ([], "FEATURES and make_layer"),
        (["--layer", "mypkg.models:Encoder"], "FEATURES"),
        (["--inputs", "3"], "make_layer"),
    ],
)
def test_what_is_not_known_is_left_to_fill_in(root, capsys, words, unfilled):
    assert cli.main(["init", *words], root) == 0
    assert f"next, fill in {unfilled} in workloads/mine.py, and type:" in capsys.readouterr().out
    ast.parse((root / "workloads" / "mine.py").read_text())
    if "FEATURES" in unfilled:
        assert cli.main(["workloads"], root) == 1
        assert "mine.py: FEATURES is still to fill in" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", ["make_encoder", "Encoder", "make_other", "make_fast", "make_slow"]
)
def test_a_layer_is_found_without_importing_it(root, name):
    assert cli.main(["init", "--layer", f"mypkg.models:{name}"], root) == 0


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("pytest.ini", "[pytest]\npythonpath = lib 'my code'\n"),
        ("pyproject.toml", "[tool.pytest.ini_options]\npythonpath = ['lib', 'my code']\n"),
        ("pyproject.toml", "[tool.pytest.ini_options]\npythonpath = 'lib \"my code\"'\n"),
    ],
)
def test_a_layer_is_found_where_pytest_is_told_to_look(root, capsys, file, text):
    (root / "my code").mkdir()
    (root / "my code" / "own.py").write_text("def make(): ...\n")
    words = ["init", "--layer", "own:make", "--inputs", "3"]
    assert cli.main(words, root) == 1
    assert "found no module 'own'" in capsys.readouterr().err
    (root / file).write_text(text)
    assert cli.main(words, root) == 0


def test_options_of_pytest_that_nobody_can_read_name_no_folder(root, capsys):
    (root / "pytest.ini").write_text("[pytest]\npythonpath = 'lib\n")
    assert cli.main(["init", "--layer", "own:make", "--inputs", "3"], root) == 1
    assert "found no module 'own'" in capsys.readouterr().err


def test_a_layer_of_an_installed_package_is_found(root):
    assert cli.main(["init", "--layer", "json.decoder:JSONDecoder"], root) == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--layer mypkg.models", "--layer: expected module:name, like mypkg.models:make_enco"),
        ("--layer ../models.py:make", "--layer: expected module:name"),
        (
            "--layer mypkg.modles:make_encoder",
            "--layer: found no module 'mypkg.modles' in the project (",
        ),
        ("--layer mypkg.models:model#part:0", "since a file is made of it, received "),
        ("--layer nowhere:make_encoder", "--layer: found no module 'nowhere' in the project ("),
        ("--layer mypkg:make_encoder", "has no 'make_encoder'; known: none"),
        ("--layer mypkg.models:make_encodr", "has no 'make_encodr'; nearest: make_encoder"),
        ("--inputs 3,x", "--inputs: expected the shape of one step"),
    ],
)
def test_a_mistake_is_a_sentence_and_nothing_is_written(root, capsys, words, said):
    assert cli.main(["init", *words.split()], root) == 1
    assert said in capsys.readouterr().err
    assert files(root) == set()
    assert not (root / "bench").exists()


def test_a_module_that_is_no_python_is_a_sentence(root, capsys):
    (root / "damaged.py").write_text("def make(:")
    assert cli.main(["init", "--layer", "damaged:make"], root) == 1
    assert "damaged.py is not valid Python" in capsys.readouterr().err


@pytest.mark.parametrize("there", [FILES[:1], FILES[1:], FILES])
def test_nothing_is_overwritten(root, capsys, there):
    for name in there:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("mine")
    assert cli.main(["init"], root) == 1
    said = capsys.readouterr().err
    assert f"found {', '.join(there)}; nothing was written" in said
    assert files(root) == set(there)
    assert {(root / name).read_text() for name in there} == {"mine"}


def test_what_cannot_be_written_leaves_nothing_behind(root, capsys):
    (root / ".github").write_text("")
    assert cli.main(["init"], root) == 1
    assert "nothing was written" in capsys.readouterr().err
    assert files(root) == {".github"}
    assert not (root / "bench").exists()


def test_timelift_s_own_checkout_is_refused(capsys):
    assert cli.main(["init"], ROOT) == 1
    assert "expected a project of yours" in capsys.readouterr().err


def test_a_folder_of_no_project_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["init"], tmp_path) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first == f"in {tmp_path}, since no folder above it has a pyproject.toml or .git"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (
            "pytest.ini",
            "[pytest]\n",
            "add to pytest.ini:\n  [pytest]\n  addopts = -p timelift.plugin",
        ),
        ("tox.ini", "[pytest]\n", "add to tox.ini:\n  [pytest]\n  addopts = -p timelift.plugin"),
        ("setup.cfg", "[tool:pytest]\n", "add to setup.cfg:\n  [tool:pytest]\n  addopts = -p t"),
        ("pytest.ini", "[pytest]\naddopts = -ra\n", "add to addopts, below [pytest] of pytest.ini"),
        (
            "pytest.ini",
            "[pytest]\naddopts = -p timelift.plugin\n",
            "pytest.ini loads the plugin already",
        ),
        (
            "pyproject.toml",
            '[tool.pytest.ini_options]\naddopts = ["-ra", "-p", "timelift.plugin"]\n',
            "pyproject.toml loads the plugin already",
        ),
        ("pyproject.toml", "[tool.pytest.ini_options\n", "add to pyproject.toml:"),
        (
            "pyproject.toml",
            '[tool.pytest]\ntestpaths = ["tests"]\n',
            'add to pyproject.toml:\n  [tool.pytest]\n  addopts = ["-p", "timelift.plugin"]',
        ),
        (
            "pytest.toml",
            '[pytest]\naddopts = ["-ra"]\n',
            'add to addopts, below [pytest] of pytest.toml:\n  "-p", "timelift.plugin"',
        ),
    ],
)
def test_the_line_to_add_is_that_of_the_project_s_file(root, capsys, name, text, said):
    (root / name).write_text(text)
    assert cli.main(["init"], root) == 0
    assert said in capsys.readouterr().out


@pytest.mark.parametrize("configured", [False, True])
def test_a_plain_pytest_is_said_to_measure_too(root, capsys, configured):
    if configured:
        (root / "pytest.ini").write_text("[pytest]\ntestpaths = tests\n")
    cli.main(["init"], root)
    assert ("without testpaths" in capsys.readouterr().out) is not configured


@pytest.mark.parametrize(
    ("files", "installs"),
    [
        ({}, "'timelift[tensorflow]' --editable .\n"),
        ({"pyproject.toml": "[tool.ruff]\n"}, "'timelift[tensorflow]'\n"),
        ({"pyproject.toml": "[tool.ruff]\n", "setup.py": ""}, " --editable .\n"),
        ({"pyproject.toml": "[", "requirements.txt": ""}, " --requirement requirements.txt\n"),
    ],
)
def test_the_workflow_installs_the_project(root, files, installs):
    for name, text in files.items():
        (root / name).write_text(text)
    cli.main(["init"], root)
    text = (root / ".github" / "workflows" / "timelift.yml").read_text()
    lines = [line for line in text.splitlines(keepends=True) if "pip install" in line]
    assert len(lines) == 2
    assert all(line.endswith(installs) for line in lines)


def test_runs_are_to_be_ignored_by_git(root, capsys):
    cli.main(["init"], root)
    assert ".gitignore" not in capsys.readouterr().out
    for ignored in ("*.pyc\n", "/results/\n"):
        for name in FILES:
            (root / name).unlink()
        (root / ".git").mkdir(exist_ok=True)
        (root / ".gitignore").write_text(ignored)
        cli.main(["init"], root)
        said = "add to .gitignore:\n  results/\n" in capsys.readouterr().out
        assert said is ("results" not in ignored)


def test_a_workflow_below_the_repository_s_top_is_said_not_to_be_read(root, capsys):
    (root / ".git").mkdir()
    part = root / "packages" / "part"
    part.mkdir(parents=True)
    (part / "pyproject.toml").touch()
    assert cli.main(["init"], part) == 0
    said = capsys.readouterr().out
    assert f"GitHub reads workflows of {root} alone" in said
    assert "run in packages/part (defaults: run: working-directory)" in said


DOORS = ["-m timelift bench", "-m pytest bench/ -p timelift.plugin"]


@pytest.mark.parametrize("door", DOORS)
def test_the_question_is_about_the_project_s_layer(root, door):
    (root / "src" / "mypkg" / "__init__.py").write_text("")
    cli.main(["init", "--layer", "mypkg.models:make_encoder", "--inputs", "3"], root)
    command = [sys.executable, *door.split(), "--collect-only", "-q", "--strategies", "native"]
    done = subprocess.run(
        command, cwd=root, env=environment(root), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    cases = [line for line in done.stdout.splitlines() if "::" in line]
    assert len(cases) == 4
    assert all(line.startswith("bench/test_lift.py::test_lift[mine-T") for line in cases)


@pytest.mark.whole
def test_what_init_wrote_is_measured(root):
    (root / "src" / "mypkg" / "__init__.py").write_text("")
    cli.main(["init", "--layer", "mypkg.models:make_encoder", "--inputs", "3"], root)
    words = "--benchmark-disable --strategies native,fold_time --seq-lens 3 --batch-sizes 2"
    done = subprocess.run(
        [sys.executable, "-m", "timelift", "bench", *words.split()],
        cwd=root / "src",
        env=environment(root),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout


@pytest.mark.parametrize(
    ("name", "line"),
    [("pytest.ini", "testpaths = tests"), ("pytest.toml", 'testpaths = ["tests"]')],
)
def test_the_line_about_testpaths_is_that_of_the_file(root, capsys, name, line):
    (root / name).write_text("[pytest]\n")
    cli.main(["init"], root)
    assert f"without {line} there" in capsys.readouterr().out


def test_a_file_of_another_encoding_has_no_options(root, capsys):
    (root / "setup.cfg").write_bytes(b"[metadata]\nauthor = J\xf6rg\n")
    assert cli.main(["init"], root) == 0
    assert "add to " in capsys.readouterr().out


def test_a_long_chain_of_conditions_is_read_once(tmp_path):
    chain = "".join(f"elif K == {one}:\n    def make():\n        inside = 1\n" for one in range(30))
    (tmp_path / "chain.py").write_text(f"if K:\n    make = None\n{chain}")
    assert find_layer("chain:make", Project(tmp_path)).makes
    with pytest.raises(UserError, match="has no 'inside'"):
        find_layer("chain:inside", Project(tmp_path))
