"""keras.ops.scan with the output as the carry.

When: the code has a scan anyway, and a layer without memory must go through it.
When not: speed matters: a scan promises an order that a lift does not need.

A scan carries something from step to step. On TensorFlow it must look like the output, so the
output itself is carried, and ignored.

Source: keras.ops.scan, after jax.lax.scan.
"""

import functools
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


@keras.saving.register_keras_serializable(package="ops_scan")
class OpsScan(keras.layers.Wrapper):
    """Scans over time-major steps, ignoring the carry."""

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
        steps = ops.swapaxes(x, 0, 1)  # time, batch, *features
        y = self.step_spec
        carry = ops.zeros((ops.shape(x)[0], *y.shape[1:]), y.dtype)  # batch, *outputs
        step = functools.partial(self.step, training=training)
        _, y = ops.scan(step, carry, steps)  # time, batch, *outputs
        return ops.swapaxes(y, 0, 1)  # batch, time, *outputs

    def step(self, carry, x, training):
        """Return the output of one step both as the carry and as the result."""
        y = self.layer(x, training=training)  # batch, *outputs
        return ops.cast(y, carry.dtype), y  # JAX computes float64 in float32


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
    """Lift `layer` with a scan."""
    inputs = keras.Input(shape, dtype=dtype)  # batch, time, *features
    return keras.Model(inputs, OpsScan(layer)(inputs))  # batch, time, *outputs
