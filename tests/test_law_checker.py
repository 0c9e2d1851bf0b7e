"""The checker of the law, on arrays: what it accepts, and what it must reject."""

import numpy as np
import pytest

from tests import engines
from timelift.case import Backend, Dtype
from timelift.measure import law
from timelift.measure.backends import why_not
from timelift.measure.law import LawBrokenError, Reference

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
    """What the inner layer itself gives is accepted exactly."""
    expected = reference()
    assert law.check_outputs(spread(expected.outputs, 5), expected, Dtype.FLOAT64) == 0
    assert law.check_input_gradient(spread(expected.by_step, 4), expected, Dtype.FLOAT64) == 0
    assert law.check_weight_gradients(expected.by_weight, expected, Dtype.FLOAT64) == 0


@pytest.mark.parametrize("dtype", Dtype)
@pytest.mark.parametrize(("times", "accepted"), [(0.3, True), (3.0, False)])
def test_the_tolerance_is_relative_to_the_largest_value(dtype, times, accepted):
    """A third of the tolerance passes, three times as much does not, whatever the scale."""
    expected = reference()
    wrong = spread(expected.outputs, 5)
    allowed = law.TOLERANCES[dtype][0] * np.abs(expected.outputs).max()
    wrong[0, 3, 0] += times * allowed
    if accepted:
        assert law.check_outputs(wrong, expected, dtype) > 0
    else:
        with pytest.raises(LawBrokenError, match="outputs at step 3 differs"):
            law.check_outputs(wrong, expected, dtype)


def test_nan_breaks_the_law():
    """A comparison with NaN is no agreement."""
    expected = reference()
    wrong = spread(expected.outputs, 5)
    wrong[1, 0, 0] = np.nan
    with pytest.raises(LawBrokenError, match="step 0"):
        law.check_outputs(wrong, expected, Dtype.FLOAT32)


def test_a_gradient_by_another_step_mixes_time():
    """However small: a lift gives exactly zero there."""
    expected = reference()
    wrong = spread(expected.by_step, 4)
    wrong[0, 1, 0] = 1e-12
    with pytest.raises(LawBrokenError, match="mixes time"):
        law.check_input_gradient(wrong, expected, Dtype.FLOAT32)


def test_padded_steps_are_not_compared():
    """Where a sequence has ended its outputs are nobody's business."""
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
    """None is not zero."""
    expected = reference()
    with pytest.raises(LawBrokenError, match="never be trained"):
        law.check_weight_gradients([expected.by_weight[0], None], expected, Dtype.FLOAT64)


def test_a_gradient_that_is_zero_by_symmetry_may_round_but_not_more():
    """Rounding of the large gradients is forgiven; a tenth of a per cent of them is not."""
    expected = reference()
    large, small = expected.by_weight
    law.check_weight_gradients([large, small + 1e-15], expected, Dtype.FLOAT64)
    with pytest.raises(LawBrokenError, match="gradient of weight 1"):
        law.check_weight_gradients([large, small + 1e-3], expected, Dtype.FLOAT64)


def test_the_sparse_cotangent_is_zero_elsewhere():
    """Only the reference's steps are weighed into the loss."""
    expected = reference()
    sparse = expected.sparse_cotangent()
    assert np.array_equal(sparse[:, STEPS], expected.cotangent)
    assert not np.delete(sparse, STEPS, axis=1).any()


@pytest.mark.parametrize(
    ("backend", "doubled"), [("tensorflow", "float64"), ("jax", "float32"), ("torch", "float32")]
)
def test_the_law_asks_for_what_keras_computes_in(backend, doubled):
    """Keras keeps float64 on TensorFlow alone; what is less precise stays what it is."""
    if reason := why_not(Backend(backend)):
        pytest.skip(reason)
    script = (
        "import json\nfrom timelift.case import Dtype\nfrom timelift.measure import law\n"
        "print(json.dumps({one: law.precision(one) for one in Dtype}))"
    )
    found = engines.told(backend, script)
    assert found == {"float64": doubled, "float32": "float32", "bfloat16": "bfloat16"}
