"""Quantising: what Keras can is int8, its share is told, and nothing quantised is a refusal."""

import numpy as np
import pytest

from tests.support.tensorflow_here import keras
from timelift.worker.making import LostError
from timelift.worker.quantise import quantise, quantised_variables, share_quantised


@pytest.fixture(autouse=True)
def _single_precision():
    """Make layers in float32, whatever was set before: of float16 Keras quantises nothing."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    yield
    keras.config.set_dtype_policy(before)


def built(*parts):
    layer = keras.Sequential([keras.Input((12, 8)), *parts])
    return layer, np.random.default_rng(2).standard_normal((2, 12, 8)).astype("float32")


@pytest.mark.parametrize("is_model", [True, False])
def test_a_layer_and_a_model_are_quantised_and_stay_near_to_what_they_were(is_model):
    model, x = built(keras.layers.Dense(16))
    layer = model if is_model else model.layers[0]
    before = np.asarray(layer(x))
    quantise(layer)
    after = np.asarray(layer(x))
    assert 0 < np.abs(before - after).max() < 0.05 * np.abs(before).max()
    assert share_quantised(layer) == pytest.approx(8 * 16 / (8 * 16 + 16))


def test_the_share_of_a_mixed_layer_counts_the_weights_that_stay_floats():
    layer, _ = built(keras.layers.Dense(16), keras.layers.LSTM(4))
    quantise(layer)
    floats = 16 + 4 * 4 * (16 + 4 + 1)
    assert share_quantised(layer) == pytest.approx(8 * 16 / (8 * 16 + floats))


def test_statistics_are_no_quantised_weights():
    layer, _ = built(keras.layers.Dense(4), keras.layers.BatchNormalization())
    quantise(layer)
    quantised = {id(one) for one in quantised_variables(layer)}
    kept = {one.name for one in layer.non_trainable_variables if id(one) not in quantised}
    assert kept >= {"moving_mean", "moving_variance"}
    assert not any("kernel" in name for name in kept)


def test_a_scale_of_a_layer_that_is_not_quantised_stays_a_statistic():
    layer = keras.layers.Layer()
    layer.add_weight(name="ema_scale", trainable=False)
    assert quantised_variables(layer) == []


def test_a_layer_of_which_nothing_is_quantised_is_refused():
    layer, _ = built(keras.layers.LSTM(4))
    with pytest.raises(LostError, match="nothing in it is quantised: Keras quantises Dense, "):
        quantise(layer)
