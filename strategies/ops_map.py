"""keras.ops.map over the steps.

When: the loop must be one operation in the graph, whatever the number of steps, on any backend.
When not: speed matters: steps run one after another, and on TensorFlow the layer is called once
more on the first step to learn its output's type.

Source: keras.ops.map, on TensorFlow tf.map_fn.
"""

import functools
import numbers

import keras
from keras import ops

DEFAULT = False
DROPOUT = "independent"
BATCH_NORM = "per_step_and_first_again"
INNER_LOSSES = "unreachable"
MASKS = "passed"
PADDED_STEPS = "computed"

#: Attributes of Keras's layers that hold the rate or size of noise in training.
NOISE = ("rate", "stddev", "dropout", "recurrent_dropout")


@keras.saving.register_keras_serializable(package="ops_map")
class OpsMap(keras.layers.Wrapper):
    """Maps the layer over time-major steps, one after another."""

    def __init__(self, layer, dtype=None, **kwargs):
        super().__init__(layer, dtype=dtype or layer.dtype_policy, **kwargs)
        self.supports_masking = True

    def build(self, shape):
        """Let the layer build itself, by a call on one step."""
        self.layer(keras.KerasTensor((shape[0], *shape[2:])))

    def call(self, x, training=None, mask=None):
        """Bring time to the front, map, bring it back."""
        steps = ops.swapaxes(x, 0, 1)  # time, batch, *features
        step = functools.partial(self.layer, training=training)
        return ops.swapaxes(ops.map(step, steps), 0, 1)  # batch, time, *outputs


def refuses(layer, setting):
    """Refuse what JAX cannot assign inside a loop, and an unrolled loop of unknown length."""
    if setting.backend == "torch" and setting.time_axis == "dynamic" and setting.mode == "graph":
        return "PyTorch unrolls the loop and must know the number of steps, and time is dynamic."
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
    """Lift `layer` with a sequential map."""
    inputs = keras.Input(shape, dtype=dtype)  # batch, time, *features
    return keras.Model(inputs, OpsMap(layer)(inputs))  # batch, time, *outputs
