"""A loop over the steps that ends with the longest sequence.

When: a loop is needed, and often all sequences of a batch are short beside the padding.
When not: speed matters (see `pack_valid`), or a batch has one long sequence (`loop_shrinking`).

Source: the question's "loops are necessary for variable length sequences"; tf.while_loop.
"""

from inspect import signature

import keras
import tensorflow as tf
from keras import ops, tree

DEFAULT = False
BACKENDS = ("tensorflow",)
DROPOUT = "independent"
BATCH_NORM = "per_step"
INNER_LOSSES = "unreachable"
MASKS = "passed"
PADDED_STEPS = "zeros"


@keras.saving.register_keras_serializable(package="loop_lengths")
class LoopLengths(keras.layers.Wrapper):
    """Calls the layer step by step up to the longest sequence."""

    def __init__(self, layer, dtype=None, **kwargs):
        super().__init__(layer, dtype=dtype or layer.compute_dtype, **kwargs)
        self.takes_mask = "mask" in signature(layer.call).parameters
        self.built, self.specs = True, None  # the layer builds itself when it is called

    def compute_output_spec(self, x, training=None, mask=None):
        """Call the layer on one step, and put time back behind the batch of its outputs."""
        step = tree.map_structure(lambda x: keras.KerasTensor(x.shape, x.dtype)[:, 0], x)
        y, sizes = self.layer(step), tree.flatten(x)[0].shape[:2]  # batch, time
        y = tree.map_structure(lambda y: keras.KerasTensor((*sizes, *y.shape[1:]), y.dtype), y)
        self.specs, self.pack = tree.flatten(y), lambda flat: tree.pack_sequence_as(y, flat)
        return y

    def call(self, x, training=None, mask=None):
        """Write zeros for the steps that the mask over steps excludes."""
        specs = self.specs or tree.flatten(self.compute_output_spec(x))
        first = tree.flatten(x)[0]
        batch, time = tf.unstack(tf.shape(first)[:2])
        masks = [m for m in tree.flatten(mask) if m is not None] or [tf.ones((batch, time), bool)]
        valid = tf.reduce_any(masks[0], range(2, masks[0].ndim)) if masks[0].ndim > 2 else masks[0]
        longest = tf.reduce_max(tf.where(valid, tf.range(1, time + 1), 0))
        size = first.shape[0]  # None where the batch is dynamic
        arrays = [tf.TensorArray(y.dtype, time, element_shape=(size, *y.shape[2:])) for y in specs]

        def body(t, arrays):
            own = tree.map_structure(lambda m: m[:, t] if getattr(m, "ndim", 2) > 2 else None, mask)
            own = {"mask": own} if self.takes_mask else {}
            y = self.layer(tree.map_structure(lambda x: x[:, t], x), training=training, **own)
            y = tree.flatten(y)
            goes_on = [tf.reshape(valid[:, t], (-1, *[1] * (one.ndim - 1))) for one in y]
            y = map(tf.where, goes_on, y, map(tf.zeros_like, y))  # zeros behind a sequence's end
            return t + 1, [array.write(t, one) for array, one in zip(arrays, y, strict=True)]

        loop = tf.constant(0), arrays
        _, arrays = tf.while_loop(lambda t, _: t < longest, body, loop, maximum_iterations=time)
        return self.pack([ops.swapaxes(array.stack(), 0, 1) for array in arrays])

    def compute_mask(self, x, mask):
        """Return a step's own mask for outputs that have its axes, (batch, time) for others."""
        mask = max(tree.flatten(mask), key=lambda one: len(getattr(one, "shape", ())))
        own = tuple(getattr(mask, "shape", ())[2:])
        steps = ops.any(mask, axis=tuple(range(2, len(own) + 2))) if own else mask
        return [mask if y.shape[2:-1][: len(own)] in (own, (None,)) else steps for y in self.specs]


def build(layer, shape, dtype=None):
    """Lift `layer` with a loop that stops at the longest sequence."""
    specs = tree.map_shape_structure(keras.KerasTensor, shape)
    inputs = tree.map_structure(lambda x, kind: keras.Input(x.shape, dtype=kind), specs, dtype)
    return keras.Model(inputs, LoopLengths(layer)(inputs))  # batch, time, *outputs
