"""Sensor: three readings through Dense 16.

The question's own layer: each step is one vector of readings, each step is judged alone.

Source: the question's first example.
"""

import keras

DEFAULT = False
FEATURES = (3,)
STEPS = "readings"
SEQ_LENS = (10, 50)
BATCH_SIZES = (1, 32)


def make_layer():
    """Make the layer that is applied to one step: (batch, 3) -> (batch, 16)."""
    return keras.layers.Dense(16, activation="relu")
