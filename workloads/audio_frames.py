"""Audio frames: 96x64 log-mel patches through a small CNN.

Each second of a recording becomes an embedding, from which sounds are told along the recording.

Source: Hershey et al. 2017, "CNN Architectures for Large-Scale Audio Classification": VGG, here
with one convolution a block and a quarter of its width or less.
"""

import keras
from keras import layers

DEFAULT = False
FEATURES = (96, 64, 1)
STEPS = "patches"
SEQ_LENS = (5, 10)
BATCH_SIZES = (4,)


def make_layer():
    """Make the layer that is applied to one step: (batch, 96, 64, 1) -> (batch, 128)."""
    x = patch = keras.Input(FEATURES)  # batch, frames of 10 ms, mel bands, 1
    for filters in (16, 32, 64, 64):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D()(x)  # batch, half the frames, half the bands, filters
    x = layers.Flatten()(x)  # batch, 6 * 4 * 64
    return keras.Model(patch, layers.Dense(128, activation="relu")(x))
