"""keras.ops.fori_loop that writes into a buffer.

When: never for speed; it shows what a counted loop costs when its result is a plain tensor.
When not: gradients matter: each step writes a buffer of all steps, and so does its gradient, so a
backward call moves O(time^2) bytes.

The write is `scatter_update`; `slice_update` has no gradient on TensorFlow.

Source: keras.ops.fori_loop.
"""

import numbers
from inspect import signature

import keras
from keras import ops, tree

DEFAULT = False
DROPOUT = "independent"
BATCH_NORM = "per_step"
INNER_LOSSES = "unreachable"
MASKS = "passed"
PADDED_STEPS = "computed"

#: Attributes of Keras's layers that hold the rate or size of noise in training.
NOISE = ("rate", "stddev", "dropout", "recurrent_dropout")


@keras.saving.register_keras_serializable(package="ops_fori")
class OpsFori(keras.layers.Wrapper):
    """Counts through the steps and writes each output into place."""

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
        """Allocate the outputs and fill them step by step; a mask over steps ends here."""
        specs = self.specs or tree.flatten(self.compute_output_spec(x))
        steps = tree.map_structure(lambda x: ops.swapaxes(x, 0, 1), x)  # time, batch, *features
        time, batch = ops.shape(tree.flatten(steps)[0])[:2]
        buffers = [ops.zeros((time, batch, *y.shape[2:]), y.dtype) for y in specs]

        def write(t, buffers):
            x = tree.map_structure(lambda x: ops.take(x, t, axis=0), steps)
            own = tree.map_structure(
                lambda m: ops.take(m, t, axis=1) if m is not None and m.ndim > 2 else None, mask
            )
            own = {"mask": own} if self.takes_mask else {}
            y, at = tree.flatten(self.layer(x, training=training, **own)), ops.reshape(t, (1, 1))
            pairs = zip(buffers, y, strict=True)
            return [ops.scatter_update(buffer, at, one[None]) for buffer, one in pairs]

        y = ops.fori_loop(0, time, write, buffers)
        return self.pack([ops.swapaxes(one, 0, 1) for one in y])  # batch, time, *outputs

    def compute_mask(self, x, mask):
        """Return a step's own mask for outputs that have its axes, (batch, time) for others."""
        mask = max(tree.flatten(mask), key=lambda one: len(getattr(one, "shape", ())))
        own = tuple(getattr(mask, "shape", ())[2:])
        steps = ops.any(mask, axis=tuple(range(2, len(own) + 2))) if own else mask
        return [mask if y.shape[2:-1][: len(own)] in (own, (None,)) else steps for y in self.specs]


def refuses(layer, setting):
    """Refuse gradients that XLA cannot compile, and what the loops of JAX and PyTorch cannot do."""
    if setting.backend == "torch" and setting.time_axis == "dynamic" and setting.mode == "graph":
        return "PyTorch unrolls the loop and must know the number of steps, and time is dynamic."
    if setting.mode == "xla" and setting.differentiates:
        return "the loop has no maximum of iterations, and XLA compiles no gradient without one."
    if setting.backend == "jax" and setting.differentiates and assigns(layer):
        return "JAX takes nothing that the layer assigns out of a loop, and training assigns."
    return None


def assigns(layer):
    """True if training assigns: to batch statistics, or to the seeds that noise is drawn from."""
    parts = layer._flatten_layers()  # noqa: SLF001
    rates = (getattr(part, name, 0) for part in parts for name in NOISE)  # elsewhere: weights
    noisy = any(isinstance(rate, numbers.Real) and rate > 0 for rate in rates)
    statistics = (part for part in parts if isinstance(part, keras.layers.BatchNormalization))
    return noisy or any(part.trainable for part in statistics)


def build(layer, shape, dtype=None):
    """Lift `layer` with a counted loop."""
    specs = tree.map_shape_structure(keras.KerasTensor, shape)
    inputs = tree.map_structure(lambda x, kind: keras.Input(x.shape, dtype=kind), specs, dtype)
    return keras.Model(inputs, OpsFori(layer)(inputs))  # batch, time, *outputs
