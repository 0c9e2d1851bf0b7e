"""Padded sequences: gather the valid steps, call once, scatter back.

When: lengths differ much and the layer is dear: only valid steps are computed, and only they are
counted by batch statistics.
When not: the layer is cheap beside a gather and a scatter.

Source: tf.gather_nd and tf.scatter_nd; the packed sequences of torch.nn.utils.rnn, without an
order to keep.
"""

import keras
import tensorflow as tf

DEFAULT = False
BACKENDS = ("tensorflow",)
DROPOUT = "independent"
BATCH_NORM = "pooled"
INNER_LOSSES = "averaged"
MASKS = "passed"
PADDED_STEPS = "zeros"


@keras.saving.register_keras_serializable(package="pack_valid")
class PackValid(keras.layers.Wrapper):
    """Calls the layer on the valid steps of all sequences, packed together."""

    def __init__(self, layer, dtype=None, **kwargs):
        super().__init__(layer, dtype=dtype or layer.dtype_policy, **kwargs)
        self.supports_masking = True

    def build(self, shape):
        """Let the layer build itself, by a call on one step."""
        self.layer(keras.KerasTensor((shape[0], *shape[2:])))

    def call(self, x, training=None, mask=None):
        """Pack by the mask (batch, time), call, unpack into zeros."""
        rows = tf.shape(x)[:2]  # batch, time
        valid = tf.where(tf.ones(rows, tf.bool) if mask is None else mask)  # packed, 2
        y = self.layer(tf.gather_nd(x, valid), training=training)  # packed, *outputs
        shape = tf.concat([rows, tf.shape(y)[1:]], axis=0)
        return tf.scatter_nd(tf.cast(valid, tf.int32), y, shape)  # batch, time, *outputs


def build(layer, shape, dtype=None):
    """Lift `layer` over the valid steps alone."""
    inputs = keras.Input(shape, dtype=dtype)  # batch, time, *features
    return keras.Model(inputs, PackValid(layer)(inputs))  # batch, time, *outputs
