"""Time folded into the batch, one call.

When: nearly always: one reshape, one call on `batch * time` rows, one reshape back; any layer.
When not: all steps' activations exceed memory (see `fold_chunks`), or statistics must be a step's.

Source: the question's advice to "use reshape operations"; Keras 2's TimeDistributed did the same.
"""

from inspect import signature

import keras
from keras import ops, tree

DROPOUT = "independent"
BATCH_NORM = "pooled"
INNER_LOSSES = "averaged"
MASKS = "passed"
PADDED_STEPS = "computed"


@keras.saving.register_keras_serializable(package="fold_time")
class FoldTime(keras.layers.Wrapper):
    """Calls the layer once on the steps of all sequences."""

    def __init__(self, layer, dtype=None, **kwargs):
        super().__init__(layer, dtype=dtype or layer.compute_dtype, **kwargs)
        self.takes_mask = "mask" in signature(layer.call).parameters
        self.built, self.specs = True, None  # the layer builds itself when it is called

    def call(self, x, training=None, mask=None):
        """Fold, call, unfold; a step's own mask is folded with it, one over steps ends here."""
        batch, time = ops.shape(tree.flatten(x)[0])[:2]

        def fold(x):
            return ops.reshape(x, (batch * time, *ops.shape(x)[2:]))

        own = tree.map_structure(lambda m: fold(m) if m is not None and m.ndim > 2 else None, mask)
        masks = {"mask": own} if self.takes_mask else {}
        y = self.layer(tree.map_structure(fold, x), training=training, **masks)
        return tree.map_structure(lambda y: ops.reshape(y, (batch, time, *ops.shape(y)[1:])), y)

    def compute_mask(self, x, mask):
        """Return a step's own mask for outputs that have its axes, (batch, time) for others."""
        self.specs = self.specs or tree.flatten(self.compute_output_spec(x))
        mask = max(tree.flatten(mask), key=lambda one: len(getattr(one, "shape", ())))
        own = tuple(getattr(mask, "shape", ())[2:])
        steps = ops.any(mask, axis=tuple(range(2, len(own) + 2))) if own else mask
        return [mask if y.shape[2:-1][: len(own)] in (own, (None,)) else steps for y in self.specs]


def build(layer, shape, dtype=None):
    """Lift `layer` by folding the time axis into the batch axis."""
    specs = tree.map_shape_structure(keras.KerasTensor, shape)
    inputs = tree.map_structure(lambda x, kind: keras.Input(x.shape, dtype=kind), specs, dtype)
    return keras.Model(inputs, FoldTime(layer)(inputs))  # batch, time, *outputs
