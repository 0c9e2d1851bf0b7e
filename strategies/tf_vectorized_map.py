"""tf.vectorized_map that may not fall back.

When: a vectorised map is wanted, or else an error: an operation that TensorFlow cannot batch raises
here, where `vectorized_map` would run it in a while loop without a word.
When not: the layer holds such an operation; noise or statistics must differ from step to step.

Source: tf.vectorized_map with `fallback_to_while_loop=False`.
"""

from inspect import signature

import keras
import tensorflow as tf
from keras import ops, tree

DEFAULT = False
BACKENDS = ("tensorflow",)
DROPOUT = "shared"
BATCH_NORM = "first_step"
INNER_LOSSES = "first_step"
MASKS = "passed"
PADDED_STEPS = "computed"

HAS_NO_BATCHED_FORM = (
    *(keras.layers.Conv3D, keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D),
    *(keras.layers.SeparableConv1D, keras.layers.SeparableConv2D),
)


@keras.saving.register_keras_serializable(package="tf_vectorized_map")
class StrictMap(keras.layers.Wrapper):
    """Maps the layer over time-major steps, strictly."""

    def __init__(self, layer, dtype=None, **kwargs):
        super().__init__(layer, dtype=dtype or layer.compute_dtype, **kwargs)
        self.takes_mask = "mask" in signature(layer.call).parameters
        self.built, self.specs = True, None  # the layer builds itself when it is called

    def call(self, x, training=None, mask=None):
        """Bring time to the front, map, bring it back; a mask over steps ends here."""
        masks = tree.flatten(mask if self.takes_mask else None)
        own = {n: m for n, m in enumerate(masks) if m is not None and m.ndim > 2}

        def step(inputs):
            x, own = inputs  # one step, and its own masks by the number of their tensor
            masks = tree.pack_sequence_as(x, [own.get(n) for n, _ in enumerate(tree.flatten(x))])
            return self.layer(x, training=training, **({"mask": masks} if own else {}))

        steps = tree.map_structure(lambda x: ops.swapaxes(x, 0, 1), (x, own))  # time, batch, …
        y = tf.vectorized_map(step, steps, fallback_to_while_loop=False)
        return tree.map_structure(lambda y: ops.swapaxes(y, 0, 1), y)  # batch, time, *outputs

    def compute_mask(self, x, mask):
        """Return a step's own mask for outputs that have its axes, (batch, time) for others."""
        self.specs = self.specs or tree.flatten(self.compute_output_spec(x))
        mask = max(tree.flatten(mask), key=lambda one: len(getattr(one, "shape", ())))
        own = tuple(getattr(mask, "shape", ())[2:])
        steps = ops.any(mask, axis=tuple(range(2, len(own) + 2))) if own else mask
        return [mask if y.shape[2:-1][: len(own)] in (own, (None,)) else steps for y in self.specs]


def refuses(layer, setting):
    """Refuse the layers that TensorFlow cannot vectorise, or whose gradient it cannot."""
    parts = [*layer._flatten_layers()]  # noqa: SLF001
    loops = any(isinstance(part, keras.layers.RNN) and not part.unroll for part in parts)
    if loops and isinstance(layer, StrictMap):
        return "TensorFlow vectorises a recurrent loop once, and what comes of it not again."
    return next(filter(None, (refuses_part(part, setting) for part in parts)), None)


def refuses_part(part, setting):
    """Return why TensorFlow cannot vectorise one of the layers; None where it can."""
    name = type(part).__name__
    if isinstance(part, HAS_NO_BATCHED_FORM):
        return f"TensorFlow has no batched form for what {name} does."
    inert = setting.mode == "eager" or (setting.mode == "graph" and not setting.differentiates)
    if isinstance(part, keras.layers.RNN) and not (part.unroll or inert):
        return f"the loop of {name} is vectorised into one without a gradient or XLA program."
    double = setting.dtype == "float64" and setting.mode != "xla"
    if setting.differentiates and double and getattr(part, "groups", 1) > 1:
        return f"TensorFlow has no vectorised float64 gradient of a grouped {name} without XLA."
    return None


def build(layer, shape, dtype=None):
    """Lift `layer` with a vectorising map that raises rather than loops."""
    specs = tree.map_shape_structure(keras.KerasTensor, shape)
    inputs = tree.map_structure(lambda x, kind: keras.Input(x.shape, dtype=kind), specs, dtype)
    return keras.Model(inputs, StrictMap(layer)(inputs))  # batch, time, *outputs
