"""The convolution of the next higher rank, with kernel size 1 along time.

When: frames or windows go through one convolution, and the runtime is as good at Conv3D as at
Conv2D: Conv2D k x k becomes Conv3D 1 x k x k, Conv1D k becomes Conv2D 1 x k.
When not: the layer is anything but one plain convolution; on a CPU Conv3D is seldom as good.

Source: keras.layers.Conv3D, keras.layers.Conv2D; Tran et al. 2018, "A Closer Look at Spatiotemporal
Convolutions", the 1 x d x d half of R(2+1)D.
"""

import keras

DEFAULT = False
DROPOUT = "refused"
BATCH_NORM = "refused"
INNER_LOSSES = "kept"
MASKS = "lost"
PADDED_STEPS = "computed"

NEXT_RANK = {
    keras.layers.Conv1D: keras.layers.Conv2D,
    keras.layers.Conv2D: keras.layers.Conv3D,
}


def refuses(layer, setting):  # noqa: ARG001
    """Refuse all but plain convolutions with their channels last."""
    name = type(layer).__name__
    if type(layer) not in NEXT_RANK:
        return f"{name} is no convolution that has one of the next higher rank."
    if layer.padding == "causal":
        return f"causal padding exists for Conv1D alone, and {name} uses it."
    if layer.data_format == "channels_first":
        return f"{name} has its channels first, where the lifted convolution would look for time."
    return None


def build(layer, shape, dtype=None):
    """Lift a convolution by giving its kernel an axis of size 1 along time."""
    inputs = keras.Input(shape, dtype=dtype)  # batch, time, *space, channels
    config = layer.get_config()
    for name in ("kernel_size", "strides", "dilation_rate"):
        config[name] = (1, *config[name])  # 1, *space
    lift = NEXT_RANK[type(layer)].from_config(config)
    model = keras.Model(inputs, lift(inputs))  # batch, time, *space, filters
    for ours, theirs in zip(lift.weights, layer.weights, strict=True):
        ours.assign(keras.ops.reshape(theirs, ours.shape))  # 1, *kernel_size, …
        ours.trainable = theirs.trainable
    return model
