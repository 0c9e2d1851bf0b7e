"""One convolution along time, shared by all features.

When: each feature is a series of its own, and neighbouring steps should be seen together.
When not: each step must be computed from that step alone.

It is what the question's third example set out to do. Seen from the features it is a lift: the
same Conv1D applied to every feature, as `conv_extra_axis` applies one to every step, by a Conv2D
whose kernel has size 1 along the features. It has as many filters as the layer has outputs.

Source: the intent of the question's third example.
"""

import keras

DEFAULT = False
DIFFERS = "each output sees the neighbouring steps, and each feature alone"

DROPOUT = "refused"
BATCH_NORM = "refused"
INNER_LOSSES = "lost"
MASKS = "lost"
PADDED_STEPS = "computed"


def refuses(layer, setting):
    """Refuse all but a Dense on vectors, and PyTorch's gradient for any length."""
    if type(layer).call is not keras.layers.Dense.call:
        return f"it borrows the size and activation of a Dense, not of {type(layer).__name__}."
    if len(layer.get_build_config()["input_shape"]) != 2:
        return "it convolves a series of numbers for each feature, and features have more axes."
    traced = setting.time_axis == "dynamic" and setting.mode == "graph"
    if setting.backend == "torch" and traced and setting.gradients == "inputs_and_weights":
        return "PyTorch compiles a convolution's gradient by its inputs for one length alone."
    return None


def build(layer, shape, dtype=None):
    """Build the convolution with the sizes of a Dense `layer`."""
    time, features = shape
    inputs = keras.Input(shape, dtype=dtype)  # batch, time, features
    x = keras.layers.Reshape((-1 if time is None else time, features, 1))(inputs)
    how = {"dtype": layer.dtype_policy, "trainable": layer.trainable}
    x = keras.layers.Conv2D(
        layer.units, (3, 1), padding="same", activation=layer.activation, **how
    )(x)
    return keras.Model(inputs, x)  # batch, time, features, outputs
