"""Windows: 32 samples of nine channels through Conv1D 64.

Activity recognition cuts a signal into windows and convolves each alone.

Source: the nine channels of the UCI "Human Activity Recognition Using Smartphones" data set.
"""

import keras

DEFAULT = False
FEATURES = (32, 9)
STEPS = "windows"
SEQ_LENS = (4, 16)
BATCH_SIZES = (64,)


def make_layer():
    """Make the layer that is applied to one step: (batch, 32, 9) -> (batch, 30, 64)."""
    return keras.layers.Conv1D(64, 3, activation="tanh")
