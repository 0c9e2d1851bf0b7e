"""Keras 2's TimeDistributed, which folds.

When: to see what changed between Keras 2 and Keras 3 for models that were written with the former.
When not: in new code: the package is kept for old models only.

Keras 2 folds time into the batch around its own layers; around others it does so only where the
batch size is unknown, and else loops. Activation is one of its own, and calls any function.

Source: tf_keras.layers.TimeDistributed (tf_keras/src/layers/rnn/time_distributed.py).
"""

import importlib.util
from inspect import signature

import keras

DEFAULT = False
BACKENDS = ("tensorflow",)
DROPOUT = "independent"
BATCH_NORM = "pooled"
INNER_LOSSES = "averaged"
MASKS = "passed"
PADDED_STEPS = "computed"


@keras.saving.register_keras_serializable(package="tf_keras_time_distributed")
class Keras2TimeDistributed(keras.layers.Wrapper):
    """Owns the layer for Keras 3 and lets Keras 2 apply it to every step."""

    def __init__(self, layer, dtype=None, **kwargs):
        import tf_keras  # noqa: PLC0415 - optional, and this is the only use

        super().__init__(layer, dtype=dtype or layer.compute_dtype, **kwargs)
        call = tf_keras.layers.Activation(layer, dtype=self.compute_dtype)
        self.lift = tf_keras.layers.TimeDistributed(call, dtype=self.compute_dtype)
        self.supports_masking = True

    def build(self, shape):
        """Let the layer build itself, by a call on one step."""
        self.layer(keras.KerasTensor((shape[0], *shape[2:])))

    def call(self, x, training=None, mask=None):
        """Call the wrapper of Keras 2."""
        return self.lift(x)  # batch, time, *outputs


def refuses(layer, setting, *, shape=(), masked=False):  # noqa: ARG001
    """Refuse several inputs, masks of a step, and where the package is not installed."""
    if isinstance(shape, dict | list):
        return "Activation, through which Keras 2 calls the layer, takes one tensor, not several."
    if masked and "mask" in signature(layer.call).parameters:
        return "Activation, through which Keras 2 calls the layer, hands it no mask of its own."
    if shape and keras.tree.is_nested(
        layer.compute_output_spec(keras.KerasTensor((None, *shape[1:])))
    ):
        return "Activation, through which Keras 2 calls the layer, returns no list or dictionary."
    if importlib.util.find_spec("tf_keras") is None:
        return "the package tf_keras is not installed; run: pip install tf_keras"
    return None


def build(layer, shape, dtype=None):
    """Lift `layer` with the wrapper that Keras 2 provided."""
    inputs = keras.Input(shape, dtype=dtype)  # batch, time, *features
    return keras.Model(inputs, Keras2TimeDistributed(layer)(inputs))  # batch, time, *outputs
