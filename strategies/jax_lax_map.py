"""jax.lax.map over the steps, k of them at once.

When: JAX code that must bound how much memory all steps at once would take: a loop, whose body is
vectorised over `k` steps.
When not: memory suffices, or another backend might be used. Or training assigns, as noise and
batch statistics do: JAX takes nothing that is assigned out of a loop.

Source: jax.lax.map, with its batch_size.
"""

import numbers
from inspect import signature

import jax
import keras
from keras import ops, tree

DEFAULT = False
BACKENDS = ("jax",)
VARIANTS = ({"k": 8},)

DROPOUT = "refused"
BATCH_NORM = "refused"
INNER_LOSSES = "unreachable"
MASKS = "passed"
PADDED_STEPS = "computed"

#: Attributes of Keras's layers that hold the rate or size of noise in training.
NOISE = ("rate", "stddev", "dropout", "recurrent_dropout")


@keras.saving.register_keras_serializable(package="jax_lax_map")
class LaxMap(keras.layers.Wrapper):
    """Maps the layer over time-major steps, `k` at once."""

    def __init__(self, layer, k=8, dtype=None, **kwargs):
        super().__init__(layer, dtype=dtype or layer.compute_dtype, **kwargs)
        self.takes_mask = "mask" in signature(layer.call).parameters
        self.k = k
        self.built, self.specs = True, None  # the layer builds itself when it is called

    def get_config(self):
        """Return what `from_config` makes an equal layer from."""
        return {**super().get_config(), "k": self.k}

    def call(self, x, training=None, mask=None):
        """Bring time to the front, map, bring it back; a mask over steps ends here."""
        masks = tree.flatten(mask if self.takes_mask else None)
        own = {n: m for n, m in enumerate(masks) if m is not None and m.ndim > 2}

        def step(inputs):
            x, own = inputs  # one step, and its own masks by the number of their tensor
            masks = tree.pack_sequence_as(x, [own.get(n) for n, _ in enumerate(tree.flatten(x))])
            return self.layer(x, training=training, **({"mask": masks} if own else {}))

        steps = tree.map_structure(lambda x: ops.swapaxes(x, 0, 1), (x, own))
        y = jax.lax.map(step, steps, batch_size=self.k)
        return tree.map_structure(lambda y: ops.swapaxes(y, 0, 1), y)  # batch, time, *outputs

    def compute_mask(self, x, mask):
        """Return a step's own mask for outputs that have its axes, (batch, time) for others."""
        self.specs = self.specs or tree.flatten(self.compute_output_spec(x))
        mask = max(tree.flatten(mask), key=lambda one: len(getattr(one, "shape", ())))
        own = tuple(getattr(mask, "shape", ())[2:])
        steps = ops.any(mask, axis=tuple(range(2, len(own) + 2))) if own else mask
        return [mask if y.shape[2:-1][: len(own)] in (own, (None,)) else steps for y in self.specs]


def refuses(layer, setting):
    """Refuse what JAX cannot assign inside a loop."""
    if setting.differentiates and assigns(layer):
        return "JAX takes nothing that the layer assigns out of a loop, and training assigns."
    return None


def assigns(layer):
    """True if training assigns: to batch statistics, or to the seeds that noise is drawn from."""
    parts = layer._flatten_layers()  # noqa: SLF001
    rates = (getattr(part, name, 0) for part in parts for name in NOISE)  # elsewhere: weights
    noisy = any(isinstance(rate, numbers.Real) and rate > 0 for rate in rates)
    statistics = (part for part in parts if isinstance(part, keras.layers.BatchNormalization))
    return noisy or any(part.trainable for part in statistics)


def build(layer, shape, dtype=None, *, k=8):
    """Lift `layer` with a map over `k` steps at once."""
    specs = tree.map_shape_structure(keras.KerasTensor, shape)
    inputs = tree.map_structure(lambda x, kind: keras.Input(x.shape, dtype=kind), specs, dtype)
    return keras.Model(inputs, LaxMap(layer, k)(inputs))  # batch, time, *outputs
