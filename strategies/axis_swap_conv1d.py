"""The question's third example: Conv1D with time and features swapped.

When: never as a lift. Each output mixes all steps, and weights belong to a position in time.
When not: anything is to be applied to every step; for one convolution along time shared by all
features see `conv_per_feature`.

The example swaps the axes with a Reshape, which scrambles them, and goes back through a Reshape to
a size that is not there; here both are a Permute. It has as many filters as the layer has outputs.

Source: the question's third example.
"""

import keras

DEFAULT = False
DIFFERS = "it convolves along the features, with time as its channels"

DROPOUT = "refused"
BATCH_NORM = "refused"
INNER_LOSSES = "lost"
MASKS = "lost"
PADDED_STEPS = "computed"


def refuses(layer, setting):
    """Refuse all but a Dense on vectors, and an unknown number of steps."""
    if type(layer).call is not keras.layers.Dense.call:
        return f"it borrows the size and activation of a Dense, not of {type(layer).__name__}."
    if len(layer.get_build_config()["input_shape"]) != 2:
        return "it swaps time with the one axis of features, and there are more."
    if setting.time_axis == "dynamic":
        return "time is the channel axis of its kernel, so its size must be known."
    return None


def build(layer, shape, dtype=None):
    """Build the repaired example with the sizes of a Dense `layer`."""
    inputs = keras.Input(shape, dtype=dtype)  # batch, time, features
    x = keras.layers.Permute((2, 1))(inputs)  # batch, features, time
    how = {"dtype": layer.dtype_policy, "trainable": layer.trainable}
    x = keras.layers.Conv1D(layer.units, 3, padding="same", activation=layer.activation, **how)(x)
    return keras.Model(inputs, keras.layers.Permute((2, 1))(x))  # batch, outputs, features
