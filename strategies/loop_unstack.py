"""A Python loop over unstacked steps.

When: a loop is wanted and gradients of the inputs are needed: `unstack` has one gradient, a
`stack`, so a backward call moves O(time) bytes.
When not: long sequences: the graph still holds one copy of the layer for each step, and tracing
and XLA compilation grow with it.

Source: keras.ops.unstack; the loop of the question's second example with a linear gradient.
"""

import keras
from keras import ops

DROPOUT = "independent"
BATCH_NORM = "per_step"
INNER_LOSSES = "kept"
MASKS = "passed"
PADDED_STEPS = "computed"


@keras.saving.register_keras_serializable(package="loop_unstack")
class LoopUnstack(keras.layers.Wrapper):
    """Calls the layer on each unstacked step and stacks the results."""

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
        """Unstack, call the layer once for each step, stack."""
        steps = ops.unstack(x, axis=1)  # each: batch, *features
        steps = [self.layer(step, training=training) for step in steps]  # each: batch, *outputs
        return ops.stack(steps, axis=1)  # batch, time, *outputs


def refuses(layer, setting):  # noqa: ARG001
    """Refuse where the number of steps is unknown while the loop is traced."""
    if setting.time_axis == "dynamic" and setting.mode != "eager":
        return "a Python loop needs the number of steps when it is traced, and time is dynamic."
    return None


def build(layer, shape, dtype=None):
    """Lift `layer` with a Python loop over unstacked steps."""
    inputs = keras.Input(shape, dtype=dtype)  # batch, time, *features
    return keras.Model(inputs, LoopUnstack(layer)(inputs))  # batch, time, *outputs
