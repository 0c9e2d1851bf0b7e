"""Padded sequences: compute every step, then set the padded ones to zero.

When: lengths differ a little, or the time axis must stay rectangular (XLA, convolutions after it).
When not: most steps are padding: they are all computed (see `pack_valid`).

Source: Keras's masking, for the question's second example: a pooling heeds the mask, no Flatten.
"""

from inspect import signature

import keras
from keras import ops, tree

DEFAULT = False
DROPOUT = "independent"
BATCH_NORM = "pooled"
INNER_LOSSES = "averaged"
MASKS = "passed"
PADDED_STEPS = "zeros"


@keras.saving.register_keras_serializable(package="mask_and_pad")
class MaskAndPad(keras.layers.Wrapper):
    """Folds time into the batch, and keeps the outputs of valid steps only."""

    def __init__(self, layer, dtype=None, **kwargs):
        super().__init__(layer, dtype=dtype or layer.compute_dtype, **kwargs)
        self.takes_mask = "mask" in signature(layer.call).parameters
        self.built, self.specs = True, None  # the layer builds itself when it is called

    def call(self, x, training=None, mask=None):
        """Fold, call, unfold, and zero what the mask excludes; a step's own mask is folded too."""
        batch, time = ops.shape(tree.flatten(x)[0])[:2]
        m = max(tree.flatten(mask), key=lambda one: len(getattr(one, "shape", ())))
        valid = ops.any(m, axis=tuple(range(2, m.ndim))) if getattr(m, "ndim", 2) > 2 else m

        def fold(x):
            return ops.reshape(x, (batch * time, *ops.shape(x)[2:]))

        def zero(y):
            steps = ops.reshape(valid, (batch, time, *[1] * (len(y.shape) - 2)))
            return ops.where(steps, y, ops.zeros_like(y))

        own = tree.map_structure(lambda m: fold(m) if m is not None and m.ndim > 2 else None, mask)
        masks = {"mask": own} if self.takes_mask else {}
        y = self.layer(tree.map_structure(fold, x), training=training, **masks)
        y = tree.map_structure(lambda y: ops.reshape(y, (batch, time, *ops.shape(y)[1:])), y)
        return y if valid is None else tree.map_structure(zero, y)  # batch, time, *outputs

    def compute_mask(self, x, mask):
        """Return a step's own mask for outputs that have its axes, (batch, time) for others."""
        self.specs = self.specs or tree.flatten(self.compute_output_spec(x))
        mask = max(tree.flatten(mask), key=lambda one: len(getattr(one, "shape", ())))
        own = tuple(getattr(mask, "shape", ())[2:])
        steps = ops.any(mask, axis=tuple(range(2, len(own) + 2))) if own else mask
        return [mask if y.shape[2:-1][: len(own)] in (own, (None,)) else steps for y in self.specs]


def build(layer, shape, dtype=None):
    """Lift `layer` over padded sequences."""
    specs = tree.map_shape_structure(keras.KerasTensor, shape)
    inputs = tree.map_structure(lambda x, kind: keras.Input(x.shape, dtype=kind), specs, dtype)
    return keras.Model(inputs, MaskAndPad(layer)(inputs))  # batch, time, *outputs
