"""Time folded into the batch, one call.

When: nearly always: one reshape, one call on `batch * time` rows, one reshape back; any layer.
When not: the activations of all steps together do not fit in memory (see `fold_chunks`), or batch
statistics must be those of one step.

Source: the question's advice to "use reshape operations"; Keras 2's TimeDistributed did the same.
"""

import keras
from keras import ops

DROPOUT = "independent"
BATCH_NORM = "pooled"
INNER_LOSSES = "averaged"
MASKS = "passed"
PADDED_STEPS = "computed"


class FoldTime(keras.layers.Wrapper):
    """Calls the layer once on the steps of all sequences."""

    def __init__(self, layer):
        super().__init__(layer, dtype=layer.dtype_policy)
        self.supports_masking = True

    def compute_output_shape(self, shape):
        """Put time back behind the batch of the layer's own output shape."""
        batch, time, *features = shape
        return (batch, time, *self.layer.compute_output_shape((batch, *features))[1:])

    def call(self, x):
        """Fold, call, unfold."""
        batch, time, *features = ops.shape(x)
        y = self.layer(ops.reshape(x, (batch * time, *features)))  # batch * time, *outputs
        return ops.reshape(y, (batch, time, *ops.shape(y)[1:]))  # batch, time, *outputs


def build(layer, shape, dtype=None):
    """Lift `layer` by folding the time axis into the batch axis."""
    inputs = keras.Input(shape, dtype=dtype)  # batch, time, *features
    return keras.Model(inputs, FoldTime(layer)(inputs))  # batch, time, *outputs
