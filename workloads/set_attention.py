"""Set attention: sixteen members of 64 features through self-attention.

Each step is a set whose members attend to each other, and never to another step's.

Source: Lee et al. 2019, "Set Transformer"; keras.layers.MultiHeadAttention.
"""

import keras

DEFAULT = False
FEATURES = (16, 64)
SEQ_LENS = (16,)
BATCH_SIZES = (16,)


def make_layer():
    """Make the layer that is applied to one step: (batch, 16, 64) -> (batch, 16, 64)."""
    members = keras.Input(FEATURES)
    attended = keras.layers.MultiHeadAttention(num_heads=4, key_dim=16)(members, members)
    return keras.Model(members, attended)
