"""tf.map_fn over the steps.

When: TensorFlow code that must bound how many steps run at once (`parallel_iterations`).
When not: speed matters, or another backend might be used.

Source: tf.map_fn.
"""

import keras
import tensorflow as tf

DEFAULT = False
BACKENDS = ("tensorflow",)
VARIANTS = ({"parallel_iterations": 10},)

DROPOUT = "independent"
BATCH_NORM = "per_step"
INNER_LOSSES = "unreachable"
MASKS = "passed"
PADDED_STEPS = "computed"


class MapFn(keras.layers.Wrapper):
    """Maps the layer over time-major steps in a TensorFlow loop."""

    def __init__(self, layer, parallel_iterations):
        super().__init__(layer, dtype=layer.dtype_policy)
        self.parallel_iterations = parallel_iterations
        self.supports_masking = True

    def compute_output_shape(self, shape):
        """Put time back behind the batch of the layer's own output shape."""
        batch, time, *features = shape
        return (batch, time, *self.layer.compute_output_shape((batch, *features))[1:])

    def call(self, x):
        """Bring time to the front, map, bring it back."""
        y = tf.map_fn(
            self.layer,
            keras.ops.swapaxes(x, 0, 1),  # time, batch, *features
            fn_output_signature=self.compute_dtype,
            parallel_iterations=self.parallel_iterations,
        )
        return keras.ops.swapaxes(y, 0, 1)  # batch, time, *outputs


def build(layer, shape, dtype=None, *, parallel_iterations=10):
    """Lift `layer` with a map of at most `parallel_iterations` steps at once."""
    inputs = keras.Input(shape, dtype=dtype)  # batch, time, *features
    return keras.Model(inputs, MapFn(layer, parallel_iterations)(inputs))  # batch, time, *outputs
