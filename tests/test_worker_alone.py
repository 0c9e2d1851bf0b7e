"""A worker runs where nothing of ours is installed: it needs numpy, Keras and its backend."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from timelift.case import Backend, Phase, Setting, Status
from timelift.errors import UserError
from timelift.measure import catalogue
from timelift.measure.launch import Launch, Limits
from timelift.messages import Task

ROOT = Path(__file__).parent.parent
#: What this project installs beside the backends, and Keras and TensorFlow do without.
OURS = ("msgspec", "scipy", "pandas", "pytest", "seaborn", "matplotlib", "psutil", "jinja2")
#: Read by every interpreter at its start (Python's site module), so by a launch too.
HIDING = """
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Hidden())
"""


def hiding(folder, *names):
    """The environment of an interpreter that has everything but these packages."""
    (folder / "sitecustomize.py").write_text(HIDING.format(names=set(names)))
    return os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)


@pytest.mark.parametrize("phase", Phase)
def test_it_measures_with_none_of_our_packages(tmp_path, monkeypatch, phase):
    """A layer is lifted, held to the law and played, forward and backward."""
    monkeypatch.setenv("PYTHONPATH", hiding(tmp_path, *OURS))
    workload = catalogue.workloads(ROOT / "workloads")["sensor"]
    strategies = catalogue.strategies(ROOT / "strategies")
    rivals = tuple(strategies[name].rival() for name in ("fold_time", "native"))
    setting = Setting("sensor", 3, 2, phase)
    task = Task(setting, rivals, workload.factory, workload.features, 1, 0.02)
    with Launch(Backend.TENSORFLOW, Limits(60, 60)) as launch:
        found = launch.measure(task)
    assert {one.rival.name: one.status for one in found} == dict.fromkeys(
        ("fold_time", "native"), Status.MEASURED
    )


def test_what_is_hidden_is_missed(tmp_path, monkeypatch):
    """Each of our packages cannot be imported then; and without numpy there is no worker."""
    monkeypatch.setenv("PYTHONPATH", hiding(tmp_path, "numpy", *OURS))
    for name in OURS:
        done = subprocess.run(
            [sys.executable, "-c", f"import {name}"], capture_output=True, text=True, check=False
        )
        assert f"No module named '{name}'" in done.stderr
    launch = Launch(Backend.TENSORFLOW, Limits(60, 60))
    with pytest.raises(UserError, match="No module named 'numpy'"), launch:
        pass
