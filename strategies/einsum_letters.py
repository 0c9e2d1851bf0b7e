"""EinsumDense with a letter for each axis in place of Dense.

When: the equation should name every axis.
When not: gradients at large sizes: on TensorFlow the equation becomes a matrix product batched over
sequences, and the gradient of the kernel is first made for each sequence, then summed.

Source: keras.layers.EinsumDense, keras.ops.einsum.
"""

import keras

DEFAULT = False
DROPOUT = "refused"
BATCH_NORM = "refused"
INNER_LOSSES = "kept"
MASKS = "lost"
PADDED_STEPS = "computed"

CARRIED = (
    "activation",
    "activity_regularizer",
    "kernel_regularizer",
    "bias_regularizer",
    "trainable",
)
SPARE_LETTERS = "acdeghijklmnopqrsvwxyz"


def refuses(layer, setting):  # noqa: ARG001
    """Refuse all but the arithmetic of Dense."""
    if type(layer).call is not keras.layers.Dense.call:
        return f"an EinsumDense of one product equals Dense, not {type(layer).__name__}."
    return None


def build(layer, shape, dtype=None):
    """Lift a Dense `layer` as an equation over all axes."""
    inputs = keras.Input(shape, dtype=dtype)  # batch, time, *between, features
    between = SPARE_LETTERS[: len(shape) - 2]
    lift = keras.layers.EinsumDense(
        f"bt{between}f,fu->bt{between}u",
        output_shape=(*shape[:-1], layer.units),
        bias_axes="u" if layer.use_bias else None,
        dtype=layer.dtype_policy,
        **{name: getattr(layer, name) for name in CARRIED},
    )
    model = keras.Model(inputs, lift(inputs))  # batch, time, *between, outputs
    for ours, theirs in zip(lift.weights, layer.weights, strict=True):
        ours.assign(theirs)
        ours.trainable = theirs.trainable
    return model
