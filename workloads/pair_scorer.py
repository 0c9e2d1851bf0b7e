"""Pair scorer: two sentences of eight words through LSTM 32, to one score.

A sentence may have fewer words than eight; a mask of its own tells the LSTM which are words.

Source: Mueller and Thyagarajan 2016, "Siamese Recurrent Architectures for Learning Sentence
Similarity": exp of the negative Manhattan distance.
"""

import keras
from keras import ops

DEFAULT = False
INPUTS = "float32[8,16]+mask,float32[8,16]+mask"
STEPS = "pairs"
SEQ_LENS = (5,)
BATCH_SIZES = (32,)


def make_layer():
    """Make the layer that is applied to one step: (batch, 8, 16), (batch, 8, 16) -> (batch, 1)."""
    left, right = keras.Input((8, 16)), keras.Input((8, 16))
    encode = keras.layers.LSTM(32)
    distance = ops.sum(ops.abs(encode(left) - encode(right)), axis=-1, keepdims=True)
    return keras.Model([left, right], ops.exp(-distance))  # batch, 1
