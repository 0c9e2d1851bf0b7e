"""A ragged tensor: call the layer on its flat values.

When: sequences arrive ragged: their steps already lie in memory one after another, so there is no
padding, no mask, nothing to gather, and one call.
When not: what follows needs a rectangle; another backend than TensorFlow.

Source: tf.RaggedTensor.with_flat_values; keras.Input(ragged=True).
"""

import keras

DEFAULT = False
BACKENDS = ("tensorflow",)
TAKES = "ragged"

DROPOUT = "independent"
BATCH_NORM = "pooled"
INNER_LOSSES = "averaged"
MASKS = "row_lengths"
PADDED_STEPS = "none"


@keras.saving.register_keras_serializable(package="ragged_flat_values")
class FlatValues(keras.layers.Wrapper):
    """Calls the layer once on the steps of all sequences, which have no padding."""

    def __init__(self, layer, dtype=None, **kwargs):
        super().__init__(layer, dtype=dtype or layer.dtype_policy, **kwargs)

    def build(self, shape):
        """Let the layer build itself, by a call on one step."""
        self.layer(keras.KerasTensor((shape[0], *shape[2:])))

    def compute_output_spec(self, x, training=None, mask=None):
        """Put time back behind the batch of the layer's own outputs."""
        y = self.layer.compute_output_spec(keras.KerasTensor((x.shape[0], *x.shape[2:]), x.dtype))
        return keras.KerasTensor((*x.shape[:2], *y.shape[1:]), y.dtype)

    def call(self, x, training=None, mask=None):
        """Keep the row lengths, replace the values."""
        y = self.layer(x.flat_values, training=training)  # steps of all sequences, *outputs
        return x.with_flat_values(y)  # batch, (time), *outputs


def build(layer, shape, dtype=None):
    """Lift `layer` over a ragged input."""
    inputs = keras.Input((None, *shape[1:]), dtype=dtype, ragged=True)  # batch, (time), *features
    return keras.Model(inputs, FlatValues(layer)(inputs))  # batch, (time), *outputs
