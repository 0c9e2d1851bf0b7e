"""Tokens: 32 features through Dense 64.

A projection of every token, the commonest layer that is applied to every step.

Source: a transformer's position-wise projections at a small width.
"""

import keras

FEATURES = (32,)
STEPS = "tokens"
SEQ_LENS = (16, 128)
BATCH_SIZES = (1, 32)


def make_layer():
    """Make the layer that is applied to one step: (batch, 32) -> (batch, 64)."""
    return keras.layers.Dense(64, activation="tanh")
