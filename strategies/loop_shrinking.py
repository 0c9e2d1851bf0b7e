"""A loop over the steps in which each sequence stops at its own length.

When: a loop is needed, lengths differ much, and the layer is dear: ended sequences cost nothing.
When not: speed matters: `pack_valid` computes the same steps at once.

Source: the question's "loops are necessary for variable length sequences"; torch's PackedSequence.
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


@keras.saving.register_keras_serializable(package="loop_shrinking")
class LoopShrinking(keras.layers.Wrapper):
    """Calls the layer step by step on the sequences that are still going on."""

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
        """Loop until the mask over steps leaves no sequence; zeros stand behind."""
        specs, first = self.specs or tree.flatten(self.compute_output_spec(x)), tree.flatten(x)[0]
        (batch, time), size = tf.unstack(tf.shape(first)[:2]), first.shape[0]  # size: static
        masks = [m for m in tree.flatten(mask) if m is not None] or [tf.ones((batch, time), bool)]
        valid = tf.reduce_any(masks[0], range(2, masks[0].ndim)) if masks[0].ndim > 2 else masks[0]
        end = tf.reduce_max(tf.where(valid, tf.range(1, time + 1), 0))
        arrays = [tf.TensorArray(y.dtype, time, element_shape=(size, *y.shape[2:])) for y in specs]

        def body(t, arrays):
            rows = tf.cast(tf.where(valid[:, t]), tf.int32)  # going on, 1
            own = tree.map_structure(lambda m: m[:, t] if getattr(m, "ndim", 2) > 2 else None, mask)
            own = tree.map_structure(lambda m: None if m is None else tf.gather_nd(m, rows), own)
            step = tree.map_structure(lambda x: tf.gather_nd(x[:, t], rows), x)  # going on, …
            own = {"mask": own} if self.takes_mask else {}
            y = tree.flatten(self.layer(step, training=training, **own))  # going on, *outputs
            y = [tf.scatter_nd(rows, one, tf.concat([[batch], tf.shape(one)[1:]], 0)) for one in y]
            return t + 1, [array.write(t, one) for array, one in zip(arrays, y, strict=True)]

        _, arrays = tf.while_loop(lambda t, _: t < end, body, (0, arrays), maximum_iterations=time)
        return self.pack([ops.swapaxes(array.stack(), 0, 1) for array in arrays])

    def compute_mask(self, x, mask):
        """Return a step's own mask for outputs that have its axes, (batch, time) for others."""
        mask = max(tree.flatten(mask), key=lambda one: len(getattr(one, "shape", ())))
        own = tuple(getattr(mask, "shape", ())[2:])
        steps = ops.any(mask, axis=tuple(range(2, len(own) + 2))) if own else mask
        return [mask if y.shape[2:-1][: len(own)] in (own, (None,)) else steps for y in self.specs]


def refuses(layer, setting):
    """Refuse the gradients that XLA gets wrong or cannot compile, and there a loop in a loop."""
    if setting.mode == "xla" and isinstance(layer, LoopShrinking):
        return "XLA must know the batch of a loop, and inside of another one it shrinks."
    parts = [part for part in layer._flatten_layers() if isinstance(part, keras.layers.Dense)]  # noqa: SLF001
    shapes = [(part.get_build_config() or {}).get("input_shape") or () for part in parts]
    compiled = setting.mode == "xla" and setting.differentiates
    if compiled and (setting.lengths != "full" or max(map(len, shapes), default=0) > 2):
        return (
            "XLA gets the gradient wrong, or has none of Dense over words, where a batch shrinks."
        )
    return None


def build(layer, shape, dtype=None):
    """Lift `layer` with a loop in which each sequence stops at its own length."""
    specs = tree.map_shape_structure(keras.KerasTensor, shape)
    inputs = tree.map_structure(lambda x, kind: keras.Input(x.shape, dtype=kind), specs, dtype)
    return keras.Model(inputs, LoopShrinking(layer)(inputs))  # batch, time, *outputs
