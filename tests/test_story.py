"""A user's story: a model is slow, what to write instead is measured and chosen, and stays fast."""

import re

import pytest

from tests.support.projects import QUICKEST, commit, run_module, write

MODELS = """
import keras

def frame_layer():
    return keras.layers.Dense(4)

def make_model():
    inputs = keras.Input((8, 3))
    frames = keras.layers.TimeDistributed(frame_layer(), name="frames_td")(inputs)
    return keras.Model(inputs, frames)
"""
#: The layer after a thoughtless change: hundreds of times the work.
HEAVIER = """keras.Sequential(
        [keras.Input((3,)), *(keras.layers.Dense(512) for _ in range(8)), keras.layers.Dense(4)]
    )"""
LABEL = "frame_layer-T8-B2-forward-graph"
LAYER = ("--layer", "mine.models:frame_layer", "--inputs", "3", "--backends", str(QUICKEST))
SIZE = "--seq-lens 8 --batch-sizes 2 --phases forward".split()


@pytest.mark.whole  # each command has tests of its own that `make test` runs
def test_a_slow_model_is_asked_about_measured_chosen_for_and_kept_fast(tmp_path):
    files = {"pyproject.toml": "", ".gitignore": "__pycache__/\nresults/\n", "mine/__init__.py": ""}
    project = commit(write(tmp_path / "project", files | {"mine/models.py": MODELS}))

    def timelift(*words, ends=(0,)):
        done = run_module(project, "timelift", *words)
        assert done.returncode in ends, done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr
        return done.stdout

    # What in the model could be faster? There is one lift; a second is too short to measure it.
    said = timelift("advise", "mine.models:make_model", "--budget", "1s")
    assert "frames_td" in said
    assert "TimeDistributed(Dense(4))" in said

    # Its layer is measured alone, by three ways to lift it, and the run is looked at.
    strategies = "fold_time,native,time_distributed"
    timelift("bench", *LAYER, *SIZE, "--strategies", strategies, "--launches", "2")
    assert "frame_layer" in timelift("report")
    assert LABEL in (project / "results" / "report" / "report.md").read_text()

    # Which of them is to be written? So short a run may leave that open (exit code 2).
    sizes = [*SIZE, "--workloads", "frame_layer"]
    assert timelift("choose", *sizes, ends=(0, 2)).startswith(LABEL)

    # The gate passes what is as it was, and names what became slower.
    gate = ["bench", *LAYER, *SIZE, "--strategies", "native", "--against", "HEAD"]
    assert "Nothing was compared with HEAD" in timelift(*gate)
    models = project / "mine" / "models.py"
    models.write_text(models.read_text().replace("keras.layers.Dense(4)", HEAVIER, 1))
    told = timelift(*gate, "--launches", "3", ends=(1,))
    assert re.search(rf"{LABEL}.*-native: .* slower than HEAD", told), told
