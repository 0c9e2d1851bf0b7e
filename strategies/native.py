"""The layer called on the whole sequence.

When: the layer works on the last axis alone (Dense, LayerNormalization, activations, Dropout, a
stack of these, a layer of your own): nothing is wrapped, nothing reshaped, and the mask passes.
When not: the layer gives other axes a meaning (convolutions, recurrence, attention, Flatten) or
insists on the rank it was built with (BatchNormalization, EinsumDense, a functional model).

What is not known to be wrong is tried, and the law decides.

Source: keras.layers.Dense, "if the input has a rank greater than 2".
"""

import keras

DROPOUT = "independent"
BATCH_NORM = "refused"
INNER_LOSSES = "kept"
MASKS = "passed"
PADDED_STEPS = "computed"

LAST_AXIS_ALONE = (
    "Activation AlphaDropout Dense Dropout ELU Embedding GaussianDropout GaussianNoise Identity "
    "LayerNormalization LeakyReLU ReLU RMSNormalization Softmax"
)
ONE_RANK = (
    *(keras.layers.BatchNormalization, keras.layers.GroupNormalization, keras.layers.EinsumDense),
    *(keras.layers.SpatialDropout1D, keras.layers.SpatialDropout2D, keras.layers.SpatialDropout3D),
)
#: Folders of Keras, whose layers give a meaning to other axes.
OTHER_AXES = "attention convolutional pooling preprocessing.image_preprocessing reshaping rnn"


def refuses(layer, setting):
    """Refuse what is known to be wrong on whole sequences, or cannot be told from it."""
    reasons = [reason for part in parts(layer) for reason in wrong(part, setting)]
    if setting.seq_len == 1 and (tried := tries(layer)):
        reasons.append(f"{tried}, may be right at one step, and wrong at more.")
    ends = [type(unit).__name__ for unit in units(layer) if not unit.supports_masking]
    if ends and setting.lengths != "full":
        reasons.append(f"the mask ends at {ends[0]}, which does not support masking.")
    return reasons[0] if reasons else None


def wrong(part, setting):
    """Yield why a layer, or one inside of it, is known to be wrong on whole sequences."""
    name, homes = type(part).__name__, [base.__module__ for base in type(part).__mro__]
    folders = tuple(f"keras.src.layers.{folder}." for folder in OTHER_AXES.split())
    if any(home.startswith(folders) for home in homes):
        yield f"{name} gives a meaning to other axes than the last."
    if isinstance(part, keras.layers.InputLayer):
        yield "a functional model, or a Sequential inside of a layer, insists on its rank."
    if isinstance(part, ONE_RANK):
        yield f"{name} insists on the rank that it was built with."
    if getattr(part, "noise_shape", None) is not None:
        yield f"the noise_shape of {name} has the rank of one step."
    if part._seed_generators and not is_known(part):  # noqa: SLF001
        yield f"{name} draws noise, which may be one for all steps."
    if isinstance(part, keras.layers.Softmax) and setting.lengths != "full":
        yield "Softmax takes the mask over steps for one over what it normalises."
    axes = getattr(part, "axis", getattr(part, "axes", -1))
    if homes[0].startswith("keras.") and any((axis or 0) >= 0 for axis in keras.tree.flatten(axes)):
        yield f"{name} acts on axis {axes!r}, counted from the first."


def tries(layer):
    """Return in words what is tried, though it is not known to work; '' if all is known to."""
    unknown = (type(part).__name__ for part in parts(layer) if not is_known(part))
    return next((f"{name}, called on whole sequences" for name in unknown), "")


def is_known(part):
    """True if a layer is known to act on the last axis alone."""
    activation = getattr(part, "activation", None)
    known = getattr(keras.activations, getattr(activation, "__name__", ""), None)
    is_keras = type(part) is getattr(keras.layers, type(part).__name__, None)
    return is_keras and type(part).__name__ in LAST_AXIS_ALONE.split() and activation is known


def units(layer):
    """List the layer, or those of a Sequential, which itself insists on its rank."""
    if not isinstance(layer, keras.Sequential):
        return [layer]
    return [unit for inner in layer.layers for unit in units(inner)]


def parts(layer):
    """List the layers that are called, and all inside of them."""
    return [part for unit in units(layer) for part in unit._flatten_layers()]  # noqa: SLF001


def build(layer, shape, dtype=None):
    """Lift `layer` by calling it, part by part, on an input with one more axis."""
    specs = keras.tree.map_shape_structure(keras.KerasTensor, shape)
    inputs = x = keras.tree.map_structure(  # batch, time, *features
        lambda x, kind: keras.Input(x.shape, dtype=kind), specs, dtype
    )
    for unit in units(layer):
        x = unit(x)
    return keras.Model(inputs, x)  # batch, time, *outputs
