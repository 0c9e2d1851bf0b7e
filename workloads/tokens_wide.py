"""Tokens, wide: 1024 features through Dense 1024.

The same projection at a width where arithmetic outweighs every overhead.

Source: a transformer's position-wise projections at a usual width.
"""

import keras

DEFAULT = False
FEATURES = (1024,)
SEQ_LENS = (16, 128)
BATCH_SIZES = (8,)


def make_layer():
    """Make the layer that is applied to one step: (batch, 1024) -> (batch, 1024)."""
    return keras.layers.Dense(1024, activation="tanh")
