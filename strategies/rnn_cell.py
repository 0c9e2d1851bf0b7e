"""keras.layers.RNN around a cell without memory.

When: the surrounding code already speaks RNN (masks, `return_sequences`), or memory must not grow
with the number of steps that run at once.
When not: speed matters: a symbolic while loop runs one step after another, and the layer is called
once more outside the loop to learn its output's type.

The cell ignores its state; RNN demands at least one, so it carries a single number a sequence.

Source: keras.layers.RNN (keras/src/layers/rnn/rnn.py, backend/tensorflow/rnn.py).
"""

import numbers

import keras

DROPOUT = "independent"
BATCH_NORM = "per_step_and_first_again"
INNER_LOSSES = "unreachable"
MASKS = "passed"
PADDED_STEPS = "zeros"

#: Attributes of Keras's layers that hold the rate or size of noise in training.
NOISE = ("rate", "stddev", "dropout", "recurrent_dropout")


@keras.saving.register_keras_serializable(package="rnn_cell")
class StepCell(keras.layers.Wrapper):
    """Wraps the layer as a cell whose one state is never used."""

    state_size = 1

    def __init__(self, layer, dtype=None, **kwargs):
        super().__init__(layer, dtype=dtype or layer.compute_dtype, **kwargs)

    def build(self, shape):
        """Let the layer build itself, by a call on one step."""
        self.layer(keras.KerasTensor(shape))

    def call(self, x, states, training=None):
        """Apply the layer to one step and hand the states on."""
        return self.layer(x, training=training), states


@keras.saving.register_keras_serializable(package="rnn_cell")
class StepRNN(keras.layers.RNN):
    """Lets a cell's output have any rank, where RNN itself declares vectors."""

    def compute_output_spec(self, x, initial_state=None, mask=None, training=None):
        """Put time back behind the batch of the layer's own outputs."""
        step = keras.KerasTensor((x.shape[0], *x.shape[2:]), x.dtype)
        y = self.cell.layer.compute_output_spec(step)
        return keras.KerasTensor((*x.shape[:2], *y.shape[1:]), self.compute_dtype)


def refuses(layer, setting, *, shape=(), masked=False):
    """Refuse nests, masks of a step, what JAX cannot do in a loop, and unrolling to no length."""
    if reason := refused_step(layer, shape, masked):
        return reason
    if setting.backend == "torch" and setting.time_axis == "dynamic" and setting.mode == "graph":
        return "PyTorch unrolls the loop and must know the number of steps, and time is dynamic."
    if setting.backend == "jax" and setting.differentiates and assigns(layer):
        return "JAX takes nothing that the layer assigns out of a loop, and training assigns."
    varies = setting.lengths != "full"
    if setting.backend == "jax" and varies and len(output_shape(layer)) > 2:
        return "in JAX's loop Keras masks vectors, and each output of the layer has more axes."
    return None


def refused_step(layer, shape, masked):
    """Return why a cell cannot take or return such steps; None where it can."""
    if isinstance(shape, dict | list):
        return "RNN takes one sequence and hands its cell one tensor, and here are several inputs."
    if masked:
        return "RNN takes a mask over steps and hands its cell none; the step has one of its own."
    step = keras.KerasTensor((None, *shape[1:]))
    if shape and keras.tree.is_nested(layer.compute_output_spec(step)):
        return "RNN returns one sequence, and the layer a list or dictionary."
    return None


def assigns(layer):
    """True if training assigns: to batch statistics, or to the seeds that noise is drawn from."""
    parts = layer._flatten_layers()  # noqa: SLF001
    rates = (getattr(part, name, 0) for part in parts for name in NOISE)  # elsewhere: weights
    noisy = any(isinstance(rate, numbers.Real) and rate > 0 for rate in rates)
    statistics = (part for part in parts if isinstance(part, keras.layers.BatchNormalization))
    return noisy or any(part.trainable for part in statistics)


def output_shape(layer):
    """Return the shape of the layer's outputs, batch first; empty where it is not known."""
    built_with = (layer.get_build_config() or {}).get("input_shape")
    if built_with:
        return layer.compute_output_spec(keras.KerasTensor(built_with)).shape
    return layer.output.shape if isinstance(layer, keras.Model) else ()


def build(layer, shape, dtype=None):
    """Lift `layer` as the cell of a recurrent layer."""
    inputs = keras.Input(shape, dtype=dtype)  # batch, time, *features
    lift = StepRNN(
        StepCell(layer),
        return_sequences=True,
        zero_output_for_mask=True,
        dtype=layer.compute_dtype,
    )
    return keras.Model(inputs, lift(inputs))  # batch, time, *outputs
