"""Projects for tests: checkouts in which `pytest bench/` is run, and small ones in git."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from timelift.axis_values import Backend
from timelift.measure import catalogue
from timelift.measure.backends import why_not_installed
from timelift.project import Project

ROOT = Path(__file__).parent.parent.parent
#: What is in this checkout's catalogue, by name.
STRATEGIES = catalogue.read_strategies(Project(ROOT).strategies.values())
WORKLOADS = catalogue.read_workloads(Project(ROOT).workloads.values())
#: JAX is imported soonest; TensorFlow is always there.
QUICKEST = Backend.TENSORFLOW if why_not_installed(Backend.JAX) else Backend.JAX
#: The smallest run that has two launches.
SMALL = (
    f"--workloads sensor --seq-lens 3 --batch-sizes 2 --launches 2 --backends {QUICKEST}"
).split()
GOOD = ("fold_time", "native", "loop_unstack")


def lay_out(folder, names):
    """Copy files and folders of this project by their names, without what Python keeps in them."""
    for name in names:
        source, copy = ROOT / name, folder / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy)


def project(folder, strategies=GOOD, extra=None):
    """Lay out a checkout of timelift: the doors, the questions, some strategies and workloads.

    As in any checkout, its strategies are all that there are.
    """
    chosen = [f"strategies/{name}.py" for name in strategies]
    lay_out(folder, ["conftest.py", "pyproject.toml", "bench", "workloads", *chosen])
    (folder / "timelift").symlink_to(ROOT / "timelift")
    (folder / ".gitignore").write_text("__pycache__/\n")
    for name, text in (extra or {}).items():
        (folder / "strategies" / f"{name}.py").write_text(text)
    return folder


def environment(folder):
    """A project's environment: this checkout's timelift, and a lock that no other run holds."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder.parent)}


def journal_of(folder, apart=""):
    """The only journal of a project, or of its runs that are kept `apart`."""
    (path,) = folder.glob(str(Path("results/*", apart, "*.jsonl")))
    return path


def records_of(folder, apart=""):
    *lines, _ = journal_of(folder, apart).read_text().split("\n")
    return [json.loads(line) for line in lines]


def items(question, labels):
    return [f"bench/test_{question}.py::test_{question}[{label}]" for label in labels]


def bench(folder, *words):
    return run_module(folder, "pytest", "-p", "no:cacheprovider", *words)


def run_module(folder, *words):
    return run_python(folder, "-m", *words)


def run_python(folder, *words):
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
        timeout=3600,  # after which it hangs, however much else the machine does
    )


STRATEGY = '''"""{title}."""

import keras


def build(layer, shape, dtype=None):
    inputs = keras.Input(shape, dtype=dtype)
    return keras.Model(inputs, layer(inputs))
'''
WORKLOAD = '''"""Three readings."""

import keras

FEATURES = ({features},)
SEQ_LENS = (3,)
BATCH_SIZES = (2,)


def make_layer():
    return keras.layers.Dense({units})
'''


def strategy(title="One call"):
    return STRATEGY.format(title=title)


def workload(features=3, units=4):
    return WORKLOAD.format(features=features, units=units)


def write(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def commit(root: Path) -> Path:
    if not (root / ".git").exists():
        git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "a commit")
    return root


def git(root: Path, *words: str) -> str:
    author = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    done = subprocess.run(
        ["git", *author, *words], cwd=root, check=True, capture_output=True, text=True
    )
    return done.stdout
