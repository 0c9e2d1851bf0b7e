"""EinsumDense with an ellipsis in place of Dense.

When: a product over the last axis must be written as an equation.
When not: gradients matter: on TensorFlow the gradient of the kernel is first made for each step of
each sequence, `batch * time * features * outputs` numbers, then summed. Dense is the same product
without that.

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


def refuses(layer, setting):  # noqa: ARG001
    """Refuse all but the arithmetic of Dense on vectors."""
    if type(layer).call is not keras.layers.Dense.call:
        return f"an EinsumDense of one product equals Dense, not {type(layer).__name__}."
    if len(layer.get_build_config()["input_shape"]) != 2:
        return (
            "EinsumDense declares the axes of its ellipsis in reverse order, and here are several."
        )
    return None


def build(layer, shape, dtype=None):
    """Lift a Dense `layer` as an equation over its last axis."""
    inputs = keras.Input(shape, dtype=dtype)  # batch, time, features
    lift = keras.layers.EinsumDense(
        "...f,fu->...u",
        output_shape=(layer.units,),
        bias_axes="u" if layer.use_bias else None,
        dtype=layer.dtype_policy,
        **{name: getattr(layer, name) for name in CARRIED},
    )
    model = keras.Model(inputs, lift(inputs))  # batch, time, outputs
    for ours, theirs in zip(lift.weights, layer.weights, strict=True):
        ours.assign(theirs)
        ours.trainable = theirs.trainable
    return model
