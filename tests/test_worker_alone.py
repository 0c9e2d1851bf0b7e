"""A worker runs where nothing of ours is installed: it needs numpy, Keras and its backend."""

import os
from contextlib import closing

import pytest

from tests import engines
from tests.projects import STRATEGIES, WORKLOADS
from timelift.case import Backend, Mode, Phase, Setting, Status
from timelift.errors import UserError
from timelift.measure.launch import LaunchProcess
from timelift.messages import Task

#: Packages that this project installs, and Keras and TensorFlow do without.
OURS = ("msgspec", "scipy", "pandas", "pytest", "seaborn", "matplotlib", "psutil", "jinja2")
#: Read by every interpreter at its start (Python's site module), so by a launch too.
HIDING = """
import sys
from importlib.machinery import PathFinder
class Visible(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        hidden = name.partition(".")[0] in {names!r}
        return None if hidden else super().find_spec(name, path, target)
sys.meta_path = [Visible if finder is PathFinder else finder for finder in sys.meta_path]
"""

#: PyTorch takes as long as the others together.
EACH = [Backend.TENSORFLOW, Backend.JAX, pytest.param(Backend.TORCH, marks=pytest.mark.whole)]


def hiding(folder, *names):
    """The environment of an interpreter that has everything but these packages."""
    (folder / "sitecustomize.py").write_text(HIDING.format(names=set(names)))
    return os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)


@pytest.mark.parametrize("backend", EACH)
def test_it_measures_with_none_of_our_packages(tmp_path, monkeypatch, backend):
    engines.skip_without(backend)
    brought = {"scipy"} if backend == Backend.JAX else set()
    monkeypatch.setenv("PYTHONPATH", hiding(tmp_path, *{*OURS} - brought))
    workload = WORKLOADS["sensor"]
    rivals = tuple(STRATEGIES[name].rival() for name in ("fold_time", "native"))
    with closing(LaunchProcess(backend, 60)) as launch:
        launch.wait_until_ready()
        for phase in Phase:
            setting = Setting("sensor", 3, 2, phase, mode=Mode.EAGER, backend=backend)
            task = Task(setting, rivals, workload.factory, workload.inputs, 1, 0.02)
            statuses = {end.case.strategy: end.status for end in launch.measure(task)}
            assert statuses == dict.fromkeys(("fold_time", "native"), Status.MEASURED)


IMPORTED = """
import json, sys
from timelift.worker import engines
engines.load({backend!r})
imported = sorted({{"pandas", "matplotlib", "jax"}} & sys.modules.keys())
import matplotlib, pandas
print(json.dumps([imported, bool(pandas.Series([1]).sum() == 1)]))
"""


@pytest.mark.parametrize("backend", EACH)
def test_packages_that_keras_does_not_need_are_imported_by_users_alone(backend):
    imported, is_usable = engines.run_afresh(backend, IMPORTED.format(backend=str(backend)))
    assert imported == (["jax"] if backend is Backend.JAX else [])
    assert is_usable


def test_hidden_packages_cannot_be_imported(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", hiding(tmp_path, "numpy", *OURS))
    script = "import json; from importlib.util import find_spec as find; "
    script += f"print(json.dumps([find(name) for name in {OURS}]))"
    found = engines.run_afresh(Backend.TENSORFLOW, script, PYTHONPATH=os.environ["PYTHONPATH"])
    assert found == [None] * len(OURS)
    with (
        closing(LaunchProcess(Backend.TENSORFLOW, 60)) as launch,
        pytest.raises(UserError, match="No module named 'numpy'"),
    ):
        launch.wait_until_ready()
