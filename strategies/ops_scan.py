"""keras.ops.scan with the output as the carry.

When: the code has a scan anyway, and a layer without memory must go through it.
When not: speed matters: a scan promises an order that a lift does not need.

A scan carries something from step to step. On TensorFlow it must look like the output, so the
output itself is carried, and ignored.

Source: keras.ops.scan, after jax.lax.scan.
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


@keras.saving.register_keras_serializable(package="ops_scan")
class OpsScan(keras.layers.Wrapper):
    """Scans over time-major steps, ignoring the carry."""

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
        """Bring time to the front, scan, bring it back; a mask over steps ends here."""
        specs = self.specs or tree.flatten(self.compute_output_spec(x))
        masks = tree.flatten(mask if self.takes_mask else None)
        own = {n: m for n, m in enumerate(masks) if m is not None and m.ndim > 2}
        batch = ops.shape(tree.flatten(x)[0])[0]
        carry = [ops.zeros((batch, *y.shape[2:]), y.dtype) for y in specs]

        def step(carry, inputs):
            x, own = inputs  # one step, and its own masks by the number of their tensor
            masks = tree.pack_sequence_as(x, [own.get(n) for n, _ in enumerate(tree.flatten(x))])
            y = tree.flatten(self.layer(x, training=training, **({"mask": masks} if own else {})))
            return [ops.cast(one, zeros.dtype) for one, zeros in zip(y, carry, strict=True)], y

        _, y = ops.scan(step, carry, tree.map_structure(lambda x: ops.swapaxes(x, 0, 1), (x, own)))
        return self.pack([ops.swapaxes(one, 0, 1) for one in y])  # batch, time, *outputs

    def compute_mask(self, x, mask):
        """Return a step's own mask for outputs that have its axes, (batch, time) for others."""
        mask = max(tree.flatten(mask), key=lambda one: len(getattr(one, "shape", ())))
        own = tuple(getattr(mask, "shape", ())[2:])
        steps = ops.any(mask, axis=tuple(range(2, len(own) + 2))) if own else mask
        return [mask if y.shape[2:-1][: len(own)] in (own, (None,)) else steps for y in self.specs]


def refuses(layer, setting, *, masked=False):
    """Refuse gradients that XLA cannot compile, and what the loops of a backend cannot do."""
    scanned = len(tree.flatten(masked)) + sum(tree.flatten(masked))  # tensors, masks of their own
    traced = setting.time_axis == "dynamic" and setting.mode != "eager"
    if setting.backend == "tensorflow" and traced and scanned > 1:
        return "Keras scans several tensors of a known length alone here, and time is dynamic."
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
    """Lift `layer` with a scan."""
    specs = tree.map_shape_structure(keras.KerasTensor, shape)
    inputs = tree.map_structure(lambda x, kind: keras.Input(x.shape, dtype=kind), specs, dtype)
    return keras.Model(inputs, OpsScan(layer)(inputs))  # batch, time, *outputs
