"""A Python loop that slices one step at a time.

When: a handful of steps, and the reader should see the law itself in the code.
When not: long sequences (the graph has one copy of the layer a step), or gradients of the inputs:
that of `x[:, t]` is as large as `x`, so a backward call moves O(time^2) bytes (see `loop_unstack`).

Source: the question's second example, with the loop inside a Layer that owns the reused layer.
"""

from inspect import signature

import keras
from keras import ops, tree

DEFAULT = False
DROPOUT = "independent"
BATCH_NORM = "per_step"
INNER_LOSSES = "kept"
MASKS = "passed"
PADDED_STEPS = "computed"


@keras.saving.register_keras_serializable(package="loop_slice")
class LoopSlice(keras.layers.Wrapper):
    """Calls the layer on `x[:, t]` for each `t` and stacks the results."""

    def __init__(self, layer, dtype=None, **kwargs):
        super().__init__(layer, dtype=dtype or layer.compute_dtype, **kwargs)
        self.takes_mask = "mask" in signature(layer.call).parameters
        self.built, self.specs = True, None  # the layer builds itself when it is called

    def compute_output_spec(self, x, training=None, mask=None):
        """Call the layer on one step, and put time back behind the batch of its outputs."""
        step = tree.map_structure(lambda x: keras.KerasTensor(x.shape, x.dtype)[:, 0], x)
        y, sizes = self.layer(step), tree.flatten(x)[0].shape[:2]  # batch, time
        return tree.map_structure(lambda y: keras.KerasTensor((*sizes, *y.shape[1:]), y.dtype), y)

    def call(self, x, training=None, mask=None):
        """Call the layer once for each step; a mask over steps ends here."""
        steps = [self.step(t, x, mask, training) for t in range(tree.flatten(x)[0].shape[1])]
        return tree.map_structure(lambda *y: ops.stack(y, axis=1), *steps)  # batch, time, *outputs

    def step(self, t, x, mask, training):
        """Call the layer on one step, with a mask of the step's own if it takes one."""
        own = tree.map_structure(lambda m: m[:, t] if m is not None and m.ndim > 2 else None, mask)
        own = {"mask": own} if self.takes_mask else {}
        return self.layer(tree.map_structure(lambda x: x[:, t], x), training=training, **own)

    def compute_mask(self, x, mask):
        """Return a step's own mask for outputs that have its axes, (batch, time) for others."""
        self.specs = self.specs or tree.flatten(self.compute_output_spec(x))
        mask = max(tree.flatten(mask), key=lambda one: len(getattr(one, "shape", ())))
        own = tuple(getattr(mask, "shape", ())[2:])
        steps = ops.any(mask, axis=tuple(range(2, len(own) + 2))) if own else mask
        return [mask if y.shape[2:-1][: len(own)] in (own, (None,)) else steps for y in self.specs]


def refuses(layer, setting):  # noqa: ARG001
    """Refuse where the number of steps is unknown while the loop is traced."""
    if setting.time_axis == "dynamic" and setting.mode != "eager":
        return "a Python loop needs the number of steps when it is traced, and time is dynamic."
    return None


def build(layer, shape, dtype=None):
    """Lift `layer` with a Python loop over slices."""
    specs = tree.map_shape_structure(keras.KerasTensor, shape)
    inputs = tree.map_structure(lambda x, kind: keras.Input(x.shape, dtype=kind), specs, dtype)
    return keras.Model(inputs, LoopSlice(layer)(inputs))  # batch, time, *outputs
