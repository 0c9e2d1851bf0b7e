"""Vocab head: 256 features through Dense 8192 and softmax.

A language model's last layer: at every step the probability of each word that may come next.

Source: Bengio et al. 2003, "A Neural Probabilistic Language Model", the output layer.
"""

import keras

DEFAULT = False
FEATURES = (256,)
STEPS = "tokens"
SEQ_LENS = (16, 64)
BATCH_SIZES = (8,)


def make_layer():
    """Make the layer that is applied to one step: (batch, 256) -> (batch, 8192)."""
    return keras.layers.Dense(8192, activation="softmax")
