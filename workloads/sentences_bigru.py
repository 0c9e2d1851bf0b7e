"""Sentences: twelve words of 16 features through a bidirectional GRU 32.

The same documents with the encoder that the literature prefers.

Source: the word encoder of Yang et al. 2016, "Hierarchical Attention Networks".
"""

import keras

DEFAULT = False
FEATURES = (12, 16)
SEQ_LENS = (5, 15)
BATCH_SIZES = (32,)


def make_layer():
    """Make the layer that is applied to one step: (batch, 12, 16) -> (batch, 64)."""
    return keras.layers.Bidirectional(keras.layers.GRU(32))
