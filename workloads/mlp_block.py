"""MLP block: LayerNormalization, Dense 256, Dense 128.

The position-wise half of a transformer block: a stack of layers as one inner layer.

Source: Vaswani et al. 2017, "Attention Is All You Need", section 3.3, normalised first.
"""

import keras

DEFAULT = False
FEATURES = (128,)
SEQ_LENS = (16, 64)
BATCH_SIZES = (64,)


def make_layer():
    """Make the layer that is applied to one step: (batch, 128) -> (batch, 128)."""
    return keras.Sequential(
        [
            keras.layers.LayerNormalization(),
            keras.layers.Dense(256, activation="gelu"),
            keras.layers.Dense(128),
        ]
    )
