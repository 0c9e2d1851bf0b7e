"""GRU: a recurrent layer of the same size.

When: a step depends on the steps before it, far back; it is here as the price of that.
When not: steps are independent: the recurrence then costs a loop and buys nothing.

Source: keras.layers.GRU; the "recurrent models" of the question's title.
"""

import keras

DEFAULT = False
DIFFERS = "each step also sees a state of all steps before"

DROPOUT = "refused"
BATCH_NORM = "refused"
INNER_LOSSES = "lost"
MASKS = "passed"
PADDED_STEPS = "repeats"

#: The weights of a state grow with its square, and drawing them orthogonal takes minutes.
MOST_UNITS = 2048


def refuses(layer, setting):
    """Refuse all but a Dense on vectors, a large state, and a loop of unknown length."""
    if type(layer).call is not keras.layers.Dense.call:
        return f"GRU stands beside a Dense of its size, not beside {type(layer).__name__}."
    if len(layer.get_build_config()["input_shape"]) != 2:
        return "GRU takes steps that are vectors, and these have more axes."
    if layer.units > MOST_UNITS:
        return f"drawing the weights of a GRU of {layer.units:,} units takes minutes."
    if setting.backend == "torch" and setting.time_axis == "dynamic" and setting.mode == "graph":
        return "PyTorch unrolls the loop and must know the number of steps, and time is dynamic."
    return None


def build(layer, shape, dtype=None):
    """Build a GRU with as many units as a Dense `layer`."""
    inputs = keras.Input(shape, dtype=dtype)  # batch, time, features
    how = {"dtype": layer.dtype_policy, "trainable": layer.trainable}
    recurrent = keras.layers.GRU(layer.units, return_sequences=True, **how)
    return keras.Model(inputs, recurrent(inputs))  # batch, time, outputs
