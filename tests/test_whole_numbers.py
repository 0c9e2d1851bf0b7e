"""Inputs of whole numbers have no gradient: asked for one, a case is skipped before it is built."""

import pytest

from tests.projects import bench, project, records_of

LAYER = (
    "import keras\n"
    "def embed():\n"
    "    parts = [keras.layers.Embedding(10, 4), keras.layers.Flatten()]\n"
    "    return keras.Sequential([keras.Input((3,), dtype='int32'), *parts])\n"
)
WORDS = (
    "bench/test_backward.py --layer-file layers.py:embed --features 3 --input-dtype int32 "
    "--input-high 10 --seq-lens 3 --batch-sizes 2 --launches 1 --round-seconds 0.02 -rs"
)
SENTENCE = "inputs of int32 have no gradient; ask for the weights' alone with: --gradients weights"


@pytest.mark.parametrize(
    ("gradients", "outcome"),
    [("weights,inputs_and_weights", "1 passed, 1 skipped"), ("inputs_and_weights", "1 skipped")],
)
def test_a_gradient_by_whole_numbers_is_skipped_with_the_reason(tmp_path, gradients, outcome):
    """The weights' gradient of the same layer is measured; nothing starts for the other alone."""
    folder = project(tmp_path, ("fold_time",))
    (folder / "layers.py").write_text(LAYER)
    done = bench(folder, *WORDS.split(), "--gradients", gradients)
    assert outcome in done.stdout
    assert done.returncode == 0
    assert SENTENCE in " ".join(done.stdout.split())
    if "passed" not in outcome:
        assert not list(folder.glob("results/*/*.jsonl"))
        return
    lines = [one for one in records_of(folder) if one["kind"] == "launch"]
    assert [one["case"]["gradients"] for one in lines] == ["weights"]
