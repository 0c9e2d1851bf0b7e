"""Video encoder: 96x96 images through a MobileNet, frozen but for its last block.

What a pretrained network sees in each frame of a clip; its last block learns the task at hand.

Source: keras.applications.MobileNet (Howard et al. 2017), a quarter of its width, without its
pretrained weights; Keras's guide "Transfer learning & fine-tuning".
"""

import keras

DEFAULT = False
FEATURES = (96, 96, 3)
STEPS = "frames"
SEQ_LENS = (4, 8)
BATCH_SIZES = (2,)
LAST_BLOCK = "conv_dw_13"


def make_layer():
    """Make the layer that is applied to one step: (batch, 96, 96, 3) -> (batch, 256)."""
    network = keras.applications.MobileNet(
        input_shape=FEATURES, alpha=0.25, include_top=False, weights=None, pooling="avg"
    )
    first_trained = network.layers.index(network.get_layer(LAST_BLOCK))
    for layer in network.layers[:first_trained]:
        layer.trainable = False  # whose BatchNormalization then infers, in training too
    return network
