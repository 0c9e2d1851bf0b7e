"""Padded sequences: compute every step, then set the padded ones to zero.

When: lengths differ a little, or the time axis must stay rectangular (XLA, convolutions after it).
When not: most steps are padding: they are all computed (see `pack_valid`).

It answers the question's second example, whose ragged input goes into a Flatten: pad, mask, and let
a pooling that heeds the mask summarise the steps.

Source: keras.layers.Masking and Keras's masking of padded sequences.
"""

import keras
from keras import ops

DEFAULT = False
DROPOUT = "independent"
BATCH_NORM = "pooled"
INNER_LOSSES = "averaged"
MASKS = "passed"
PADDED_STEPS = "zeros"


@keras.saving.register_keras_serializable(package="mask_and_pad")
class MaskAndPad(keras.layers.Wrapper):
    """Folds time into the batch, and keeps the outputs of valid steps only."""

    def __init__(self, layer, dtype=None, **kwargs):
        super().__init__(layer, dtype=dtype or layer.dtype_policy, **kwargs)
        self.supports_masking = True

    def build(self, shape):
        """Let the layer build itself, by a call on one step."""
        self.layer(keras.KerasTensor((shape[0], *shape[2:])))

    def call(self, x, training=None, mask=None):
        """Fold, call, unfold, and zero what the mask (batch, time) excludes."""
        batch, time, *features = ops.shape(x)
        x = ops.reshape(x, (batch * time, *features))
        y = self.layer(x, training=training)  # batch * time, *outputs
        y = ops.reshape(y, (batch, time, *ops.shape(y)[1:]))  # batch, time, *outputs
        if mask is None:
            return y
        valid = ops.reshape(mask, (batch, time, *[1] * (len(y.shape) - 2)))  # batch, time, 1...
        return ops.where(valid, y, ops.zeros_like(y))


def build(layer, shape, dtype=None):
    """Lift `layer` over padded sequences."""
    inputs = keras.Input(shape, dtype=dtype)  # batch, time, *features
    return keras.Model(inputs, MaskAndPad(layer)(inputs))  # batch, time, *outputs
