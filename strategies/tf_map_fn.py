"""tf.map_fn over the steps.

When: TensorFlow code that must bound how many steps run at once (`parallel_iterations`).
When not: speed matters, or another backend might be used.

Source: tf.map_fn.
"""

import functools

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


@keras.saving.register_keras_serializable(package="tf_map_fn")
class MapFn(keras.layers.Wrapper):
    """Maps the layer over time-major steps in a TensorFlow loop."""

    def __init__(self, layer, parallel_iterations=10, dtype=None, **kwargs):
        super().__init__(layer, dtype=dtype or layer.dtype_policy, **kwargs)
        self.parallel_iterations = parallel_iterations
        self.supports_masking = True

    def get_config(self):
        """Return what `from_config` makes an equal layer from."""
        return {**super().get_config(), "parallel_iterations": self.parallel_iterations}

    def build(self, shape):
        """Let the layer build itself, by a call on one step, and keep the spec of its outputs."""
        self.step_spec = self.layer(keras.KerasTensor((shape[0], *shape[2:])))  # batch, *outputs

    def compute_output_spec(self, x, training=None, mask=None):
        """Put time back behind the batch of the layer's own outputs."""
        y = self.layer.compute_output_spec(keras.KerasTensor((x.shape[0], *x.shape[2:]), x.dtype))
        return keras.KerasTensor((*x.shape[:2], *y.shape[1:]), y.dtype)

    def call(self, x, training=None, mask=None):
        """Bring time to the front, map, bring it back."""
        y = tf.map_fn(
            functools.partial(self.layer, training=training),
            keras.ops.swapaxes(x, 0, 1),  # time, batch, *features
            fn_output_signature=self.step_spec.dtype,
            parallel_iterations=self.parallel_iterations,
        )
        return keras.ops.swapaxes(y, 0, 1)  # batch, time, *outputs


def build(layer, shape, dtype=None, *, parallel_iterations=10):
    """Lift `layer` with a map of at most `parallel_iterations` steps at once."""
    inputs = keras.Input(shape, dtype=dtype)  # batch, time, *features
    return keras.Model(inputs, MapFn(layer, parallel_iterations)(inputs))  # batch, time, *outputs
