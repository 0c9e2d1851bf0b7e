"""Padded sequences: sort by length, cut each of k groups to its longest.

When: lengths differ much and the steps must stay in rectangles: padding is left within groups.
When not: the batch is small, or lengths are alike: sorting and joining cost more than they save.
Nor with BatchNormalization and batches of fewer sequences than groups: statistics become NaN.

Source: Khomenko et al. 2016, "Accelerating recurrent neural network training using sequence
bucketing", here within one batch; in a pipeline tf.data's `bucket_by_sequence_length` is free.
"""

import itertools

import keras
from keras import ops, tree

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
        super().__init__(layer, dtype=dtype or layer.compute_dtype, **kwargs)
        self.k = k
        self.built, self.specs = True, None  # the layer builds itself when it is called

    def get_config(self):
        """Return what `from_config` makes an equal layer from."""
        return {**super().get_config(), "k": self.k}

    def compute_output_spec(self, x, training=None, mask=None):
        """Call the layer on one step, and put time back behind the batch of its outputs."""
        step = tree.map_structure(lambda x: keras.KerasTensor(x.shape, x.dtype)[:, 0], x)
        y, sizes = self.layer(step), tree.flatten(x)[0].shape[:2]  # batch, time
        return tree.map_structure(lambda y: keras.KerasTensor((*sizes, *y.shape[1:]), y.dtype), y)

    def compute_mask(self, x, mask):
        """Return the mask over steps for each output."""
        self.specs = self.specs or tree.flatten(self.compute_output_spec(x))
        return [next((m for m in tree.flatten(mask) if m is not None), None)] * len(self.specs)

    def call(self, x, training=None, mask=None):
        """Sort the sequences, fold them group by group, undo the sorting."""
        batch, time, *_ = ops.shape(tree.flatten(x)[0])
        k = min(self.k, tree.flatten(x)[0].shape[0] or self.k)
        masks = [m for m in tree.flatten(mask) if m is not None] or [ops.ones((batch, time), bool)]
        if any(m.ndim > 2 for m in masks):
            raise ValueError("Bucketing hands a step no mask of its own.")
        numbers = ops.arange(1, time + 1, dtype="int32")  # int16 where floats have 16 bits
        lengths = ops.max(ops.where(masks[0], numbers, 0), axis=1)  # batch
        rows = ops.argsort(lengths)  # of the batch, the shortest first
        bounds = [batch * group // k for group in range(k + 1)]
        groups = [rows[low:high] for low, high in itertools.pairwise(bounds)]
        y = [self.fold(x, one, ops.take(lengths, one), training) for one in groups]
        return tree.map_structure(lambda *y: ops.take(ops.concatenate(y), ops.argsort(rows), 0), *y)

    def fold(self, x, rows, lengths, training):
        """Call the layer on the steps up to the longest of `lengths`, then pad with zeros."""
        longest = ops.max(lengths, initial=0)
        x = tree.map_structure(lambda x: ops.take(x, rows, axis=0), x)  # batch, time, *features
        batch, time, *_ = ops.shape(tree.flatten(x)[0])
        x = tree.map_structure(lambda x: ops.reshape(x[:, :longest], (-1, *ops.shape(x)[2:])), x)
        y = self.layer(x, training=training)  # batch * longest, *outputs

        def pad(y):
            y = ops.reshape(y, (batch, longest, *ops.shape(y)[1:]))  # batch, longest, *outputs
            rest = ops.zeros((batch, time - longest, *ops.shape(y)[2:]), y.dtype)
            return ops.concatenate([y, rest], axis=1)  # batch, time, *outputs

        return tree.map_structure(pad, y)


def refuses(layer, setting, *, masked=False):  # noqa: ARG001
    """Refuse masks of a step, the gradient that XLA gets wrong, and sizes unknown to JAX."""
    if any(tree.flatten(masked)):
        return "groups are cut by a mask over steps, and a step is handed no mask of its own."
    if setting.mode == "xla" and setting.differentiates and setting.lengths != "full":
        return "XLA computes a wrong gradient of a slice whose size depends on the lengths."
    if setting.backend == "jax" and setting.mode != "eager":
        return "jax.jit compiles for known sizes, and the longest of a group is none."
    return None


def build(layer, shape, dtype=None, *, k=4):
    """Lift `layer` over `k` groups of sequences of similar length."""
    specs = tree.map_shape_structure(keras.KerasTensor, shape)
    inputs = tree.map_structure(lambda x, kind: keras.Input(x.shape, dtype=kind), specs, dtype)
    return keras.Model(inputs, Bucketing(layer, k)(inputs))  # batch, time, *outputs
