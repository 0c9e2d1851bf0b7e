"""Conv1D with kernel size 1 in place of Dense.

When: curiosity, or a runtime whose convolutions are better than its matrix products.
When not: the layer is anything but a Dense on vectors; the mask must survive (convolutions drop
it).

A kernel of one step sees one step, so its weights are the Dense kernel with an axis in front.

Source: keras.layers.Conv1D; pointwise convolution, Lin et al. 2013, "Network In Network".
"""

import keras

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


def refuses(layer, setting):
    """Refuse all but the arithmetic of Dense on vectors, and a gradient for any length."""
    if type(layer).call is not keras.layers.Dense.call:
        return f"a pointwise convolution equals Dense, not {type(layer).__name__}."
    traced = setting.time_axis == "dynamic" and setting.mode == "graph"
    if setting.backend == "torch" and traced and setting.gradients == "inputs_and_weights":
        return "PyTorch compiles a convolution's gradient by its inputs for one length alone."
    rank = len(layer.get_build_config()["input_shape"]) - 1
    return None if rank == 1 else f"Conv1D takes steps of rank 1, and these have rank {rank}."


def build(layer, shape, dtype=None):
    """Lift a Dense `layer` as a convolution that sees one step at a time."""
    inputs = keras.Input(shape, dtype=dtype)  # batch, time, features
    lift = keras.layers.Conv1D(
        layer.units,
        kernel_size=1,
        use_bias=layer.use_bias,
        dtype=layer.dtype_policy,
        **{name: getattr(layer, name) for name in CARRIED},
    )
    model = keras.Model(inputs, lift(inputs))  # batch, time, outputs
    for ours, theirs in zip(lift.weights, layer.weights, strict=True):
        ours.assign(keras.ops.reshape(theirs, ours.shape))  # 1, features, outputs
        ours.trainable = theirs.trainable
    return model
