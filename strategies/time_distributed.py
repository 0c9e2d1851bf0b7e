"""keras.layers.TimeDistributed around the layer.

When: the layer is cheap to trace, the sequence short, and the model must read plainly.
When not: the sequence is long or the inputs need gradients: with a static time axis Keras 3 unrolls
one copy of the layer a step, and the gradient of each slice is as large as the whole input.

The class calls `layer.call`, not `layer(...)`, so what Keras does around a call (activity
regularisers, the automatic cast) does not happen. With a dynamic time axis inside a traced function
it maps over step numbers with `vectorized_map`, which changes the meaning of noise and statistics,
and since Keras 3.14 it takes the number of sequences for the number of steps there.

It asks the layer for its output shape, which one that is subclassed without
`compute_output_shape` does not tell.

It hands the layer `mask[:, t]` of any mask. Of (batch, time, words) that is right; behind the lift
the mask keeps its words, and the next LSTM fails, or on JAX takes them for steps. Of (batch, time)
it is one value a sequence: a recurrent layer or attention fails, or takes it for a mask of its own
axis if the sizes agree. The mask of an Embedding that it wraps is lost.

Source: keras.layers.TimeDistributed (keras/src/layers/rnn/time_distributed.py).
"""

import keras

DROPOUT = {"static": "independent", "dynamic": "shared"}
BATCH_NORM = {"static": "per_step", "dynamic": "first_step"}
INNER_LOSSES = "lost"
MASKS = "passed"
PADDED_STEPS = "computed"

#: Layers whose mask is of an axis within the step, where the mask over steps would be wrong.
MASKED = (
    *(keras.layers.RNN, keras.layers.MultiHeadAttention, keras.layers.GroupQueryAttention),
    *(keras.layers.Attention, keras.layers.GlobalAveragePooling1D, keras.layers.Softmax),
    keras.layers.TimeDistributed,
)
#: Layers whose own mask, or none, takes the place of the one that they get.
MAKERS = keras.layers.Embedding, keras.layers.Masking


def refuses(layer, setting, *, shape=(), masked=False):
    """Refuse nests, unknown shapes, wrong masks, and what a map over step numbers cannot do."""
    if isinstance(shape, dict | list):
        return "Keras's TimeDistributed takes one tensor, and the layer takes several inputs."
    if type(layer).compute_output_shape is keras.Layer.compute_output_shape:
        return f"it asks {type(layer).__name__} for its output shape; write compute_output_shape."
    outputs = layer.compute_output_shape((None, *shape[1:])) if shape else ()
    if isinstance(outputs, dict) or any(isinstance(one, dict | list | tuple) for one in outputs):
        return "Keras's TimeDistributed returns one tensor, and the layer a list or dictionary."
    if (
        setting.lengths != "full"
        and not masked
        and any(isinstance(part, MASKED) for part in parts(layer))
        and not any(isinstance(part, MAKERS) for part in parts(layer))
    ):
        return (
            "it hands the layer a mask of one value a sequence, and its own has one an inner step."
        )
    if getattr(layer, "quantization_mode", None):
        return "it calls the layer's `call`, which int8 does not reach: weights are read as floats."
    maps = setting.time_axis == "dynamic" and setting.mode != "eager"
    return unmapped(layer, setting) if maps else None


def unmapped(layer, setting):
    """Return why the map over step numbers fails; None where it works."""
    if setting.backend == "torch":
        return "PyTorch unrolls the loop and must know the number of steps, and time is dynamic."
    version = tuple(int(part) for part in keras.version().split(".")[:2])
    if version >= (3, 14) and setting.batch != setting.seq_len:
        return "Keras maps over `batch` steps where time is dynamic, and time differs from batch."
    if setting.mode == "xla" and setting.differentiates:
        return "the map over step numbers is a loop of unknown length: no gradient under XLA."
    loops = any(isinstance(part, keras.layers.RNN) and not part.unroll for part in parts(layer))
    if loops and (setting.mode == "xla" or setting.differentiates):
        return "TensorFlow cannot vectorise the gradient of a recurrent loop, nor compile the loop."
    return None


def parts(layer):
    """List `layer` and all layers inside it."""
    return layer._flatten_layers()  # noqa: SLF001


def build(layer, shape, dtype=None):
    """Lift `layer` with the wrapper that Keras provides."""
    inputs = keras.Input(shape, dtype=dtype)  # batch, time, *features
    lift = keras.layers.TimeDistributed(layer, dtype=layer.compute_dtype)
    return keras.Model(inputs, lift(inputs))  # batch, time, *outputs
