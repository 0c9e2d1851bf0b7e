"""RoI head: 7x7x256 regions through Conv2D 256, kernel 7, and Dense 81.

Hundreds of proposed regions of one image, each judged by the same head.

Source: He et al. 2017, "Mask R-CNN", the box head on RoIAlign, whose first hidden layer is here
a quarter as wide and written as a convolution over the whole region, and whose second is left out.
"""

import keras
from keras import layers

DEFAULT = False
FEATURES = (7, 7, 256)
STEPS = "regions"
SEQ_LENS = (50, 200)
BATCH_SIZES = (1,)


def make_layer():
    """Make the layer that is applied to one step: (batch, 7, 7, 256) -> (batch, 81)."""
    return keras.Sequential(
        [
            layers.Conv2D(256, 7, activation="relu"),  # batch, 1, 1, 256
            layers.Flatten(),
            layers.Dense(81),
        ]
    )
