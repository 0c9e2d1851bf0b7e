"""The checker of the law: what it accepts, what it rejects, and how precisely.

On arrays; and on layers of several inputs and outputs, with inputs drawn as a layer expects them.
"""

import re
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest

from tests.support import engines
from timelift.axis_values import Backend, Dtype, Phase, Status
from timelift.worker import law
from timelift.worker.law import LawBrokenError, Reference
from timelift.worker.tolerances import TOLERANCES, DtypePrecision, precision

BATCH, TIME, STEPS = 2, 6, (0, 3, 5)
FULL = np.ones((BATCH, TIME), bool)
#: The second sequence ends after three steps.
PADDED = np.arange(TIME) < np.array([[TIME], [3]])


def reference(valid=FULL):
    """A reference at three of six steps, with two weights of very different gradients."""
    draw = np.random.default_rng(3).standard_normal
    weights = (draw((4, 5)), 1e-9 * draw(5))
    shape = (BATCH, len(STEPS), 5)
    return Reference(STEPS, valid, [draw(shape)], [draw(shape)], [draw((BATCH, 3, 4))], weights)


def spread(values, steps=STEPS, time=TIME):
    """Put values at these steps among zeros: (batch, steps, width) -> (batch, time, width)."""
    full = np.zeros((len(values), time, values.shape[-1]))
    full[:, steps] = values
    return full


@pytest.mark.parametrize("dtype", DtypePrecision)
@pytest.mark.parametrize(("times", "accepted"), [(0.3, True), (3.0, False)])
def test_the_tolerance_is_relative_to_the_largest_value(dtype, times, accepted):
    expected = reference()
    wrong = spread(expected.outputs[0])
    allowed = TOLERANCES[dtype].outputs * np.abs(expected.outputs[0]).max()
    wrong[0, 3, 0] += times * allowed
    if accepted:
        assert law.check_outputs([wrong], expected, dtype) > 0
    else:
        with pytest.raises(LawBrokenError, match="outputs at step 3 differ from"):
            law.check_outputs([wrong], expected, dtype)


def test_rounding_moves_single_values_of_a_weight_gradient_but_not_its_size():
    expected = replace(reference(), weight_rounding=np.ones(2))
    first, second = expected.weight_gradients
    noise = np.random.default_rng(3).standard_normal(first.shape)
    law.check_weight_gradients([first + 0.2 * noise, second], expected, Dtype.BFLOAT16)
    for share, words in ((0, "0 times as large"), (1.4, "1.4 times"), (-0.5, "-0.5 times")):
        with pytest.raises(LawBrokenError, match=f"gradient of weight 0 is {words}"):
            law.check_weight_gradients([share * first, second], expected, Dtype.BFLOAT16)


@pytest.mark.parametrize(
    ("dtype", "passes", "mixes"),
    [
        (DtypePrecision.FLOAT64, 1e-15, 1e-11),
        (DtypePrecision.FLOAT32, 1e-9, 1e-5),
        (DtypePrecision.TF32, 1e-4, 1e-2),
        (DtypePrecision.BFLOAT16, 1e-9, 1e-5),
    ],
)
def test_a_gradient_by_another_step_mixes_time_unless_it_is_rounding(dtype, passes, mixes):
    expected = reference()
    largest = np.abs(expected.input_gradients[0]).max()
    gradient = spread(expected.input_gradients[0])
    gradient[0, 1, 0] = passes * largest
    law.check_input_gradients([gradient], expected, dtype)
    gradient[0, 1, 0] = mixes * largest
    with pytest.raises(LawBrokenError, match=r"mixes time: .* at step 1 beside"):
        law.check_input_gradients([gradient], expected, dtype)


def test_a_gradient_in_padding_mixes_time():
    expected = reference(PADDED)
    gradient = spread(expected.input_gradients[0] * PADDED[:, STEPS, None])
    law.check_input_gradients([gradient], expected, Dtype.FLOAT32)
    gradient[1, 3, 0] = 0.1
    with pytest.raises(LawBrokenError, match="mixes time"):
        law.check_input_gradients([gradient], expected, Dtype.FLOAT32)


def one_small_feature(share, steps=(0, 9, 19, 31)):
    """A reference of 32 steps whose feature 2 is so many times smaller than the others."""
    draw, shares = np.random.default_rng(4).standard_normal, np.array([1, 1, share, 1, 1])
    shape = (8, len(steps), 5)
    weights = (draw((40, 5)) * shares, draw(5))
    valid = np.ones((8, 32), bool)
    outputs, cotangent, gradient = draw(shape) * shares, draw(shape), draw(shape) * shares
    return Reference(steps, valid, [outputs], [cotangent], [gradient], weights)


@pytest.mark.parametrize(
    ("dtype", "share"),
    [
        (DtypePrecision.FLOAT64, 1e-9),
        (DtypePrecision.FLOAT32, 1e-3),
        (DtypePrecision.TF32, 0.02),
        (DtypePrecision.FLOAT16, 0.1),
        (DtypePrecision.BFLOAT16, 0.2),
    ],
)
@pytest.mark.parametrize(("relative", "accepted"), [(0.2, False), (1e-13, True)])
def test_a_small_feature_is_held_to_its_own_size(dtype, share, relative, accepted):
    expected = one_small_feature(share)
    more = np.array([1, 1, 1 + relative, 1, 1])
    outputs = spread(expected.outputs[0], expected.steps, 32)
    input_gradient = spread(expected.input_gradients[0], expected.steps, 32)
    weights = [expected.weight_gradients[0] * more, expected.weight_gradients[1]]
    checks = {
        r"outputs at step \d+": lambda: law.check_outputs([outputs * more], expected, dtype),
        r"input gradient at step \d+": lambda: law.check_input_gradients(
            [input_gradient * more], expected, dtype
        ),
        "gradient of weight 0": lambda: law.check_weight_gradients(weights, expected, dtype),
    }
    for name, check in checks.items():
        if accepted:
            check()
        else:
            with pytest.raises(
                LawBrokenError, match=rf"{name} differs? .*, in feature 2 \(allowed"
            ):
                check()


def test_a_feature_that_cancels_may_be_rounding_alone():
    expected = one_small_feature(0.0)
    outputs = spread(expected.outputs[0], expected.steps, 32)
    outputs[..., 2] = 3e-7
    law.check_outputs([outputs], expected, Dtype.FLOAT32)
    outputs[..., 2] = 1e-3
    with pytest.raises(LawBrokenError, match="in feature 2"):
        law.check_outputs([outputs], expected, Dtype.FLOAT32)


def test_few_values_have_one_scale_for_all_features():
    outputs = np.array([[[1.0, -2.0, 1e-6]]])
    expected = Reference((0,), np.ones((1, 1), bool), [outputs], [outputs], [outputs], ())
    law.check_outputs([outputs + 1e-6], expected, Dtype.FLOAT32)


@pytest.mark.parametrize(("own", "keeps"), [(0.11, True), (0.05, False)])
def test_gradients_may_be_twice_as_far_off_as_rounding_moves_them(own, keeps):
    of_inputs, of_weights = [np.full((BATCH, len(STEPS)), own)], np.full(2, own)
    expected = replace(reference(), input_rounding=of_inputs, weight_rounding=of_weights)
    gradient = 1.2 * spread(expected.input_gradients[0])
    weights = [1.2 * weight for weight in expected.weight_gradients]
    for check, wrong in (
        (law.check_input_gradients, [gradient]),
        (law.check_weight_gradients, weights),
    ):
        with nullcontext() if keeps else pytest.raises(LawBrokenError, match="gradient"):
            check(wrong, expected, Dtype.BFLOAT16)


def test_pixels_that_a_layer_pools_are_additions_of_its_gradients():
    expected = reference()
    images = replace(expected, input_gradients=[np.zeros((BATCH, len(STEPS), 64, 64, 3))])
    off = [1.02 * weight for weight in expected.weight_gradients]
    law.check_weight_gradients(off, images, Dtype.FLOAT16)
    for held, dtype in ((expected, Dtype.FLOAT16), (images, Dtype.FLOAT32)):
        with pytest.raises(LawBrokenError, match="gradient of weight 0 differs"):
            law.check_weight_gradients(off, held, dtype)


@pytest.mark.parametrize(
    ("dtype", "many"), [(DtypePrecision.FLOAT32, 128), (DtypePrecision.BFLOAT16, 16)]
)
def test_a_loss_shows_one_wrong_step_of_many(dtype, many):
    noise = np.random.default_rng(6)
    outputs, cotangent = noise.standard_normal((2, 8, many, 16))
    expected = Reference(
        tuple(range(many)), np.ones((8, many), bool), [outputs], [cotangent], [outputs], ()
    )
    scale = law.scale_of(outputs.reshape(-1, 16))
    roundoff = TOLERANCES[dtype].roundoff * noise.uniform(-1, 1, outputs.shape)
    rounded = outputs * (1 + roundoff)
    law.check_loss(float((rounded * cotangent).sum()), expected, [scale], dtype)
    wrong = outputs.copy()
    wrong[:, 7] = outputs[:, 8]
    for loss in (float((wrong * cotangent).sum()), np.nan):
        with pytest.raises(LawBrokenError, match="outputs differ"):
            law.check_loss(loss, expected, [scale], dtype)


def test_a_weight_without_gradient_would_never_train():
    expected = reference()
    with pytest.raises(LawBrokenError, match="never be trained"):
        law.check_weight_gradients([expected.weight_gradients[0], None], expected, Dtype.FLOAT64)


def test_a_gradient_that_is_zero_by_symmetry_may_round_but_not_more():
    expected = reference()
    large, small = expected.weight_gradients
    law.check_weight_gradients([large, small + 1e-15], expected, Dtype.FLOAT64)
    with pytest.raises(LawBrokenError, match="gradient of weight 1"):
        law.check_weight_gradients([large, small + 1e-3], expected, Dtype.FLOAT64)


TF = {"name": "NVIDIA A100", "tf32": "True", "soft_placement": "False"}
TORCH = {"matmul_precision": "highest", "matmul_tf32": "False", "cudnn_tf32": "False"}
JAX = {"name": "NVIDIA A100", "platform": "cuda 12", "matmul_precision": "None"}
DEVICE = """
from timelift.worker.tolerances import precision
DTYPES = {dtype.floats: 0 for dtype in Dtype}
switches = open_engine(changed(mode=Mode.EAGER)).identity()
print(json.dumps([{dtype: precision(dtype, "cpu", {}) for dtype in DTYPES}, list(switches)]))
"""


@pytest.mark.parametrize(
    ("backend", "doubled", "names"),
    [
        ("tensorflow", "float64", {"tf32"}),
        ("jax", "float32", {"matmul_precision"}),
        ("torch", "float32", {"matmul_tf32", "cudnn_tf32"}),
    ],
)
def test_a_backend_is_held_to_what_it_computes_in_and_names_its_switches(backend, doubled, names):
    precisions, switches = engines.run(backend, engines.ENGINE + DEVICE)
    own = {dtype: dtype for dtype in ("float32", "bfloat16", "float16")}
    assert precisions == {"float64": doubled, **own}
    assert names <= set(switches)


@pytest.mark.parametrize(
    ("identity", "on_gpu"),
    [
        (TF, DtypePrecision.TF32),
        (TORCH | {"matmul_tf32": "True", "matmul_precision": "high"}, DtypePrecision.TF32),
        (TORCH | {"cudnn_tf32": "True"}, DtypePrecision.TF32),
        (JAX, DtypePrecision.TF32),
        (JAX | {"matmul_precision": "tensorfloat32"}, DtypePrecision.TF32),
        (TF | {"tf32": "False"}, DtypePrecision.FLOAT32),
        (TORCH, DtypePrecision.FLOAT32),
        (JAX | {"matmul_precision": "highest"}, DtypePrecision.FLOAT32),
        (JAX | {"matmul_precision": "float32"}, DtypePrecision.FLOAT32),
        ({}, DtypePrecision.FLOAT32),
    ],
)
def test_a_gpu_is_held_to_tf32_where_a_switch_allows_it(identity, on_gpu):
    for device in ("gpu", "gpu:1"):
        assert precision(Dtype.FLOAT32, device, identity) is on_gpu
    assert precision(Dtype.FLOAT32, "cpu", identity) is DtypePrecision.FLOAT32
    assert precision(Dtype.FLOAT64, "gpu", identity) is DtypePrecision.FLOAT64
    assert precision(Dtype.BFLOAT16, "gpu", identity) is DtypePrecision.BFLOAT16


#: What the law says of lines of a lift (`support/law_nests.py`), forward and backward; '' where
#: nothing is wrong.
WRONG = {
    "[*y.values()]": ["returns output 1, output 2, output 3 where the inner layer returns"] * 2,
    "{**y, 'read': y['read'] + 1e-3 * ops.mean(y['read'], 1, True)}": (
        "output 'read' at step 0 differs",
        "mixes time: .* by another step's input 'words'",
    ),
    "{**y, 'best': y['best'] + ops.cast(ops.arange(5) == 3, 'int32')}": (
        "output 'best' at step 3 differs .* whole numbers must be equal",
        "",
    ),
    "lift(x, None)": ("output '", "gradient by input 'words'"),
    "lift({**x, 'extra': ops.stop_gradient(x['extra'])}, own)": ("", "by input 'extra' at step 0"),
    "lift({**x, 'token': ops.roll(x['token'], 1, 1)}, own)": ("output 'token' at", "by input 'ext"),
    "{'best': y['best'], 'read': y['read']}": ["returns output 'best', output 'read' where"] * 2,
    "{**y, 'best': ops.cast(y['best'], 'float32')}": ["returns output 'best' of float32"] * 2,
    "{**y, 'read': y['token'], 'token': y['read']}": ("output 'read' at", "by input 'extra'"),
    "lift(x, ops.roll(own, 1, 1))": ("output '", "gradient by input 'words'"),
    "lift(x, own[:, :1] & own)": ("output '", "gradient by input 'words'"),
}

#: One of each kind.
QUICK = list(WRONG)[:6]


@pytest.mark.parametrize(
    ("backend", "lines"),
    [
        (Backend.TENSORFLOW, QUICK),
        pytest.param(Backend.TENSORFLOW, list(WRONG)[len(QUICK) :], marks=pytest.mark.whole),
        pytest.param(Backend.TORCH, list(WRONG), marks=pytest.mark.whole),
    ],
    ids=["tensorflow", "tensorflow, others", "torch"],
)
def test_a_mistake_in_one_of_several_tensors_is_named_and_a_right_lift_passes(backend, lines):
    ends = engines.evaluate(
        backend, "tests.support.law_nests", f"ends('{backend}', {['y', *lines]})"
    )
    for place, phase in enumerate((Phase.FORWARD, Phase.BACKWARD)):
        assert ends[phase]["y"] == [Status.MEASURED, ""]
        for line in lines:
            sentences = WRONG[line]
            status, reason = ends[phase][line]
            assert status == (Status.LAW_BROKEN if sentences[place] else Status.MEASURED)
            assert re.search(sentences[place], reason)


def test_a_list_of_one_output_is_that_output_as_keras_unpacks_it():
    nests = [0], ({"y": 0},), [0, (0,)]
    names = [["outputs"], ["output 'y'"], ["output 1", "output 2"]]
    assert [law.leaf_names(nest, law.OUTPUTS, "output") for nest in nests] == names


def test_inputs_are_padded_where_a_layer_makes_a_mask_of_them_and_nowhere_else():
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
        "tensorflow", "tests.support.law_nests", f"[{', '.join(calls)}]"
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
