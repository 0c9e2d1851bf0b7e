"""Padded sequences: sort by length, cut each of k groups to its longest.

When: lengths differ much and the steps must stay in rectangles: the padding left is that within a
group.
When not: the batch is small, or lengths are alike: sorting and joining cost more than they save.
Nor with BatchNormalization where a batch may have fewer sequences than groups: an empty group makes
its statistics NaN. In a data pipeline the same idea is free: tf.data's `bucket_by_sequence_length`.

Source: Khomenko et al. 2016, "Accelerating recurrent neural network training using sequence
bucketing", here within one batch.
"""

import itertools

import keras
from keras import ops

DEFAULT = False
VARIANTS = ({"k": 4},)

DROPOUT = "independent"
BATCH_NORM = "per_group"
INNER_LOSSES = "averaged_per_group"
MASKS = "passed"
PADDED_STEPS = "computed_within_group"


@keras.saving.register_keras_serializable(package="bucketing")
class Bucketing(keras.layers.Wrapper):
    """Folds `k` groups of sequences of similar length, each cut to its longest."""

    def __init__(self, layer, k=4, dtype=None, **kwargs):
        super().__init__(layer, dtype=dtype or layer.dtype_policy, **kwargs)
        self.k = k
        self.supports_masking = True

    def get_config(self):
        """Return what `from_config` makes an equal layer from."""
        return {**super().get_config(), "k": self.k}

    def build(self, shape):
        """Let the layer build itself, by a call on one step."""
        self.layer(keras.KerasTensor((shape[0], *shape[2:])))

    def compute_output_spec(self, x, training=None, mask=None):
        """Put time back behind the batch of the layer's own outputs."""
        y = self.layer.compute_output_spec(keras.KerasTensor((x.shape[0], *x.shape[2:]), x.dtype))
        return keras.KerasTensor((*x.shape[:2], *y.shape[1:]), y.dtype)

    def call(self, x, training=None, mask=None):
        """Sort the sequences, fold them group by group, undo the sorting."""
        batch, time, *_ = ops.shape(x)
        k = min(self.k, x.shape[0] or self.k)
        mask = ops.ones((batch, time), bool) if mask is None else mask
        lengths = ops.max(ops.where(mask, ops.arange(1, time + 1), 0), axis=1)  # batch
        order = ops.argsort(lengths)
        bounds = [batch * group // k for group in range(k + 1)]
        groups = [order[low:high] for low, high in itertools.pairwise(bounds)]
        y = [self.fold(ops.take(x, one, 0), ops.take(lengths, one), training) for one in groups]
        return ops.take(ops.concatenate(y), ops.argsort(order), axis=0)  # batch, time, *outputs

    def fold(self, x, lengths, training):
        """Call the layer on the steps up to the longest of `lengths`, then pad with zeros."""
        longest = ops.max(lengths, initial=0)
        batch, time, *features = ops.shape(x)
        x = ops.reshape(x[:, :longest], (-1, *features))  # batch * longest, *features
        y = self.layer(x, training=training)  # batch * longest, *outputs
        y = ops.reshape(y, (batch, longest, *ops.shape(y)[1:]))  # batch, longest, *outputs
        rest = ops.zeros((batch, time - longest, *ops.shape(y)[2:]), y.dtype)
        return ops.concatenate([y, rest], axis=1)  # batch, time, *outputs


def refuses(layer, setting):  # noqa: ARG001
    """Refuse the gradient that XLA gets wrong, and sizes that JAX does not know."""
    if setting.mode == "xla" and setting.phase == "backward" and setting.lengths != "full":
        return "XLA computes a wrong gradient of a slice whose size depends on the lengths."
    if setting.backend == "jax" and setting.mode != "eager":
        return "jax.jit compiles for known sizes, and the longest of a group is none."
    return None


def build(layer, shape, dtype=None, *, k=4):
    """Lift `layer` over `k` groups of sequences of similar length."""
    inputs = keras.Input(shape, dtype=dtype)  # batch, time, *features
    return keras.Model(inputs, Bucketing(layer, k)(inputs))  # batch, time, *outputs
