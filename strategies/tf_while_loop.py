"""tf.while_loop over TensorArrays.

When: a hand-written loop needs an early end or a state, and the layer is only a part of its body.
When not: the loop does nothing else: `tf_map_fn` is the same loop, written by TensorFlow.

Under XLA a growing array loses its writes, and a loop without a known maximum has no gradient.

Source: tf.while_loop, tf.TensorArray.
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
PADDED_STEPS = "computed"


@keras.saving.register_keras_serializable(package="tf_while_loop")
class WhileLoop(keras.layers.Wrapper):
    """Reads, calls and writes one step after another."""

    def __init__(self, layer, dtype=None, **kwargs):
        super().__init__(layer, dtype=dtype or layer.compute_dtype, **kwargs)
        self.takes_mask = "mask" in signature(layer.call).parameters
        self.built, self.specs = True, None  # the layer builds itself when it is called

    def call(self, x, training=None, mask=None):
        """Read the steps from arrays, write outputs into others; a mask over steps ends here."""
        if self.specs is None:
            step = tree.map_structure(lambda x: keras.KerasTensor(x.shape, x.dtype)[:, 0], x)
            nest = self.layer(step)  # batch, *outputs
            self.specs, self.pack = tree.flatten(nest), lambda y: tree.pack_sequence_as(nest, y)
        flat = [ops.swapaxes(one, 0, 1) for one in tree.flatten(x)]  # each: time, batch, *features
        time = tf.shape(flat[0])[0]
        arrays = [tf.TensorArray(x.dtype, time, element_shape=x.shape[1:]).unstack(x) for x in flat]
        targets = [tf.TensorArray(y.dtype, time) for y in self.specs]
        own = {"mask": mask} if self.takes_mask else {}

        def body(t, targets):
            step = tree.pack_sequence_as(x, [array.read(t) for array in arrays])
            how = tree.map_structure(lambda m: m[:, t] if getattr(m, "ndim", 2) > 2 else None, own)
            y = tree.flatten(self.layer(step, training=training, **how))
            return t + 1, [target.write(t, one) for target, one in zip(targets, y, strict=True)]

        loop = (tf.constant(0), targets)
        _, targets = tf.while_loop(lambda t, _: t < time, body, loop, maximum_iterations=time)
        y = [ops.swapaxes(target.stack(), 0, 1) for target in targets]  # batch, time, *outputs
        for one in y:
            one.set_shape((one.shape[0], flat[0].shape[0], *one.shape[2:]))
        return self.pack(y)

    def compute_mask(self, x, mask):
        """Return a step's own mask for outputs that have its axes, (batch, time) for others."""
        mask = max(tree.flatten(mask), key=lambda one: len(getattr(one, "shape", ())))
        own = tuple(getattr(mask, "shape", ())[2:])
        steps = ops.any(mask, axis=tuple(range(2, len(own) + 2))) if own else mask
        return [mask if y.shape[1:-1][: len(own)] in (own, (None,)) else steps for y in self.specs]


def build(layer, shape, dtype=None):
    """Lift `layer` with a while loop."""
    specs = tree.map_shape_structure(keras.KerasTensor, shape)
    inputs = tree.map_structure(lambda x, kind: keras.Input(x.shape, dtype=kind), specs, dtype)
    return keras.Model(inputs, WhileLoop(layer)(inputs))  # batch, time, *outputs
