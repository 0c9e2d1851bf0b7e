"""The law on layers of several inputs and outputs, and inputs drawn as a layer expects them."""

import re

import numpy as np
import pytest

from tests import engines
from timelift.case import Backend, Phase, Status

#: What the law says of lines of a lift (`tests/law_nests.py`), forward and backward; '' where
#: nothing is wrong.
WRONG = {
    "[*y.values()]": ["returns output 1, output 2, output 3 where the inner layer returns"] * 2,
    "{'best': y['best'], 'read': y['read']}": ["returns output 'best', output 'read' where"] * 2,
    "{**y, 'best': ops.cast(y['best'], 'float32')}": ["returns output 'best' of float32"] * 2,
    "{**y, 'read': y['token'], 'token': y['read']}": ("output 'read' at", "by input 'extra'"),
    "{**y, 'read': y['read'] + 1e-3 * ops.mean(y['read'], 1, True)}": (
        "output 'read' at step 0 differs",
        "mixes time: .* by another step's input 'words'",
    ),
    "{**y, 'best': y['best'] + ops.cast(ops.arange(5) == 3, 'int32')}": (
        "output 'best' at step 3 differs .* whole numbers must be equal",
        "",
    ),
    "lift(x, None)": ("output '", "gradient by input 'words'"),
    "lift(x, ops.roll(own, 1, 1))": ("output '", "gradient by input 'words'"),
    "lift(x, ops.roll(own, 1, 2))": ("output '", "gradient by input 'words'"),
    "lift(x, own[:, :1] & own)": ("output '", "gradient by input 'words'"),
    "lift({**x, 'extra': ops.stop_gradient(x['extra'])}, own)": ("", "by input 'extra' at step 0"),
    "lift({**x, 'token': ops.roll(x['token'], 1, 1)}, own)": ("output 'token' at", "by input 'ext"),
}


@pytest.mark.parametrize("backend", [Backend.TENSORFLOW, Backend.TORCH])
def test_a_mistake_in_one_of_several_tensors_is_named_and_a_right_lift_passes(backend):
    ends = engines.evaluate(backend, "tests.law_nests", f"ends('{backend}', {['y', *WRONG]})")
    for place, phase in enumerate(Phase):
        assert ends[phase]["y"] == [Status.MEASURED, ""]
        for line, sentences in WRONG.items():
            status, reason = ends[phase][line]
            assert status == (Status.LAW_BROKEN if sentences[place] else Status.MEASURED)
            assert re.search(sentences[place], reason)


def test_inputs_are_padded_where_a_layer_makes_a_mask_of_them_and_drawn_as_before_elsewhere():
    plain_ids = "keras.layers.Embedding(9, 3), keras.layers.GRU(2)"
    masking_ids = plain_ids.replace("3)", "3, mask_zero=True)")
    masking = "keras.layers.Masking(7.0), keras.layers.GRU(2)"
    calls = [
        f"drawn('int32[5]<9', {masking_ids})",
        f"drawn('float32[5,2]', {masking})",
        f"drawn('int32[5]<9', {plain_ids})",
        f"drawn('float32[5,2]+mask', {masking.partition(', ')[2]})",
        f"drawn('int32[5]<10', {masking_ids})",
    ]
    ids, features, plain, masked, refused = engines.evaluate(
        "tensorflow", "tests.law_nests", f"[{', '.join(calls)}]"
    )
    noise = np.random.default_rng(7)
    noise.uniform(size=4)  # the lengths of sequences
    assert plain == [noise.integers(9, size=(4, 6, 5)).tolist(), None]
    for valid in (np.array(ids[0]) != 0, (np.array(features[0]) != 7).all(-1), np.array(masked[1])):
        assert valid.shape == (4, 6, 5)
        assert valid[0, 0].all()
        assert valid[..., 0].all()
        assert not valid.all()
        assert (np.diff(valid.astype(int)) <= 0).all()
    assert refused.startswith("expected numbers that the layer's Embedding has rows for, like --in")
