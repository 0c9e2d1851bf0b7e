"""Detector heads: 7x7x256 regions through Flatten and Dense.

Hundreds of proposed regions of one image, each judged by the same head.

Source: Girshick 2015, "Fast R-CNN", the head behind RoI pooling, without its hidden layers.
"""

import keras

DEFAULT = False
FEATURES = (7, 7, 256)
SEQ_LENS = (50, 200)
BATCH_SIZES = (1,)


def make_layer():
    """Make the layer that is applied to one step: (batch, 7, 7, 256) -> (batch, 81)."""
    return keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(81)])
