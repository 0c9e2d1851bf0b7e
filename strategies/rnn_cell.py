"""keras.layers.RNN around a cell without memory.

When: the surrounding code already speaks RNN (masks, `return_sequences`), or memory must not grow
with the number of steps that run at once.
When not: speed matters: a symbolic while loop runs one step after another, and the layer is called
once more outside the loop to learn its output's type.

The cell ignores its state; RNN demands at least one, so it carries a single number a sequence.

Source: keras.layers.RNN (keras/src/layers/rnn/rnn.py, backend/tensorflow/rnn.py).
"""

import keras

DROPOUT = "independent"
BATCH_NORM = "per_step_and_first_again"
INNER_LOSSES = "unreachable"
MASKS = "passed"
PADDED_STEPS = "zeros"


class StepCell(keras.layers.Wrapper):
    """Wraps the layer as a cell whose one state is never used."""

    state_size = 1

    def __init__(self, layer):
        super().__init__(layer, dtype=layer.dtype_policy)

    def call(self, x, states):
        """Apply the layer to one step and hand the states on."""
        return self.layer(x), states


class StepRNN(keras.layers.RNN):
    """Lets a cell's output have any rank, where RNN itself declares vectors."""

    def compute_output_shape(self, sequences_shape, initial_state_shape=None):  # noqa: ARG002
        """Put time back behind the batch of the layer's own output shape."""
        batch, time, *features = sequences_shape
        return (batch, time, *self.cell.layer.compute_output_shape((batch, *features))[1:])


def refuses(layer, setting):  # noqa: ARG001
    """Refuse an unrolled loop of unknown length."""
    if setting.backend == "torch" and setting.time_axis == "dynamic" and setting.mode == "graph":
        return "PyTorch unrolls the loop and must know the number of steps, and time is dynamic."
    return None


def build(layer, shape, dtype=None):
    """Lift `layer` as the cell of a recurrent layer."""
    inputs = keras.Input(shape, dtype=dtype)  # batch, time, *features
    lift = StepRNN(
        StepCell(layer),
        return_sequences=True,
        zero_output_for_mask=True,
        dtype=layer.dtype_policy,
    )
    return keras.Model(inputs, lift(inputs))  # batch, time, *outputs
