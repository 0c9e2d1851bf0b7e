"""Padded sequences: gather the valid steps, call once, scatter back.

When: lengths differ much and the layer is dear; batch statistics, too, count valid steps alone.
When not: the layer is cheap beside a gather and a scatter.

Source: the packed sequences of torch.nn.utils.rnn, without an order to keep; tf.scatter_nd.
"""

from inspect import signature

import keras
import tensorflow as tf
from keras import ops, tree

DEFAULT = False
BACKENDS = ("tensorflow",)
DROPOUT = "independent"
BATCH_NORM = "pooled"
INNER_LOSSES = "averaged"
MASKS = "passed"
PADDED_STEPS = "zeros"


@keras.saving.register_keras_serializable(package="pack_valid")
class PackValid(keras.layers.Wrapper):
    """Calls the layer on the valid steps of all sequences, packed together."""

    def __init__(self, layer, dtype=None, **kwargs):
        super().__init__(layer, dtype=dtype or layer.compute_dtype, **kwargs)
        self.takes_mask = "mask" in signature(layer.call).parameters
        self.built, self.specs = True, None  # the layer builds itself when it is called

    def call(self, x, training=None, mask=None):
        """Pack steps, and masks of their own, by the mask over steps; call, unpack into zeros."""
        rows = tf.shape(tree.flatten(x)[0])[:2]  # batch, time
        valid, *_ = [m for m in tree.flatten(mask) if m is not None] or [tf.ones(rows, tf.bool)]
        at = tf.where(tf.reduce_any(valid, range(2, valid.ndim)) if valid.ndim > 2 else valid)
        own = tree.map_structure(lambda m: m if m is not None and m.ndim > 2 else None, mask)
        x, own = tree.map_structure(lambda z: None if z is None else tf.gather_nd(z, at), (x, own))
        masks = {"mask": own} if self.takes_mask else {}
        y = self.layer(x, training=training, **masks)  # packed, *outputs
        at = tf.cast(at, tf.int32)  # packed, 2
        return tree.map_structure(
            lambda y: tf.scatter_nd(at, y, tf.concat([rows, tf.shape(y)[1:]], axis=0)), y
        )

    def compute_mask(self, x, mask):
        """Return a step's own mask for outputs that have its axes, (batch, time) for others."""
        self.specs = self.specs or tree.flatten(self.compute_output_spec(x))
        mask = max(tree.flatten(mask), key=lambda one: len(getattr(one, "shape", ())))
        own = tuple(getattr(mask, "shape", ())[2:])
        steps = ops.any(mask, axis=tuple(range(2, len(own) + 2))) if own else mask
        return [mask if y.shape[2:-1][: len(own)] in (own, (None,)) else steps for y in self.specs]


def build(layer, shape, dtype=None):
    """Lift `layer` over the valid steps alone."""
    specs = tree.map_shape_structure(keras.KerasTensor, shape)
    inputs = tree.map_structure(lambda x, kind: keras.Input(x.shape, dtype=kind), specs, dtype)
    return keras.Model(inputs, PackValid(layer)(inputs))  # batch, time, *outputs
