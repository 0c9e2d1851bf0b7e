"""tf.scan that ignores what it carries.

When: TensorFlow code that scans anyway.
When not: speed matters: the carried output ties each step to the one before it.

Source: tf.scan.
"""

import keras
import tensorflow as tf

DEFAULT = False
BACKENDS = ("tensorflow",)
DROPOUT = "independent"
BATCH_NORM = "per_step"
INNER_LOSSES = "unreachable"
MASKS = "passed"
PADDED_STEPS = "computed"


class Scan(keras.layers.Wrapper):
    """Scans the layer over time-major steps."""

    def __init__(self, layer):
        super().__init__(layer, dtype=layer.dtype_policy)
        self.supports_masking = True

    def compute_output_shape(self, shape):
        """Put time back behind the batch of the layer's own output shape."""
        batch, time, *features = shape
        return (batch, time, *self.layer.compute_output_shape((batch, *features))[1:])

    def call(self, x):
        """Bring time to the front, scan, bring it back."""
        steps = keras.ops.swapaxes(x, 0, 1)  # time, batch, *features
        outputs = self.layer.compute_output_shape(steps.shape[1:])[1:]
        carry = keras.ops.zeros((keras.ops.shape(x)[0], *outputs), self.compute_dtype)
        y = tf.scan(lambda _, step: self.layer(step), steps, carry)  # time, batch, *outputs
        return keras.ops.swapaxes(y, 0, 1)  # batch, time, *outputs


def build(layer, shape, dtype=None):
    """Lift `layer` with a scan."""
    inputs = keras.Input(shape, dtype=dtype)  # batch, time, *features
    return keras.Model(inputs, Scan(layer)(inputs))  # batch, time, *outputs
