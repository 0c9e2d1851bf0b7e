"""Frame encoder: 96x96 images through a small MobileNet.

A nested functional model with BatchNormalization, the usual front of a video classifier.

Source: Howard et al. 2017, "MobileNets": depthwise separable blocks, a quarter of the width.
"""

import keras

DEFAULT = False
FEATURES = (96, 96, 3)
SEQ_LENS = (10,)
BATCH_SIZES = (4,)


def make_layer():
    """Make the layer that is applied to one step: (batch, 96, 96, 3) -> (batch, 64)."""
    image = keras.Input(FEATURES)
    x = keras.layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(image)
    x = normalise(x)  # batch, 48, 48, 8
    for filters in (16, 32, 64):
        x = keras.layers.DepthwiseConv2D(3, strides=2, padding="same", use_bias=False)(x)
        x = normalise(x)  # batch, half the height, half the width, channels
        x = normalise(keras.layers.Conv2D(filters, 1, use_bias=False)(x))
    return keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))


def normalise(x):
    """Normalise and clip, the pair that follows every convolution."""
    return keras.layers.ReLU(max_value=6.0)(keras.layers.BatchNormalization()(x))
