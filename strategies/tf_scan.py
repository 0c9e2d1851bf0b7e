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


@keras.saving.register_keras_serializable(package="tf_scan")
class Scan(keras.layers.Wrapper):
    """Scans the layer over time-major steps."""

    def __init__(self, layer, dtype=None, **kwargs):
        super().__init__(layer, dtype=dtype or layer.dtype_policy, **kwargs)
        self.supports_masking = True

    def build(self, shape):
        """Let the layer build itself, by a call on one step, and keep the spec of its outputs."""
        self.step_spec = self.layer(keras.KerasTensor((shape[0], *shape[2:])))  # batch, *outputs

    def compute_output_spec(self, x, training=None, mask=None):
        """Put time back behind the batch of the layer's own outputs."""
        y = self.layer.compute_output_spec(keras.KerasTensor((x.shape[0], *x.shape[2:]), x.dtype))
        return keras.KerasTensor((*x.shape[:2], *y.shape[1:]), y.dtype)

    def call(self, x, training=None, mask=None):
        """Bring time to the front, scan, bring it back."""
        steps = keras.ops.swapaxes(x, 0, 1)  # time, batch, *features
        y = self.step_spec
        carry = keras.ops.zeros((keras.ops.shape(x)[0], *y.shape[1:]), y.dtype)  # batch, *outputs

        def step(_, x):
            return self.layer(x, training=training)

        y = tf.scan(step, steps, carry)  # time, batch, *outputs
        return keras.ops.swapaxes(y, 0, 1)  # batch, time, *outputs


def build(layer, shape, dtype=None):
    """Lift `layer` with a scan."""
    inputs = keras.Input(shape, dtype=dtype)  # batch, time, *features
    return keras.Model(inputs, Scan(layer)(inputs))  # batch, time, *outputs
