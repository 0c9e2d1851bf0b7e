"""A loop over the steps in which each sequence stops at its own length.

When: a loop is needed, lengths differ much, and the layer is dear: a step is computed for the
sequences that are still going on, and for no other.
When not: speed matters: `pack_valid` computes the same steps at once.

Source: the question's "loops are necessary for variable length sequences"; the shrinking batch of
torch.nn.utils.rnn.PackedSequence.
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


@keras.saving.register_keras_serializable(package="loop_shrinking")
class LoopShrinking(keras.layers.Wrapper):
    """Calls the layer step by step on the sequences that are still going on."""

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
        """Loop until the mask (batch, time) leaves no sequence; zeros stand behind."""
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
        """Compute one step of the sequences that go on and scatter it into zeros."""
        rows = tf.where(valid)  # going on, 1
        y = self.layer(tf.gather_nd(x, rows), training=training)  # going on, *outputs
        shape = tf.concat([tf.shape(x)[:1], tf.shape(y)[1:]], axis=0)
        return tf.scatter_nd(tf.cast(rows, tf.int32), y, shape)  # batch, *outputs


def refuses(layer, setting):  # noqa: ARG001
    """Refuse the gradient that XLA gets wrong."""
    if setting.mode == "xla" and setting.phase == "backward" and setting.lengths != "full":
        return "XLA computes a wrong gradient where a shrinking batch is gathered in a loop."
    return None


def build(layer, shape, dtype=None):
    """Lift `layer` with a loop in which each sequence stops at its own length."""
    inputs = keras.Input(shape, dtype=dtype)  # batch, time, *features
    return keras.Model(inputs, LoopShrinking(layer)(inputs))  # batch, time, *outputs
