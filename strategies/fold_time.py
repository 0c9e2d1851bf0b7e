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


@keras.saving.register_keras_serializable(package="fold_time")
class FoldTime(keras.layers.Wrapper):
    """Calls the layer once on the steps of all sequences."""

    def __init__(self, layer, dtype=None, **kwargs):
        super().__init__(layer, dtype=dtype or layer.dtype_policy, **kwargs)
        self.supports_masking = True

    def build(self, shape):
        """Let the layer build itself, by a call on one step."""
        self.layer(keras.KerasTensor((shape[0], *shape[2:])))

    def call(self, x, training=None, mask=None):
        """Fold, call, unfold."""
        batch, time, *features = ops.shape(x)
        x = ops.reshape(x, (batch * time, *features))
        y = self.layer(x, training=training)  # batch * time, *outputs
        return ops.reshape(y, (batch, time, *ops.shape(y)[1:]))  # batch, time, *outputs


def build(layer, shape, dtype=None):
    """Lift `layer` by folding the time axis into the batch axis."""
    inputs = keras.Input(shape, dtype=dtype)  # batch, time, *features
    return keras.Model(inputs, FoldTime(layer)(inputs))  # batch, time, *outputs
