"""The layer called on the whole sequence.

When: the layer works on the last axis alone (Dense, LayerNormalization, activations, Dropout, a
stack of these): nothing is wrapped, nothing reshaped, and the mask passes.
When not: the layer gives other axes a meaning (convolutions, recurrence, attention, Flatten) or
insists on the rank it was built with (BatchNormalization, EinsumDense).

Source: keras.layers.Dense, "if the input has a rank greater than 2".
"""

import keras

DROPOUT = "independent"
BATCH_NORM = "refused"
INNER_LOSSES = "kept"
MASKS = "passed"
PADDED_STEPS = "computed"

LAST_AXIS_ALONE = (
    keras.layers.Activation,
    keras.layers.AlphaDropout,
    keras.layers.Dense,
    keras.layers.Dropout,
    keras.layers.ELU,
    keras.layers.Embedding,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
    keras.layers.Identity,
    keras.layers.LayerNormalization,
    keras.layers.LeakyReLU,
    keras.layers.ReLU,
    keras.layers.Softmax,
    *filter(None, [getattr(keras.layers, "RMSNormalization", None)]),  # since Keras 3.9
)


def refuses(layer, setting):
    """Refuse a layer unless it, or each layer of a stack, acts on the last axis alone."""
    if isinstance(layer, keras.Sequential):
        return next(filter(None, (refuses(part, setting) for part in layer.layers)), None)
    name = type(layer).__name__
    if type(layer) not in LAST_AXIS_ALONE:
        return f"{name} is not known to act on the last axis alone."
    if getattr(layer, "noise_shape", None) is not None:
        return f"the noise_shape of {name} has the rank of one step."
    if type(layer) is keras.layers.Softmax and setting.lengths != "full":
        return "Softmax takes the mask over steps for one over what it normalises."
    if getattr(layer, "axis", -1) not in (-1, [-1]):
        return f"{name} acts on axis {layer.axis!r}, counted from the first."
    activation = getattr(layer, "activation", None)
    known = getattr(keras.activations, getattr(activation, "__name__", ""), None)
    unknown = f"the activation of {name} is not known to act on the last axis alone."
    return unknown if activation is not known else None


def build(layer, shape, dtype=None):
    """Lift `layer` by calling it, part by part, on an input with one more axis."""
    inputs = keras.Input(shape, dtype=dtype)  # batch, time, *features
    return keras.Model(inputs, spread(layer, inputs))  # batch, time, *outputs


def spread(layer, x):
    """Call `layer`, or the parts of a Sequential, which itself insists on its rank."""
    if not isinstance(layer, keras.Sequential):
        return layer(x)
    for part in layer.layers:
        x = spread(part, x)
    return x
