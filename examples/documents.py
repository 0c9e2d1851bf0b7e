"""A model as people write it: documents are read by their sentences, sentences by their words.

timelift advise examples/documents.py:make_model --batch-sizes 8
"""

import keras
from keras import layers


def make_model() -> keras.Model:
    """Map documents (40 sentences, 30 words) to one of 5 kinds."""
    words = keras.Input((30,), dtype="int32")
    x = layers.Embedding(10_000, 32, mask_zero=True)(words)
    sentence = keras.Model(words, layers.GRU(32)(x), name="sentence")
    document = keras.Input((40, 30), dtype="int32")
    x = layers.TimeDistributed(sentence, name="sentences_td")(document)
    x = layers.TimeDistributed(layers.Dense(16, activation="tanh"), name="summary_td")(x)
    x = layers.GRU(16)(x)
    model = keras.Model(document, layers.Dense(5, activation="softmax")(x), name="documents")
    model.compile("adam", "sparse_categorical_crossentropy")
    return model
