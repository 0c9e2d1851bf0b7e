"""keras.layers.RNN around a cell without memory, unrolled.

When: the surrounding code speaks RNN, the sequence is short, and a faster call is worth a longer
trace: the graph holds one copy of the layer for each step.
When not: long sequences, or a dynamic time axis.

Source: keras.layers.RNN (keras/src/layers/rnn/rnn.py, backend/tensorflow/rnn.py).
"""

import keras

DEFAULT = False
DROPOUT = "independent"
BATCH_NORM = "per_step"
INNER_LOSSES = "kept"
MASKS = "passed"
PADDED_STEPS = "zeros"


@keras.saving.register_keras_serializable(package="rnn_cell_unrolled")
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


@keras.saving.register_keras_serializable(package="rnn_cell_unrolled")
class StepRNN(keras.layers.RNN):
    """Lets a cell's output have any rank, where RNN itself declares vectors."""

    def compute_output_spec(self, x, initial_state=None, mask=None, training=None):
        """Put time back behind the batch of the layer's own outputs."""
        step = keras.KerasTensor((x.shape[0], *x.shape[2:]), x.dtype)
        y = self.cell.layer.compute_output_spec(step)
        return keras.KerasTensor((*x.shape[:2], *y.shape[1:]), self.compute_dtype)


def refuses(layer, setting, *, shape=(), masked=False):
    """Refuse nests, masks of a step, and an unknown number of steps while the loop is traced."""
    if isinstance(shape, dict | list):
        return "RNN takes one sequence and hands its cell one tensor, and here are several inputs."
    if masked:
        return "RNN takes a mask over steps and hands its cell none; the step has one of its own."
    if shape and keras.tree.is_nested(
        layer.compute_output_spec(keras.KerasTensor((None, *shape[1:])))
    ):
        return "RNN returns one sequence, and the layer a list or dictionary."
    if setting.time_axis == "dynamic" and setting.mode != "eager":
        return "unrolling needs the number of steps when it is traced, and time is dynamic."
    return None


def build(layer, shape, dtype=None):
    """Lift `layer` as the cell of an unrolled recurrent layer."""
    inputs = keras.Input(shape, dtype=dtype)  # batch, time, *features
    lift = StepRNN(
        StepCell(layer),
        return_sequences=True,
        unroll=True,
        zero_output_for_mask=True,
        dtype=layer.compute_dtype,
    )
    return keras.Model(inputs, lift(inputs))  # batch, time, *outputs
