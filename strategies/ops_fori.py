"""keras.ops.fori_loop that writes into a buffer.

When: never for speed; it shows what a counted loop costs when its result is a plain tensor.
When not: gradients matter: each step writes a buffer of all steps, and so does its gradient, so a
backward call moves O(time^2) bytes.

The write is `scatter_update`; `slice_update` has no gradient on TensorFlow.

Source: keras.ops.fori_loop.
"""

import numbers

import keras
from keras import ops

DEFAULT = False
DROPOUT = "independent"
BATCH_NORM = "per_step"
INNER_LOSSES = "unreachable"
MASKS = "passed"
PADDED_STEPS = "computed"

#: Attributes of Keras's layers that hold the rate or size of noise in training.
NOISE = ("rate", "stddev", "dropout", "recurrent_dropout")


@keras.saving.register_keras_serializable(package="ops_fori")
class OpsFori(keras.layers.Wrapper):
    """Counts through the steps and writes each output into place."""

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
        """Allocate the outputs and fill them step by step."""
        steps = ops.swapaxes(x, 0, 1)  # time, batch, *features
        time, batch, *_ = ops.shape(steps)
        y = self.step_spec
        buffer = ops.zeros((time, batch, *y.shape[1:]), y.dtype)

        def write(t, buffer):
            y = self.layer(ops.take(steps, t, axis=0), training=training)  # batch, *outputs
            return ops.scatter_update(buffer, ops.reshape(t, (1, 1)), y[None])

        buffer = ops.fori_loop(0, time, write, buffer)  # time, batch, *outputs
        return ops.swapaxes(buffer, 0, 1)  # batch, time, *outputs


def refuses(layer, setting):
    """Refuse gradients that XLA cannot compile, and what the loops of JAX and PyTorch cannot do."""
    if setting.backend == "torch" and setting.time_axis == "dynamic" and setting.mode == "graph":
        return "PyTorch unrolls the loop and must know the number of steps, and time is dynamic."
    if setting.mode == "xla" and setting.phase == "backward":
        return "the loop has no maximum of iterations, and XLA compiles no gradient without one."
    if setting.backend == "jax" and setting.phase == "backward" and assigns(layer):
        return "JAX takes nothing that the layer assigns out of a loop, and training assigns."
    return None


def assigns(layer):
    """True if training assigns: to batch statistics, or to the seeds that noise is drawn from."""
    parts = layer._flatten_layers()  # noqa: SLF001
    statistics = keras.layers.BatchNormalization
    return any(noisy(one) or (isinstance(one, statistics) and one.trainable) for one in parts)


def noisy(part):
    """True if a layer draws noise in training."""
    rates = (getattr(part, name, 0) for name in NOISE)  # in other layers these are weights
    return any(isinstance(rate, numbers.Real) and rate > 0 for rate in rates)


def build(layer, shape, dtype=None):
    """Lift `layer` with a counted loop."""
    inputs = keras.Input(shape, dtype=dtype)  # batch, time, *features
    return keras.Model(inputs, OpsFori(layer)(inputs))  # batch, time, *outputs
