"""Sentence ids: eight padded ids, Embedding, bidirectional GRU, attention.

An id of 0 is padding: the Embedding's mask tells the GRU and the attention, and ends there.

Source: Yang et al. 2016, "Hierarchical Attention Networks", word encoder and word attention.
"""

import keras
from keras import layers, ops

DEFAULT = False
INPUTS = "int32[8]<1000"
STEPS = "sentences"
SEQ_LENS = (5,)
BATCH_SIZES = (32,)


def make_layer():
    """Make the layer that is applied to one step: (batch, 8) -> (batch, 32)."""
    ids = keras.Input((8,), dtype="int32")
    words = layers.Embedding(1000, 16, mask_zero=True)(ids)  # batch, words, 16
    words = layers.Bidirectional(layers.GRU(16, return_sequences=True))(words)  # batch, words, 32
    return keras.Model(ids, WordAttention(32)(words))  # batch, 32


@keras.saving.register_keras_serializable(package="sentence_ids")
class WordAttention(layers.Layer):
    """The mean of a sentence's words, weighted by how much each matters."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.units = units
        self.hidden = layers.Dense(units, activation="tanh")
        self.context = layers.Dense(1, use_bias=False)
        self.softmax = layers.Softmax(axis=-1)

    def build(self, shape):
        """Make the weights, for words of (batch, words, features)."""
        self.hidden.build(shape)
        self.context.build((*shape[:-1], self.units))

    def call(self, words, mask=None):
        """Map (batch, words, features) to (batch, features)."""
        scores = ops.squeeze(self.context(self.hidden(words)), -1)  # batch, words
        weights = self.softmax(scores, mask=mask)
        return ops.sum(ops.expand_dims(weights, -1) * words, axis=1)

    def compute_mask(self, words, mask=None):
        """None: there are no words any more."""

    def compute_output_shape(self, shape):
        """Shape without the axis of words."""
        return (shape[0], *shape[2:])

    def get_config(self):
        """Return what makes the same layer again."""
        return {**super().get_config(), "units": self.units}
