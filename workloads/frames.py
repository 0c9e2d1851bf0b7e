"""Frames: 32x32 images through Conv2D 16.

One convolution on every frame of a short clip.

Source: the clip shape of Keras's own TimeDistributed benchmark.
"""

import keras

FEATURES = (32, 32, 3)
STEPS = "frames"
SEQ_LENS = (5, 20)
BATCH_SIZES = (8,)


def make_layer():
    """Make the layer that is applied to one step: (batch, 32, 32, 3) -> (batch, 32, 32, 16)."""
    return keras.layers.Conv2D(16, 3, padding="same", activation="tanh")
