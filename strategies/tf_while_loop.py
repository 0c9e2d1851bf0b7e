"""tf.while_loop over TensorArrays.

When: a hand-written loop needs an early end or a state, and the layer is only a part of its body.
When not: the loop does nothing else: `tf_map_fn` is the same loop, written by TensorFlow.

The arrays have a fixed size: a growing one loses its writes under XLA. The loop has a known
maximum: without one XLA cannot make its gradient.

Source: tf.while_loop, tf.TensorArray.
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


@keras.saving.register_keras_serializable(package="tf_while_loop")
class WhileLoop(keras.layers.Wrapper):
    """Reads, calls and writes one step after another."""

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
        """Read the steps from one array and write the outputs into another."""
        steps = keras.ops.swapaxes(x, 0, 1)  # time, batch, *features
        time = tf.shape(steps)[0]
        source = tf.TensorArray(x.dtype, time, element_shape=steps.shape[1:]).unstack(steps)
        target = tf.TensorArray(self.step_spec.dtype, time)

        def body(t, target):
            return t + 1, target.write(t, self.layer(source.read(t), training=training))

        loop = (tf.constant(0), target)
        _, target = tf.while_loop(lambda t, _: t < time, body, loop, maximum_iterations=time)
        return keras.ops.swapaxes(target.stack(), 0, 1)  # batch, time, *outputs


def build(layer, shape, dtype=None):
    """Lift `layer` with a while loop."""
    inputs = keras.Input(shape, dtype=dtype)  # batch, time, *features
    return keras.Model(inputs, WhileLoop(layer)(inputs))  # batch, time, *outputs
