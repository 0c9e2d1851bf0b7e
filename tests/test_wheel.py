"""The wheel: it has everything, and where no framework is installed it reads runs and reports."""

import platform
import tarfile
import zipfile

import pytest

import timelift
from tests.support import wheels
from tests.support.projects import ROOT
from tests.support.wheels import done, succeed

RUN = next((ROOT / "tests/golden/results").glob("*/*night0*.jsonl"))


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return wheels.build(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def wheel(built):
    return built[0]


@pytest.fixture(scope="module")
def bare(wheel, tmp_path_factory):
    return wheels.environment(tmp_path_factory.mktemp("bare"), wheel)


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
    with tarfile.open(built[1]) as packed:
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
