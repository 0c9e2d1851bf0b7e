"""A loop over the steps that ends with the longest sequence.

When: a loop is needed, and often all sequences of a batch are short beside the padding.
When not: speed matters: `pack_valid` computes the valid steps at once. One long sequence in the
batch makes every other one pay for its length (see `loop_shrinking`).

Source: the question's "loops are necessary for variable length sequences"; tf.while_loop.
"""

import keras
import tensorflow as tf

DEFAULT = False
BACKENDS = ("tensorflow",)
DROPOUT = "independent"
BATCH_NORM = "per_step"
INNER_LOSSES = "unreachable"
MASKS = "passed"
PADDED_STEPS = "zeros"


@keras.saving.register_keras_serializable(package="loop_lengths")
class LoopLengths(keras.layers.Wrapper):
    """Calls the layer step by step up to the longest sequence."""

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
        """Write zeros for the steps that the mask (batch, time) excludes."""
        batch, time = tf.unstack(tf.shape(x)[:2])
        valid = tf.ones((batch, time), tf.bool) if mask is None else mask
        longest = tf.reduce_max(tf.where(valid, tf.range(1, time + 1), 0))
        y = self.step_spec
        steps = tf.TensorArray(y.dtype, time, element_shape=(x.shape[0], *y.shape[1:]))

        def body(t, steps):
            return t + 1, steps.write(t, self.step(x[:, t], valid[:, t], training))

        _, steps = tf.while_loop(
            lambda t, _: t < longest, body, (tf.constant(0), steps), maximum_iterations=time
        )
        return keras.ops.swapaxes(steps.stack(), 0, 1)  # batch, time, *outputs

    def step(self, x, valid, training):
        """Compute one step of every sequence and zero those that have ended."""
        y = self.layer(x, training=training)  # batch, *outputs
        valid = tf.reshape(valid, (-1, *[1] * (len(y.shape) - 1)))  # batch, 1...
        return tf.where(valid, y, tf.zeros_like(y))


def build(layer, shape, dtype=None):
    """Lift `layer` with a loop that stops at the longest sequence."""
    inputs = keras.Input(shape, dtype=dtype)  # batch, time, *features
    return keras.Model(inputs, LoopLengths(layer)(inputs))  # batch, time, *outputs
