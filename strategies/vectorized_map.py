"""keras.ops.vectorized_map over the steps.

When: the layer is written for one step and every operation in it can be batched: then it runs as
fast as a fold, without a reshape in sight.
When not: eager mode, where each call traces anew; noise or statistics that must differ from step
to step: what does not depend on the step is computed once and shared.

It maps over the steps themselves. Mapping over step numbers, as TimeDistributed does, makes
TensorFlow fall back to a while loop, without a word.

Source: keras.ops.vectorized_map, on TensorFlow tf.vectorized_map, on PyTorch torch.vmap.
"""

import numbers
from inspect import signature

import keras
from keras import ops, tree

DROPOUT = "shared"
BATCH_NORM = "first_step"
INNER_LOSSES = "first_step"
MASKS = "passed"
PADDED_STEPS = "computed"

layers = keras.layers
BY_DEPTH = (layers.DepthwiseConv2D, layers.SeparableConv2D)
#: On TensorFlow these have no batched form.
FALLS_BACK = (layers.Conv3D, layers.DepthwiseConv1D, layers.SeparableConv1D, *BY_DEPTH)
#: On PyTorch these ask whether their inputs lie with channels last, and transpose them if not.
ASKS_FOR_LAYOUT = (layers.Conv2D, layers.Conv3D, *BY_DEPTH)
#: Attributes of Keras's layers that hold the rate or size of noise in training.
NOISE = ("rate", "stddev", "dropout", "recurrent_dropout")


@keras.saving.register_keras_serializable(package="vectorized_map")
class VectorizedMap(keras.layers.Wrapper):
    """Maps the layer over time-major steps."""

    def __init__(self, layer, dtype=None, **kwargs):
        super().__init__(layer, dtype=dtype or layer.compute_dtype, **kwargs)
        self.takes_mask, self.specs = "mask" in signature(layer.call).parameters, None

    def build(self, shape):
        """Let the layer build itself on one step: inside of its map PyTorch draws no weights."""
        if not (self.layer.built and self.layer.weights):  # a wrapper is built before its layer
            self.layer(tree.map_shape_structure(lambda s: keras.KerasTensor((s[0], *s[2:])), shape))

    def call(self, x, training=None, mask=None):
        """Bring time to the front, map, bring it back; a mask over steps ends here."""
        masks = tree.flatten(mask if self.takes_mask else None)
        own = {n: m for n, m in enumerate(masks) if m is not None and m.ndim > 2}

        def step(inputs):
            x, own = inputs  # one step, and its own masks by the number of their tensor
            masks = tree.pack_sequence_as(x, [own.get(n) for n, _ in enumerate(tree.flatten(x))])
            return self.layer(x, training=training, **({"mask": masks} if own else {}))

        y = ops.vectorized_map(step, tree.map_structure(lambda x: ops.swapaxes(x, 0, 1), (x, own)))
        return tree.map_structure(lambda y: ops.swapaxes(y, 0, 1), y)  # batch, time, *outputs

    def compute_mask(self, x, mask):
        """Return a step's own mask for outputs that have its axes, (batch, time) for others."""
        self.specs = self.specs or tree.flatten(self.compute_output_spec(x))
        mask = max(tree.flatten(mask), key=lambda one: len(getattr(one, "shape", ())))
        own = tuple(getattr(mask, "shape", ())[2:])
        steps = ops.any(mask, axis=tuple(range(2, len(own) + 2))) if own else mask
        return [mask if y.shape[2:-1][: len(own)] in (own, (None,)) else steps for y in self.specs]


def refuses(layer, setting):
    """Refuse the layers that the backend cannot vectorise, or whose gradient it cannot."""
    judges = {"tensorflow": refused_by_tensorflow, "jax": refused_by_jax, "torch": refused_by_torch}
    parts, judge = [*layer._flatten_layers()], judges[setting.backend]  # noqa: SLF001
    loops = any(isinstance(part, layers.RNN) and not part.unroll for part in parts)
    if setting.backend == "tensorflow" and loops and isinstance(layer, VectorizedMap):
        return "TensorFlow vectorises a recurrent loop once, and what comes of it not again."
    return next(filter(None, (judge(part, setting) for part in parts)), None)


def noisy(part):
    """True if a layer draws noise in training."""
    rates = (getattr(part, name, 0) for name in NOISE)  # in other layers these are weights
    return any(isinstance(rate, numbers.Real) and rate > 0 for rate in rates)


def refused_by_torch(part, setting):
    """Return why PyTorch cannot vectorise one of the layers; None where it can."""
    trains, name = setting.differentiates and part.trainable, type(part).__name__
    if isinstance(part, ASKS_FOR_LAYOUT) and part.data_format == "channels_last":
        return f"{name} asks how its inputs lie in memory, which torch.vmap does not tell."
    if setting.differentiates and noisy(part):
        return f"torch.vmap, as Keras calls it, allows no noise, and {name} draws some."
    if trains and isinstance(part, layers.BatchNormalization):
        return f"{name} updates its statistics in place, which torch.vmap does for no single step."
    return None


def refused_by_jax(part, setting):
    """Return why JAX cannot vectorise one of the layers; None where it can."""
    if setting.differentiates and isinstance(part, layers.BatchNormalization) and part.trainable:
        return "JAX has no one value for the statistics that each mapped step assigns."
    return None


def refused_by_tensorflow(part, setting):
    """Return why TensorFlow cannot vectorise one of the layers; None where it can."""
    name = type(part).__name__
    inert = setting.mode == "eager" or (setting.mode == "graph" and not setting.differentiates)
    if isinstance(part, layers.RNN) and not (part.unroll or inert):
        return f"the loop of {name} is vectorised into one without a gradient or XLA program."
    lone = setting.time_axis == "dynamic" and setting.batch == setting.seq_len == 1
    if isinstance(part, layers.RNN) and lone and setting.mode == "graph":
        return f"TensorFlow gives the loop of {name} a wrong shape for one step of one sequence."
    double = setting.dtype == "float64" and setting.mode != "xla"
    if setting.differentiates and double and getattr(part, "groups", 1) > 1:
        return f"TensorFlow has no vectorised float64 gradient of a grouped {name} without XLA."
    if setting.differentiates and setting.mode == "xla" and isinstance(part, FALLS_BACK):
        return f"{name} falls back to a while loop, whose gradient XLA cannot compile."
    return None


def build(layer, shape, dtype=None):
    """Lift `layer` with a vectorising map."""
    specs = tree.map_shape_structure(keras.KerasTensor, shape)
    inputs = tree.map_structure(lambda x, kind: keras.Input(x.shape, dtype=kind), specs, dtype)
    return keras.Model(inputs, VectorizedMap(layer)(inputs))  # batch, time, *outputs
