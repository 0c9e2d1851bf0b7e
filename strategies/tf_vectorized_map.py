"""tf.vectorized_map that may not fall back.

When: a vectorised map is wanted, or else an error: an operation that TensorFlow cannot batch raises
here, where `vectorized_map` would run it in a while loop without a word.
When not: the layer holds such an operation; noise or statistics must differ from step to step.

Source: tf.vectorized_map with `fallback_to_while_loop=False`.
"""

import functools

import keras
import tensorflow as tf

DEFAULT = False
BACKENDS = ("tensorflow",)
DROPOUT = "shared"
BATCH_NORM = "first_step"
INNER_LOSSES = "first_step"
MASKS = "passed"
PADDED_STEPS = "computed"

HAS_NO_BATCHED_FORM = (
    keras.layers.Conv3D,
    keras.layers.DepthwiseConv1D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv1D,
    keras.layers.SeparableConv2D,
)


@keras.saving.register_keras_serializable(package="tf_vectorized_map")
class StrictMap(keras.layers.Wrapper):
    """Maps the layer over time-major steps, strictly."""

    def __init__(self, layer, dtype=None, **kwargs):
        super().__init__(layer, dtype=dtype or layer.dtype_policy, **kwargs)
        self.supports_masking = True

    def build(self, shape):
        """Let the layer build itself, by a call on one step."""
        self.layer(keras.KerasTensor((shape[0], *shape[2:])))

    def call(self, x, training=None, mask=None):
        """Bring time to the front, map, bring it back."""
        steps = keras.ops.swapaxes(x, 0, 1)  # time, batch, *features
        step = functools.partial(self.layer, training=training)
        y = tf.vectorized_map(step, steps, fallback_to_while_loop=False)
        return keras.ops.swapaxes(y, 0, 1)  # batch, time, *outputs


def refuses(layer, setting):
    """Refuse the layers that TensorFlow cannot vectorise, or whose gradient it cannot."""
    parts = layer._flatten_layers()  # noqa: SLF001
    return next(filter(None, (refuses_part(part, setting) for part in parts)), None)


def refuses_part(part, setting):
    """Return why TensorFlow cannot vectorise one of the layers; None where it can."""
    backward, name = setting.phase == "backward", type(part).__name__
    if isinstance(part, HAS_NO_BATCHED_FORM):
        return f"TensorFlow has no batched form for what {name} does."
    inert = setting.mode == "eager" or (setting.mode == "graph" and not backward)
    if isinstance(part, keras.layers.RNN) and not (part.unroll or inert):
        return f"the loop of {name} is vectorised into one without a gradient or XLA program."
    double = setting.dtype == "float64" and setting.mode != "xla"
    if backward and double and getattr(part, "groups", 1) > 1:
        return f"TensorFlow has no vectorised float64 gradient of a grouped {name} without XLA."
    return None


def build(layer, shape, dtype=None):
    """Lift `layer` with a vectorising map that raises rather than loops."""
    inputs = keras.Input(shape, dtype=dtype)  # batch, time, *features
    return keras.Model(inputs, StrictMap(layer)(inputs))  # batch, time, *outputs
