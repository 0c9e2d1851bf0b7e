"""A user's story, with timelift installed: a model is slow, what to write instead stays fast."""

import re

import pytest

from tests.support import engines, wheels
from tests.support.projects import commit, write
from timelift.journal.files import read_header

MODELS = """
import keras
from mine.parts import UNITS

def frame_layer():
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(UNITS)], name="frame")

def make_model():
    inputs = keras.Input((8, 3))
    frames = keras.layers.TimeDistributed(frame_layer(), name="frames_td")(inputs)
    return keras.Model(inputs, frames)
"""
#: The layer after a thoughtless change: hundreds of times the work.
HEAVIER = "*(keras.layers.Dense(512) for _ in range(8)), keras.layers.Dense(UNITS)"
LABEL = "frame_layer-T8-B2-forward-graph"
LAYER = ("--layer", "mine.models:frame_layer")
SIZE = "--seq-lens 8 --batch-sizes 2 --phases forward".split()


@pytest.mark.whole  # each command has tests of its own that `make test` runs
@pytest.mark.usefixtures("own_lock")
def test_a_slow_model_is_asked_about_measured_chosen_for_and_kept_fast(tmp_path):
    engines.skip_without("tensorflow")
    wheel, _ = wheels.build(tmp_path / "dist")
    door = wheels.environment(tmp_path / "measuring", wheel, "tensorflow") / "timelift"
    files = {"pyproject.toml": "", ".gitignore": "__pycache__/\nresults/\n"}
    files |= {"src/mine/__init__.py": "", "src/mine/parts.py": "UNITS = 4\n"}
    project = commit(write(tmp_path / "project", files | {"src/mine/models.py": MODELS}))

    def timelift(*words, ends=(0,), at="."):
        done = wheels.done([door, *words], project / at)
        assert done.returncode in ends, done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr
        return done.stdout

    # What in the model could be faster? There is one lift; a second is too short to measure it.
    said = timelift("advise", "mine.models:make_model", "--budget", "1s")
    assert "frames_td" in said
    assert "TimeDistributed(frame)" in said

    # Its layer is measured alone, by three ways to lift it, and the run is looked at.
    strategies = "fold_time,native,time_distributed"
    how = ("--strategies", strategies, "--launches", "2")
    assert "frame_layer" in timelift("bench", *LAYER, *SIZE, *how, at="src")
    header = read_header(max(project.glob("results/*/*.jsonl")))  # names begin with the time
    assert header.options["inputs"] == "3"
    brought = {f"timelift/strategies/{name}.py" for name in strategies.split(",")}
    assert {*header.sources} == brought | {"src/mine/models.py"}
    assert "frame_layer" in timelift("report")
    assert LABEL in (project / "results" / "report" / "report.md").read_text()

    # Which of them is to be written? So short a run may leave that open (exit code 2).
    sizes = [*SIZE, "--workloads", "frame_layer"]
    assert timelift("choose", *sizes, ends=(0, 2)).startswith(LABEL)

    # The gate passes what is as it was, and names what became slower.
    gate = ["bench", *LAYER, *SIZE, "--strategies", "native", "--against", "HEAD"]
    assert "Nothing was compared with HEAD" in timelift(*gate)
    models = project / "src/mine/models.py"
    models.write_text(models.read_text().replace("keras.layers.Dense(UNITS)", HEAVIER, 1))
    told = timelift(*gate, "--launches", "3", ends=(1,))
    assert re.search(rf"{LABEL}.*-native: .* slower than HEAD", told), told
