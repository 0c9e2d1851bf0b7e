"""SimpleRNN: the Dense layer with a memory.

When: a step depends on the steps before it; it is here as the price of that.
When not: steps are independent: the recurrence then costs a loop and buys nothing.

It copies the kernel and the bias of the Dense, so with a recurrent kernel of zeros it is a lift.

Source: keras.layers.SimpleRNN; the "recurrent models" of the question's title.
"""

import keras

DEFAULT = False
DIFFERS = "each step also sees the output of the step before"

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
        return f"SimpleRNN adds memory to a Dense, not to {type(layer).__name__}."
    if len(layer.get_build_config()["input_shape"]) != 2:
        return "SimpleRNN takes steps that are vectors, and these have more axes."
    if layer.units > MOST_UNITS:
        return f"drawing the weights of a SimpleRNN of {layer.units:,} units takes minutes."
    if setting.backend == "torch" and setting.time_axis == "dynamic" and setting.mode == "graph":
        return "PyTorch unrolls the loop and must know the number of steps, and time is dynamic."
    return None


def build(layer, shape, dtype=None):
    """Build a SimpleRNN with the kernel and bias of a Dense `layer`."""
    inputs = keras.Input(shape, dtype=dtype)  # batch, time, features
    recurrent = keras.layers.SimpleRNN(
        layer.units,
        activation=layer.activation,
        use_bias=layer.use_bias,
        return_sequences=True,
        dtype=layer.dtype_policy,
        trainable=layer.trainable,
    )
    model = keras.Model(inputs, recurrent(inputs))  # batch, time, outputs
    recurrent.cell.kernel.assign(layer.kernel)
    if layer.use_bias:
        recurrent.cell.bias.assign(layer.bias)
    return model
