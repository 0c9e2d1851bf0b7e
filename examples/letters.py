"""A model as people write it: letters are read by their sentences, sentences by their words.

timelift advise examples/letters.py:make_model
"""

import keras
from keras import layers


def make_model() -> keras.Model:
    """Map letters (8 sentences of 12 words) to one of 5 kinds."""
    words = keras.Input((12,), dtype="int32")
    x = layers.Embedding(5_000, 32)(words)
    sentence = keras.Model(words, layers.GRU(32)(x), name="sentence")
    letter = keras.Input((8, 12), dtype="int32")
    x = layers.TimeDistributed(sentence, name="sentence_td")(letter)
    x = layers.GlobalAveragePooling1D()(x)
    model = keras.Model(letter, layers.Dense(5, activation="softmax")(x), name="letters")
    model.compile("adam", "sparse_categorical_crossentropy")
    return model
