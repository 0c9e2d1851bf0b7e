"""ViT patches: 32x32 images through 8x8 patches and two attention blocks.

Each frame of a clip is cut into sixteen patches that attend to each other, and becomes one vector.

Source: Dosovitskiy et al. 2020, "An Image is Worth 16x16 Words", with a mean for its class token.
"""

import keras
from keras import layers

DEFAULT = False
FEATURES = (32, 32, 3)
STEPS = "frames"
SEQ_LENS = (4, 16)
BATCH_SIZES = (4,)
PATCH = 8
WIDTH = 64
HEADS = 4


def make_layer():
    """Make the layer that is applied to one step: (batch, 32, 32, 3) -> (batch, 64)."""
    image = keras.Input(FEATURES)
    x = layers.Conv2D(WIDTH, PATCH, strides=PATCH)(image)  # batch, 4, 4, 64
    x = Positions()(layers.Reshape((-1, WIDTH))(x))  # batch, patches, 64
    for _ in range(2):
        normed = layers.LayerNormalization()(x)
        x = x + layers.MultiHeadAttention(HEADS, WIDTH // HEADS)(normed, normed)
        hidden = layers.Dense(2 * WIDTH, activation="gelu")(layers.LayerNormalization()(x))
        x = x + layers.Dense(WIDTH)(hidden)
    x = layers.LayerNormalization()(x)
    return keras.Model(image, layers.GlobalAveragePooling1D()(x))


@keras.saving.register_keras_serializable(package="vit_patches")
class Positions(layers.Layer):
    """Adds to each patch a vector of its place, without which patches would be a set."""

    def build(self, shape):
        """Make the vectors, for patches of (batch, patches, width)."""
        self.vectors = self.add_weight(shape=shape[1:], initializer="random_normal")

    def call(self, patches):
        """Map (batch, patches, width) to the same shape."""
        return patches + self.vectors
