"""tf.map_fn over the steps.

When: TensorFlow code that must bound how many steps run at once (`parallel_iterations`).
When not: speed matters, or another backend might be used.

Source: tf.map_fn.
"""

from inspect import signature

import keras
import tensorflow as tf
from keras import ops, tree

DEFAULT = False
BACKENDS = ("tensorflow",)
VARIANTS = ({"parallel_iterations": 10},)

DROPOUT = "independent"
BATCH_NORM = "per_step"
INNER_LOSSES = "unreachable"
MASKS = "passed"
PADDED_STEPS = "computed"


@keras.saving.register_keras_serializable(package="tf_map_fn")
class MapFn(keras.layers.Wrapper):
    """Maps the layer over time-major steps in a TensorFlow loop."""

    def __init__(self, layer, parallel_iterations=10, dtype=None, **kwargs):
        super().__init__(layer, dtype=dtype or layer.compute_dtype, **kwargs)
        self.takes_mask = "mask" in signature(layer.call).parameters
        self.parallel_iterations = parallel_iterations
        self.built, self.specs = True, None  # the layer builds itself when it is called

    def get_config(self):
        """Return what `from_config` makes an equal layer from."""
        return {**super().get_config(), "parallel_iterations": self.parallel_iterations}

    def call(self, x, training=None, mask=None):
        """Bring time to the front, map, bring it back; a mask over steps ends here."""
        if self.specs is None:
            step = tree.map_structure(lambda x: keras.KerasTensor(x.shape, x.dtype)[:, 0], x)
            nest = self.layer(step)  # batch, *outputs
            self.specs, self.pack = tree.flatten(nest), lambda y: tree.pack_sequence_as(nest, y)
        masks = tree.flatten(mask if self.takes_mask else None)
        own = {n: m for n, m in enumerate(masks) if m is not None and m.ndim > 2}

        def step(inputs):
            x, own = inputs  # one step, and its own masks by the number of their tensor
            masks = tree.pack_sequence_as(x, [own.get(n) for n, _ in enumerate(tree.flatten(x))])
            y = self.layer(x, training=training, **({"mask": masks} if own else {}))
            return tree.flatten(y)

        size = tree.flatten(x)[0].shape[0]  # None where the batch is dynamic
        kinds = [tf.TensorSpec((size, *y.shape[1:]), y.dtype) for y in self.specs]
        how = {"fn_output_signature": kinds, "parallel_iterations": self.parallel_iterations}
        y = tf.map_fn(step, tree.map_structure(lambda x: ops.swapaxes(x, 0, 1), (x, own)), **how)
        return self.pack([ops.swapaxes(one, 0, 1) for one in y])  # batch, time, *outputs

    def compute_mask(self, x, mask):
        """Return a step's own mask for outputs that have its axes, (batch, time) for others."""
        mask = max(tree.flatten(mask), key=lambda one: len(getattr(one, "shape", ())))
        own = tuple(getattr(mask, "shape", ())[2:])
        steps = ops.any(mask, axis=tuple(range(2, len(own) + 2))) if own else mask
        return [mask if y.shape[1:-1][: len(own)] in (own, (None,)) else steps for y in self.specs]


def build(layer, shape, dtype=None, *, parallel_iterations=10):
    """Lift `layer` with a map of at most `parallel_iterations` steps at once."""
    specs = tree.map_shape_structure(keras.KerasTensor, shape)
    inputs = tree.map_structure(lambda x, kind: keras.Input(x.shape, dtype=kind), specs, dtype)
    return keras.Model(inputs, MapFn(layer, parallel_iterations)(inputs))  # batch, time, *outputs
