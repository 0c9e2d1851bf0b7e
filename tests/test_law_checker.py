"""The checker of the law, on arrays: what it accepts, what it rejects, and how precisely."""

import numpy as np
import pytest

from tests import engines
from timelift.case import Dtype
from timelift.worker import law, tolerance
from timelift.worker.law import LawBrokenError, Reference
from timelift.worker.tolerance import DtypePrecision

BATCH, TIME, STEPS = 2, 6, (0, 3, 5)


def reference(valid=None):
    """A reference at three of six steps, with two weights of very different gradients."""
    noise = np.random.default_rng(3)
    draw = lambda *shape: noise.standard_normal(shape)  # noqa: E731
    everywhere = np.ones((BATCH, TIME), bool) if valid is None else valid
    weights = (draw(4, 5), 1e-9 * draw(5))
    shape = (BATCH, len(STEPS), 5)
    return Reference(STEPS, everywhere, draw(*shape), draw(*shape), draw(BATCH, 3, 4), weights)


def spread(values, width):
    """Put values at the reference's steps among zeros: (batch, time, width)."""
    full = np.zeros((BATCH, TIME, width))
    full[:, STEPS] = values
    return full


def test_equal_outputs_and_gradients_have_no_error():
    expected = reference()
    assert law.check_outputs(spread(expected.outputs, 5), expected, Dtype.FLOAT64) == 0
    assert (
        law.check_input_gradient(spread(expected.input_gradient, 4), expected, Dtype.FLOAT64) == 0
    )
    assert law.check_weight_gradients(expected.weight_gradients, expected, Dtype.FLOAT64) == 0


@pytest.mark.parametrize("dtype", Dtype)
@pytest.mark.parametrize(("times", "accepted"), [(0.3, True), (3.0, False)])
def test_the_tolerance_is_relative_to_the_largest_value(dtype, times, accepted):
    expected = reference()
    wrong = spread(expected.outputs, 5)
    allowed = tolerance.TOLERANCES[dtype].outputs * np.abs(expected.outputs).max()
    wrong[0, 3, 0] += times * allowed
    if accepted:
        assert law.check_outputs(wrong, expected, dtype) > 0
    else:
        with pytest.raises(LawBrokenError, match="outputs at step 3 differ from"):
            law.check_outputs(wrong, expected, dtype)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_nan_breaks_the_law(wrong):
    expected = reference()
    found = spread(expected.outputs, 5)
    found[1, 0, 0] = wrong
    with pytest.raises(LawBrokenError, match="outputs at step 0 are NaN or infinite"):
        law.check_outputs(found, expected, Dtype.FLOAT32)


@pytest.mark.parametrize("wrong", [np.nan, -np.inf])
@pytest.mark.parametrize("step", [1, 3])
def test_a_gradient_that_is_no_number_breaks_the_law_at_any_step(step, wrong):
    valid = np.ones((BATCH, TIME), bool)
    valid[1, 1:] = False
    expected = reference(valid)
    for row in range(BATCH):
        found = spread(expected.input_gradient, 4)
        found[row, step, 2] = wrong
        with pytest.raises(LawBrokenError, match=f"input gradient at step {step} is NaN"):
            law.check_input_gradient(found, expected, Dtype.FLOAT32)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_weight_gradient_that_is_no_number_breaks_the_law(wrong):
    expected = reference()
    bad = expected.weight_gradients[1].copy()
    bad[2] = wrong
    for check in (law.check_finite_weight_gradients, compare_weights(expected)):
        check(expected.weight_gradients)
        with pytest.raises(LawBrokenError, match="gradient of weight 1 is NaN or infinite"):
            check([expected.weight_gradients[0], bad])


def compare_weights(expected):
    """The comparison with a reference, as a function of the gradients."""
    return lambda gradients: law.check_weight_gradients(gradients, expected, Dtype.FLOAT32)


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
    largest = np.abs(expected.input_gradient).max()
    found = spread(expected.input_gradient, 4)
    found[0, 1, 0] = passes * largest
    law.check_input_gradient(found, expected, dtype)
    found[0, 1, 0] = mixes * largest
    with pytest.raises(LawBrokenError, match=r"mixes time: .* at step 1 beside"):
        law.check_input_gradient(found, expected, dtype)


def test_a_gradient_in_padding_mixes_time():
    valid = np.ones((BATCH, TIME), bool)
    valid[1, 3:] = False
    expected = reference(valid)
    found = spread(expected.input_gradient * valid[:, STEPS, None], 4)
    law.check_input_gradient(found, expected, Dtype.FLOAT32)
    found[1, 3, 0] = 0.1
    with pytest.raises(LawBrokenError, match="mixes time"):
        law.check_input_gradient(found, expected, Dtype.FLOAT32)


def one_small_feature(share, steps=(0, 9, 19, 31)):
    """A reference of 32 steps whose feature 2 is so many times smaller than the others."""
    noise = np.random.default_rng(4)
    draw = lambda *shape: noise.standard_normal(shape)  # noqa: E731
    outputs = draw(8, len(steps), 5) * [1, 1, share, 1, 1]
    weights = (draw(40, 5) * [1, 1, share, 1, 1], draw(5))
    input_gradient = draw(8, len(steps), 5) * [1, 1, share, 1, 1]
    valid = np.ones((8, 32), bool)
    return Reference(steps, valid, outputs, draw(*outputs.shape), input_gradient, weights)


@pytest.mark.parametrize(
    ("dtype", "share"),
    [
        (DtypePrecision.FLOAT64, 1e-9),
        (DtypePrecision.FLOAT32, 1e-3),
        (DtypePrecision.TF32, 0.02),
        (DtypePrecision.BFLOAT16, 0.2),
    ],
)
@pytest.mark.parametrize(("relative", "accepted"), [(0.1, False), (1e-13, True)])
def test_a_small_feature_is_held_to_its_own_size(dtype, share, relative, accepted):
    expected = one_small_feature(share)
    more = np.array([1, 1, 1 + relative, 1, 1])
    outputs, input_gradient = np.zeros((2, 8, 32, 5))
    outputs[:, expected.steps], input_gradient[:, expected.steps] = (
        expected.outputs,
        expected.input_gradient,
    )
    weights = [expected.weight_gradients[0] * more, expected.weight_gradients[1]]
    checks = {
        r"outputs at step \d+": lambda: law.check_outputs(outputs * more, expected, dtype),
        r"input gradient at step \d+": lambda: law.check_input_gradient(
            input_gradient * more, expected, dtype
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
    outputs = np.zeros((8, 32, 5))
    outputs[:, expected.steps] = expected.outputs
    outputs[..., 2] = 3e-7
    law.check_outputs(outputs, expected, Dtype.FLOAT32)
    outputs[..., 2] = 1e-3
    with pytest.raises(LawBrokenError, match="in feature 2"):
        law.check_outputs(outputs, expected, Dtype.FLOAT32)


def test_of_few_values_nobody_knows_which_feature_is_small():
    outputs = np.array([[[1.0, -2.0, 1e-6]]])
    expected = Reference((0,), np.ones((1, 1), bool), outputs, outputs, outputs, ())
    law.check_outputs(outputs + 1e-6, expected, Dtype.FLOAT32)


def test_a_weight_gradient_may_be_twice_as_far_as_the_layer_itself():
    expected = reference()
    off = [one * 1.2 for one in expected.weight_gradients]
    law.check_weight_gradients(off, expected, Dtype.BFLOAT16, rounding=[0.11, 0.11])
    with pytest.raises(LawBrokenError, match="gradient of weight 0"):
        law.check_weight_gradients(off, expected, Dtype.BFLOAT16, rounding=[0.05, 0.05])


@pytest.mark.parametrize(
    ("dtype", "many"), [(DtypePrecision.FLOAT32, 128), (DtypePrecision.BFLOAT16, 16)]
)
def test_a_loss_tells_of_one_wrong_step_of_many(dtype, many):
    noise = np.random.default_rng(6)
    outputs, cotangent = noise.standard_normal((2, 8, many, 16))
    expected = Reference(
        tuple(range(many)), np.ones((8, many), bool), outputs, cotangent, outputs, ()
    )
    scale = tolerance.scale_of(outputs.reshape(-1, 16))
    roundoff = tolerance.TOLERANCES[dtype].roundoff * noise.uniform(-1, 1, outputs.shape)
    rounded = outputs * (1 + roundoff)
    law.check_loss(float((rounded * cotangent).sum()), expected, scale, dtype)
    wrong = outputs.copy()
    wrong[:, 7] = outputs[:, 8]
    for loss in (float((wrong * cotangent).sum()), np.nan):
        with pytest.raises(LawBrokenError, match="outputs differ"):
            law.check_loss(loss, expected, scale, dtype)


def test_padded_steps_are_not_compared():
    valid = np.ones((BATCH, TIME), bool)
    valid[1, 3:] = False
    expected = reference(valid)
    padded = spread(expected.outputs, 5)
    padded[1, 5] = 99.0
    assert law.check_outputs(padded, expected, Dtype.FLOAT64) == 0
    padded[0, 5] = 99.0
    with pytest.raises(LawBrokenError, match="step 5"):
        law.check_outputs(padded, expected, Dtype.FLOAT64)


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


def test_the_sparse_cotangent_is_zero_elsewhere():
    expected = reference()
    sparse = expected.sparse_cotangent()
    assert np.array_equal(sparse[:, STEPS], expected.cotangent)
    assert not np.delete(sparse, STEPS, axis=1).any()


# What a device computes in ------------------------------------------------------------------------

TF = {"name": "NVIDIA A100", "tf32": "True", "soft_placement": "False"}
TORCH = {"matmul_precision": "highest", "matmul_tf32": "False", "cudnn_tf32": "False"}
JAX = {"name": "NVIDIA A100", "platform": "cuda 12", "matmul_precision": "None"}


@pytest.mark.parametrize(
    ("backend", "doubled"), [("tensorflow", "float64"), ("jax", "float32"), ("torch", "float32")]
)
def test_the_law_asks_for_what_keras_computes_in(backend, doubled):
    script = (
        "import json\nfrom timelift.case import Dtype\nfrom timelift.worker import tolerance\n"
        "print(json.dumps({one: tolerance.precision(one) for one in Dtype}))"
    )
    found = engines.told(backend, script)
    assert found == {"float64": doubled, "float32": "float32", "bfloat16": "bfloat16"}


@pytest.mark.parametrize(
    "identity",
    [
        TF,
        TORCH | {"matmul_tf32": "True", "matmul_precision": "high"},
        TORCH | {"cudnn_tf32": "True"},
        JAX,
        JAX | {"matmul_precision": "tensorfloat32"},
    ],
)
def test_a_gpu_with_tf32_is_held_to_tf32(identity):
    assert tolerance.precision(Dtype.FLOAT32, "gpu", identity) is DtypePrecision.TF32
    assert tolerance.precision(Dtype.FLOAT32, "gpu:1", identity) is DtypePrecision.TF32
    assert tolerance.precision(Dtype.FLOAT32, "cpu", identity) is DtypePrecision.FLOAT32
    assert tolerance.precision(Dtype.FLOAT64, "gpu", identity) is DtypePrecision.FLOAT64
    assert tolerance.precision(Dtype.BFLOAT16, "gpu", identity) is DtypePrecision.BFLOAT16


@pytest.mark.parametrize(
    "identity",
    [
        TF | {"tf32": "False"},
        TORCH,
        JAX | {"matmul_precision": "highest"},
        JAX | {"matmul_precision": "float32"},
        {},
    ],
)
def test_a_gpu_without_tf32_is_held_to_float32(identity):
    assert tolerance.precision(Dtype.FLOAT32, "gpu", identity) is DtypePrecision.FLOAT32


@pytest.mark.parametrize(
    ("backend", "names"),
    [
        ("tensorflow", {"tf32"}),
        ("torch", {"matmul_tf32", "cudnn_tf32"}),
        ("jax", {"matmul_precision"}),
    ],
)
def test_each_engine_names_the_switches_that_are_read(backend, names):
    script = (
        "import json\nfrom timelift.case import *\n"
        "from timelift.worker.engines import open_engine\n"
        f"setting = Setting('any', 1, 1, Phase.FORWARD, Mode.EAGER, backend=Backend('{backend}'))\n"
        "print(json.dumps(open_engine(setting).identity()))"
    )
    assert names <= engines.told(backend, script).keys()
