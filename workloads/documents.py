"""Documents: six sentences of twelve words each, every sentence through LSTM 32.

What a reader has read is a sequence of documents, and a document one of sentences: the encoder of a
sentence is applied to every step of every step, as TimeDistributed(TimeDistributed(LSTM(32))).

Source: the word encoder of Yang et al. 2016, "Hierarchical Attention Networks", with an LSTM.
"""

import keras

DEFAULT = False
LIFTS = 2
FEATURES = (6, 12, 16)
STEPS = "documents"
SEQ_LENS = (4,)
BATCH_SIZES = (8,)


def make_layer():
    """Make the layer that is applied to one sentence: (batch, 12, 16) -> (batch, 32)."""
    return keras.layers.LSTM(32)
