"""The wheel: it has everything, and where no framework is installed it reads runs and reports.

Environments are fresh ones: the packages that the wheel's metadata requires are linked from this
environment into them, and no others, so a requirement that is left out is missed.
"""

import importlib.metadata
import os
import platform
import subprocess
import sys
import tarfile
import venv
import zipfile
from email.parser import Parser

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import timelift
from tests.support import engines
from tests.support.projects import ROOT, commit, records_of, write

PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")
RUN = next((ROOT / "tests/golden/results").glob("*/*night0*.jsonl"))


def done(words, folder, **variables):
    """Run a program in a folder, without what would lead it back to this checkout."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        env=kept | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def succeed(words, folder):
    told = done(words, folder)
    assert told.returncode == 0, told.stdout + told.stderr
    return told.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    how = ("--target", "wheel", "--target", "sdist", "--directory", folder)
    succeed([sys.executable, "-m", "hatchling", "build", *how], ROOT)
    return folder


@pytest.fixture(scope="module")
def wheel(built):
    (path,) = built.glob("*.whl")
    return path


def required(requirements, extra="", seen=None):
    """Distributions that requirements ask for in this environment, and what those require."""
    seen = {} if seen is None else seen
    for wanted in map(Requirement, requirements):
        asked = not wanted.marker or any(
            wanted.marker.evaluate({"extra": one}) for one in ("", extra)
        )
        name = canonicalize_name(wanted.name)
        if asked and name not in seen:
            found = seen[name] = importlib.metadata.distribution(wanted.name)
            required(found.requires or (), "", seen)
    return seen


def environment(folder, wheel, extra=""):
    venv.create(folder, with_pip=False, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as packed:
        (metadata,) = (name for name in packed.namelist() if name.endswith("/METADATA"))
        told = Parser().parsestr(packed.read(metadata).decode())
    for found in required(told.get_all("Requires-Dist"), extra).values():
        tops = {path.parts[0] for path in found.files} - {"..", "__pycache__"}
        for top in tops:
            (site / top).symlink_to(found.locate_file(top))
    where = ("--python", folder / "bin" / "python", "install", "--no-deps", "--no-index")
    succeed([*PIP, *where, wheel], folder)
    return folder / "bin"


@pytest.fixture(scope="module")
def bare(wheel, tmp_path_factory):
    return environment(tmp_path_factory.mktemp("bare"), wheel)


def test_every_strategy_workload_and_question_is_in_the_wheel(wheel):
    with zipfile.ZipFile(wheel) as packed:
        inside = {name: packed.read(name) for name in packed.namelist()}
    for folder in ("bench", "strategies", "workloads"):
        place = f"timelift/{folder}/"
        ours = {place + path.name: path.read_bytes() for path in (ROOT / folder).glob("*.py")}
        assert {name: text for name, text in inside.items() if name.startswith(place)} == ours
    tops = {name.partition("/")[0] for name in inside}
    assert "timelift/py.typed" in inside  # by which a user's mypy takes our types
    assert {top for top in tops if not top.endswith(".dist-info")} == {"timelift"}


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this is no checkout of git")
def test_the_sdist_has_every_file_of_the_repository_so_that_its_tests_pass_there(built):
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as packed:
        inside = {name.partition("/")[2] for name in packed.getnames()}
    assert set(succeed(["git", "ls-files"], ROOT).splitlines()) - inside == set()


def test_a_run_is_reported_where_no_framework_is_installed(bare, tmp_path):
    for name in ("tensorflow", "keras", "jax", "torch"):
        assert done([bare / "python", "-c", f"import {name}"], tmp_path).returncode == 1
    versions = succeed([bare / "timelift", "--version"], tmp_path)
    assert versions == f"timelift {timelift.__version__}\nPython {platform.python_version()}\n"
    assert "native" in succeed([bare / "timelift", "report", RUN, "--output", "page"], tmp_path)
    page = (tmp_path / "page" / "index.html").read_text()
    assert "def units(layer):" in page
    assert [path.name for path in tmp_path.iterdir()] == ["page"]


def test_measuring_is_refused_in_a_sentence_where_no_backend_is_installed(bare, tmp_path):
    words = "bench --workloads sensor --strategies native --seq-lens 4 --batch-sizes 2".split()
    told = done([bare / "timelift", *words, "-p", "no:cacheprovider"], tmp_path)
    assert told.returncode != 0
    said = told.stdout + told.stderr
    assert "install it with: pip install keras tensorflow, or jax or torch" in said
    assert "Traceback" not in said
    assert not (tmp_path / "results").exists()


MODELS = """
import keras
from mine.parts import UNITS

encoder = keras.Sequential([keras.Input((6,)), keras.layers.Dense(UNITS)])
"""
SMALL = "--launches 2 --seq-lens 4 --batch-sizes 2 --strategies fold_time,native"


@pytest.mark.whole
@pytest.mark.usefixtures("own_lock")
def test_a_layer_is_measured_reported_and_chosen_for_in_a_project_of_one_s_own(wheel, tmp_path):
    engines.skip_without("tensorflow")
    timelift = environment(tmp_path / "measuring", wheel, "tensorflow") / "timelift"
    files = {"pyproject.toml": "", "src/mine/__init__.py": "", "src/mine/parts.py": "UNITS = 3"}
    users = commit(write(tmp_path / "users", files | {"src/mine/models.py": MODELS}))
    layer = ("--layer", "mine.models:encoder", "--phases", "forward")
    said = succeed([timelift, "bench", *layer, *SMALL.split()], users / "src")
    assert "encoder" in said
    header = records_of(users)[0]
    assert header["options"]["inputs"] == "6"
    assert set(header["sources"]) == {
        "timelift/strategies/fold_time.py",
        "timelift/strategies/native.py",
        "src/mine/models.py",
    }
    assert "encoder" in succeed([timelift, "report"], users)
    assert (users / "results/report/index.html").exists()
    choose = (timelift, "choose", "--workloads", "encoder", "--seq-lens", "4", "--batch-sizes", "2")
    told = done([*choose, "--phases", "forward"], users)  # 2: so short a run may decide nothing
    assert told.returncode in {0, 2}
    assert told.stdout.startswith("encoder-T4-B2-forward-graph: ")
