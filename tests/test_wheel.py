"""The wheel: it has everything, and where no framework is installed it reads runs and reports.

The environment is a fresh one: the packages that the wheel's metadata requires are linked from this
environment into it, and no others, so a requirement that is left out is missed.
"""

import importlib.metadata
import os
import subprocess
import sys
import venv
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
RUN = next((ROOT / "tests/golden/results").glob("*/*night0*.jsonl"))
FOLDERS = ("bench", "strategies", "workloads")


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


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built as `make wheel` does."""
    folder = tmp_path_factory.mktemp("dist")
    pip = (sys.executable, "-m", "pip", "wheel", "--disable-pip-version-check")
    built = done([*pip, "--no-deps", "--no-build-isolation", "--wheel-dir", folder, "."], ROOT)
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = folder.glob("*.whl")
    return path


def required(requirements, extra="", seen=None):
    """Distributions that requirements ask for in this environment, and what those require."""
    seen = {} if seen is None else seen
    for wanted in map(Requirement, requirements):
        asked = not wanted.marker or any(
            wanted.marker.evaluate({"extra": one}) for one in ("", extra)
        )
        if asked and wanted.name not in seen:
            found = seen[wanted.name] = importlib.metadata.distribution(wanted.name)
            required(found.requires or (), "", seen)
    return seen


@pytest.fixture(scope="module")
def bare(wheel, tmp_path_factory):
    """The programs of a fresh environment with the wheel, and what it requires without extras."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, with_pip=False, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as packed:
        (metadata,) = (name for name in packed.namelist() if name.endswith("/METADATA"))
        told = Parser().parsestr(packed.read(metadata).decode())
    for found in required(told.get_all("Requires-Dist")).values():
        tops = {path.parts[0] for path in found.files} - {"..", "__pycache__"}
        for top in tops:
            (site / top).symlink_to(found.locate_file(top))
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    where = ("--python", folder / "bin" / "python", "install", "--no-deps", "--no-index")
    installed = done([*pip, *where, wheel], folder)
    assert installed.returncode == 0, installed.stdout + installed.stderr
    return folder / "bin"


def test_every_strategy_workload_and_question_is_in_the_wheel(wheel):
    """As they stand in the repository, and nothing of the tests or of the studies."""
    with zipfile.ZipFile(wheel) as packed:
        inside = {name: packed.read(name) for name in packed.namelist()}
    for folder in FOLDERS:
        ours = {path.name: path.read_bytes() for path in (ROOT / folder).glob("*.py")}
        place = f"timelift/{folder}/"
        assert {
            name.removeprefix(place): text
            for name, text in inside.items()
            if name.startswith(place)
        } == ours
    tops = {name.partition("/")[0] for name in inside}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"timelift"}


def test_a_run_is_reported_where_no_framework_is_installed(bare, tmp_path):
    """From a folder that is no checkout: the page has the code of the strategies."""
    for name in ("tensorflow", "keras", "jax", "torch"):
        assert done([bare / "python", "-c", f"import {name}"], tmp_path).returncode == 1
    told = done([bare / "timelift", "report", RUN, "--output", "page"], tmp_path)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "native" in told.stdout
    page = (tmp_path / "page" / "index.html").read_text()
    assert "def spread(layer, x):" in page
    assert [path.name for path in tmp_path.iterdir()] == ["page"]


def test_measuring_is_refused_in_a_sentence_where_no_backend_is_installed(bare, tmp_path):
    """It says what to install, and there is no journal."""
    words = "bench --workloads sensor --strategies native --seq-lens 4 --batch-sizes 2".split()
    told = done([bare / "timelift", *words, "-p", "no:cacheprovider"], tmp_path)
    assert told.returncode != 0
    said = told.stdout + told.stderr
    assert "no backend installed: pip install 'timelift[tensorflow]'" in said
    assert "Traceback" not in said
    assert not (tmp_path / "results").exists()
