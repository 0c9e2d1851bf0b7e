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


class FlatValues(keras.layers.Wrapper):
    """Calls the layer once on the steps of all sequences, which have no padding."""

    def __init__(self, layer):
        super().__init__(layer, dtype=layer.dtype_policy)

    def compute_output_shape(self, shape):
        """Put time back behind the batch of the layer's own output shape."""
        batch, time, *features = shape
        return (batch, time, *self.layer.compute_output_shape((batch, *features))[1:])

    def call(self, x):
        """Keep the row lengths, replace the values."""
        y = self.layer(x.flat_values)  # steps of all sequences, *outputs
        return x.with_flat_values(y)  # batch, (time), *outputs


def build(layer, shape, dtype=None):
    """Lift `layer` over a ragged input."""
    inputs = keras.Input((None, *shape[1:]), dtype=dtype, ragged=True)  # batch, (time), *features
    return keras.Model(inputs, FlatValues(layer)(inputs))  # batch, (time), *outputs
