"""Ten models after published ones, some smaller, each with a TimeDistributed.

timelift advise examples/published_models.py:video

The agent and speech are subclassed, so the shapes of their inputs are unknown: `agent_data` and
`speech_data` make a batch.
"""

import keras
import numpy as np
from keras import layers, ops

#: Sequences in a call.
BATCH = 8


def _lift(layer, name):
    return layers.TimeDistributed(layer, name=name)


def video():
    """A convolutional network encodes each of 16 frames, a recurrent one the sequence.

    Donahue et al. 2015, "Long-term Recurrent Convolutional Networks", with a small network.
    """
    looks = keras.Sequential(
        [
            layers.Conv2D(16, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
        ],
        name="looks",
    )
    frames = keras.Input((16, 48, 48, 3))
    x = layers.LSTM(64)(_lift(looks, "looks_td")(frames))
    model = keras.Model(frames, layers.Dense(10, activation="softmax")(x), name="video")
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def documents():
    """Sentences are encoded by their words, a document by its sentences, both with attention.

    Yang et al. 2016, "Hierarchical Attention Networks for Document Classification".
    """

    def attend(x):
        weights = layers.Softmax(axis=1)(layers.Dense(1)(layers.Dense(100, activation="tanh")(x)))
        return layers.Flatten()(layers.Dot(1)([weights, x]))

    words = keras.Input((30,), dtype="int32")
    x = layers.Embedding(20_000, 100)(words)
    x = layers.Bidirectional(layers.GRU(50, return_sequences=True))(x)
    sentence = keras.Model(words, attend(x), name="sentence")
    document = keras.Input((15, 30), dtype="int32")
    x = _lift(sentence, "sentence_td")(document)
    x = layers.Bidirectional(layers.GRU(50, return_sequences=True))(x)
    outputs = layers.Dense(5, activation="softmax")(attend(x))
    model = keras.Model(document, outputs, name="documents")
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def actions():
    """A frozen MobileNetV2 encodes each of 8 frames, a GRU the sequence."""
    network = keras.applications.MobileNetV2(
        (96, 96, 3), alpha=0.35, include_top=False, weights=None, pooling="avg"
    )
    network.trainable = False
    frames = keras.Input((8, 96, 96, 3))
    x = layers.GRU(64)(_lift(network, "network_td")(frames))
    model = keras.Model(frames, layers.Dense(10, activation="softmax")(x), name="actions")
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def text_lines():
    """A line of text is read column by column, as for CTC.

    Shi et al. 2015, "An End-to-End Trainable Neural Network for Image-based Sequence Recognition".
    """
    x = line = keras.Input((128, 32, 1))  # width, height, channels
    for filters in (32, 64):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D()(x)
    x = _lift(layers.Flatten(), "column_td")(x)
    x = layers.Bidirectional(layers.LSTM(64, return_sequences=True))(x)
    x = _lift(layers.Dense(80, activation="softmax"), "letters_td")(x)
    model = keras.Model(line, x, name="text_lines")
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def signal():
    """A number for each step of a signal of any length."""
    x = series = keras.Input((None, 8))
    x = layers.Conv1D(32, 5, padding="causal", activation="relu")(x)
    x = layers.LSTM(64, return_sequences=True)(x)
    model = keras.Model(series, _lift(layers.Dense(1), "value_td")(x), name="signal")
    model.compile("adam", "mse")
    return model


def detector():
    """The heads of a detector: the same layers on each of 50 regions, and two outputs.

    He et al. 2017, "Mask R-CNN", with a quarter of its filters.
    """
    x = regions = keras.Input((50, 7, 7, 64))
    x = _lift(layers.Conv2D(256, 7), "conv_td")(x)
    x = layers.ReLU()(_lift(layers.BatchNormalization(), "norm_td")(x))
    x = _lift(layers.Flatten(), "flat_td")(x)
    outputs = {
        "kind": _lift(layers.Dense(81, activation="softmax"), "kind_td")(x),
        "box": _lift(layers.Dense(324), "box_td")(x),
    }
    model = keras.Model(regions, outputs, name="detector")
    model.compile("adam", {"kind": "sparse_categorical_crossentropy", "box": "mae"})
    return model


class Agent(keras.Model):
    """A convolutional torso and an LSTM, for frames and rewards.

    Mnih et al. 2013, "Playing Atari with Deep Reinforcement Learning", with a memory.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        torso = [
            layers.Conv2D(16, 8, strides=4, activation="relu"),
            layers.Conv2D(32, 4, strides=2, activation="relu"),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
        ]
        self.see = _lift(keras.Sequential(torso, name="torso"), "torso_td")
        self.remember, self.act = layers.LSTM(128), layers.Dense(6)

    def call(self, inputs, training=None):
        """Encode each frame, join it with its reward, and run the LSTM."""
        frames, rewards = inputs
        seen = ops.concatenate([self.see(frames, training=training), rewards], axis=-1)
        return self.act(self.remember(seen, training=training))


def agent():
    """Two inputs, of a subclassed model."""
    model = Agent(name="agent")
    model.compile("adam", "mse")
    return model


class Speech(keras.Model):
    """An encoder of each frame of a spectrogram, a GRU, and a phone for each frame."""

    def __init__(self):
        super().__init__(name="speech")
        inner = [layers.Conv1D(32, 5, activation="relu"), layers.Flatten(), layers.Dropout(0.2)]
        self.hear = _lift(keras.Sequential([*inner, layers.Dense(64)], name="frame"), "frame_td")
        self.remember = layers.GRU(64, return_sequences=True)
        self.say = _lift(layers.Dense(40, activation="softmax"), "phone_td")

    def call(self, inputs, training=None):
        """Return the probabilities of a phone at each frame."""
        return self.say(self.remember(self.hear(inputs, training=training), training=training))


def speech():
    """A subclassed model with Dropout inside of its lift."""
    model = Speech()
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def library():
    """Documents of sentences of words: a lift inside of a lift."""
    words = keras.Sequential([layers.Embedding(5_000, 32), layers.GRU(32)], name="words")
    sentences = keras.Sequential([_lift(words, "words_td"), layers.GRU(32)], name="sentences")
    shelf = keras.Input((4, 6, 20), dtype="int32")
    x = layers.GRU(32)(_lift(sentences, "sentences_td")(shelf))
    model = keras.Model(shelf, layers.Dense(1, activation="sigmoid")(x), name="library")
    model.compile("adam", "binary_crossentropy")
    return model


def twins():
    """One lift that two branches share.

    Mueller and Thyagarajan 2016, "Siamese Recurrent Architectures for Learning Sentence
    Similarity".
    """
    shared, memory = _lift(layers.Dense(64, activation="tanh"), "shared_td"), layers.LSTM(50)
    left, right = keras.Input((40, 300)), keras.Input((40, 300))
    both = layers.Concatenate()([memory(shared(left)), memory(shared(right))])
    model = keras.Model([left, right], layers.Dense(1, activation="sigmoid")(both), name="twins")
    model.compile("adam", "binary_crossentropy")
    return model


def agent_data():
    """(inputs, labels) of one batch for the agent: 16 frames, their rewards."""
    noise = np.random.default_rng(1)
    shapes = (BATCH, 16, 84, 84, 4), (BATCH, 16, 1), (BATCH, 6)
    frames, rewards, labels = (noise.normal(size=shape).astype("float32") for shape in shapes)
    return [frames, rewards], labels


def speech_data():
    """(inputs, labels) of one batch of spectrograms: 50 frames of 25 x 40, a phone of each."""
    noise = np.random.default_rng(2)
    spectra = noise.normal(size=(BATCH, 50, 25, 40)).astype("float32")
    return spectra, noise.integers(40, size=(BATCH, 50))
