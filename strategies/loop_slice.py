"""A Python loop that slices one step at a time.

When: a handful of steps, and the reader should see the law itself in the code.
When not: long sequences (one copy of the layer in the graph for each step), or gradients of the
inputs: the gradient of `x[:, t]` is a tensor as large as `x`, so a backward call moves O(time^2)
bytes (see `loop_unstack`).

Source: the question's second example, with the loop inside a Layer that owns the reused layer.
"""

import keras
from keras import ops

DROPOUT = "independent"
BATCH_NORM = "per_step"
INNER_LOSSES = "kept"
MASKS = "passed"
PADDED_STEPS = "computed"


@keras.saving.register_keras_serializable(package="loop_slice")
class LoopSlice(keras.layers.Wrapper):
    """Calls the layer on `x[:, t]` for each `t` and stacks the results."""

    def __init__(self, layer, dtype=None, **kwargs):
        super().__init__(layer, dtype=dtype or layer.dtype_policy, **kwargs)
        self.supports_masking = True

    def build(self, shape):
        """Let the layer build itself, by a call on one step."""
        self.layer(keras.KerasTensor((shape[0], *shape[2:])))

    def compute_output_spec(self, x, training=None, mask=None):
        """Put time back behind the batch of the layer's own outputs."""
        y = self.layer.compute_output_spec(keras.KerasTensor((x.shape[0], *x.shape[2:]), x.dtype))
        return keras.KerasTensor((*x.shape[:2], *y.shape[1:]), y.dtype)

    def call(self, x, training=None, mask=None):
        """Call the layer once for each step."""
        time = range(x.shape[1])
        steps = [self.layer(x[:, t], training=training) for t in time]  # each: batch, *outputs
        return ops.stack(steps, axis=1)  # batch, time, *outputs


def refuses(layer, setting):  # noqa: ARG001
    """Refuse where the number of steps is unknown while the loop is traced."""
    if setting.time_axis == "dynamic" and setting.mode != "eager":
        return "a Python loop needs the number of steps when it is traced, and time is dynamic."
    return None


def build(layer, shape, dtype=None):
    """Lift `layer` with a Python loop over slices."""
    inputs = keras.Input(shape, dtype=dtype)  # batch, time, *features
    return keras.Model(inputs, LoopSlice(layer)(inputs))  # batch, time, *outputs
