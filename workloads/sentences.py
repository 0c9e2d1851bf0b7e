"""Sentences: twelve words of 16 features through LSTM 32.

A document is a sequence of sentences, each encoded by the same recurrent layer.

Source: the word encoder of Yang et al. 2016, "Hierarchical Attention Networks", with an LSTM.
"""

import keras

FEATURES = (12, 16)
STEPS = "sentences"
SEQ_LENS = (5, 10)
BATCH_SIZES = (32,)


def make_layer():
    """Make the layer that is applied to one step: (batch, 12, 16) -> (batch, 32)."""
    return keras.layers.LSTM(32)
