"""Models as they are published, at toy sizes: what people put a TimeDistributed in."""

import functools

import keras
import numpy as np
from keras import layers, ops

BATCH = 2


def _lift(layer, name):
    return layers.TimeDistributed(layer, name=name)


def video():
    """A convolution of each frame, and a recurrence over what it says."""
    x = frames = keras.Input((3, 8, 8, 1))
    x = _lift(layers.Conv2D(2, 3, activation="relu"), "conv_td")(x)
    x = _lift(layers.MaxPooling2D(), "pool_td")(x)
    x = layers.LSTM(3)(_lift(layers.Flatten(), "flat_td")(x))
    model = keras.Model(frames, layers.Dense(4, activation="softmax")(x), name="video")
    model.compile("adam", "categorical_crossentropy", run_eagerly=True)
    return model


def documents():
    """Hierarchical attention: sentences are encoded by their words, a document by its sentences."""
    words = keras.Input((4,), dtype="int32")
    x = layers.GRU(3, return_sequences=True)(layers.Embedding(20, 4)(words))
    x = layers.Dot(1)([layers.Softmax(axis=1)(layers.Dense(1)(x)), x])
    sentence = keras.Model(words, layers.Flatten()(x), name="sentence")
    document = keras.Input((3, 4), dtype="int32")
    x = layers.GRU(3)(_lift(sentence, "sentence_td")(document))
    model = keras.Model(document, layers.Dense(2, activation="softmax")(x), name="documents")
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy())
    return model


def actions():
    """A frozen network of Keras's applications looks at each frame."""
    network = keras.applications.MobileNetV2(
        (32, 32, 3), alpha=0.35, include_top=False, weights=None, pooling="avg"
    )
    network.trainable = False
    frames = keras.Input((2, 32, 32, 3))
    x = layers.GRU(3)(_lift(network, "network_td")(frames))
    return keras.Model(frames, layers.Dense(2)(x), name="actions")


def signal():
    """A number for each step of a signal whose length is not known."""
    x = series = keras.Input((None, 3))
    x = layers.LSTM(4, return_sequences=True)(layers.Conv1D(3, 3, padding="causal")(x))
    model = keras.Model(series, _lift(layers.Dense(1), "value_td")(x), name="signal")
    model.compile("sgd", "mse")
    return model


def detector():
    """The heads of Mask R-CNN: the same layers on every region, and two answers."""
    x = regions = keras.Input((4, 5, 5, 2))
    x = _lift(layers.Conv2D(3, 3), "conv_td")(x)
    x = layers.ReLU()(_lift(layers.BatchNormalization(), "norm_td")(x))
    x = _lift(layers.Flatten(), "flat_td")(x)
    outputs = {
        "kind": _lift(layers.Dense(3, activation="softmax"), "kind_td")(x),
        "box": _lift(layers.Dense(4), "box_td")(x),
    }
    model = keras.Model(regions, outputs, name="detector")
    model.compile("adam", {"kind": "sparse_categorical_crossentropy", "box": "mae"})
    return model


@keras.saving.register_keras_serializable(package="tests")
class Agent(keras.Model):
    """A torso that sees frames and rewards."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.see = _lift(keras.Sequential([layers.Flatten(), layers.Dense(3)]), "see_td")
        self.remember, self.act = layers.LSTM(3), layers.Dense(2)

    def call(self, inputs, training=None):
        """Look at each frame, and remember it with its reward."""
        frames, rewards = inputs
        seen = ops.concatenate([self.see(frames, training=training), rewards], axis=-1)
        return self.act(self.remember(seen, training=training))


def agent():
    """Two inputs, of a model that does not tell their shapes."""
    model = Agent(name="agent")
    model.compile("adam", "mse")
    return model


def agent_data():
    """(inputs, labels) of one batch for the agent."""
    noise = np.random.default_rng(1)
    shapes = (BATCH, 3, 4, 4), (BATCH, 3, 1), (BATCH, 2)
    frames, rewards, labels = (noise.normal(size=shape).astype("float32") for shape in shapes)
    return [frames, rewards], labels


class Speech(keras.Model):
    """Frames of a spectrogram, one after another."""

    def __init__(self):
        super().__init__(name="speech")
        inner = [layers.Conv1D(2, 3), layers.Flatten(), layers.Dropout(0.2)]
        self.lifts = [_lift(keras.Sequential(inner), "frame_td"), _lift(layers.Dense(3), "out_td")]

    def call(self, inputs, training=None):
        """Apply each lift in turn."""
        for lift in self.lifts:
            inputs = lift(inputs, training=training)
        return inputs


def speech():
    """Subclassed, with its lifts in a list."""
    return Speech()


def speech_data():
    """(inputs, labels) of one batch of spectrograms."""
    noise = np.random.default_rng(2)
    return noise.normal(size=(BATCH, 3, 6, 2)).astype("float32"), np.zeros((BATCH, 3, 3), "float32")


def library():
    """Documents of sentences of words: a lift inside of a lift."""
    words = keras.Sequential([layers.Embedding(20, 3, mask_zero=True), layers.GRU(2)], name="words")
    sentences = keras.Sequential([_lift(words, "words_td"), layers.GRU(3)], name="sentences")
    shelf = keras.Input((2, 3, 4), dtype="int32")
    x = layers.GRU(2)(_lift(sentences, "sentences_td")(shelf))
    return keras.Model(shelf, layers.Dense(1, activation="sigmoid")(x), name="library")


def twins():
    """One lift that two branches share."""
    shared = _lift(layers.Dense(3, activation="tanh"), "shared_td")
    left, right = keras.Input((4, 2)), keras.Input((4, 2))
    x = layers.GRU(2)(layers.Concatenate()([shared(left), shared(right)]))
    model = keras.Model([left, right], layers.Dense(1, activation="sigmoid")(x), name="twins")
    model.compile("adam", "binary_crossentropy")
    return model


def stacked():
    """Stacks of layers that mind the last axis alone, in two branches of other depths."""
    steps = keras.Input((4, 3))
    inner = keras.Sequential([layers.Dense(3), layers.LayerNormalization()])
    left = _lift(keras.Sequential([inner, layers.Dense(3, "tanh")]), "stack_td")(steps)
    right = _lift(layers.Dense(3), "dense_td")(layers.Dense(3)(steps))
    return keras.Model(steps, layers.Concatenate()([right, left]), name="stacked")


def shared():
    """One lift in two models, each of which is a part of another."""
    lift, steps = _lift(layers.Dense(3), "shared_td"), keras.Input((4, 2))
    left = keras.Model(steps, lift(steps), name="left")
    right = keras.Model(steps, lift(steps), name="right")
    return keras.Model(steps, layers.Add()([left(steps), right(steps)]), name="shared")


def dropped():
    """Noise inside of a lift, in training."""
    steps = keras.Input((3, 4))
    return keras.Model(steps, _lift(layers.Dropout(0.5), "drop_td")(steps), name="dropped")


def trained_before():
    """Weights that no seed makes, as those that were trained and are loaded."""
    steps, noise = keras.Input((3, 4)), np.random.default_rng()
    model = keras.Model(steps, _lift(layers.Dense(2), "dense_td")(steps), name="trained_before")
    model.set_weights([noise.normal(size=one.shape) for one in model.get_weights()])
    return model


#: One and the same model at every call.
same = functools.cache(twins)


@functools.cache
def _encoder():
    return keras.Sequential([keras.Input((4, 2)), _lift(layers.Dense(3), "kept_td")])


def same_inside():
    """A model of its own at every call, around one that is the same."""
    steps = keras.Input((4, 2))
    return keras.Model(steps, layers.Dense(1)(_encoder()(steps)), name="same_inside")


def strided():
    """A signal of any length, of which every other step is lifted."""
    series = keras.Input((None, 3))
    x = layers.Conv1D(3, 3, strides=2, padding="same")(series)
    return keras.Model(series, _lift(layers.Dense(1), "value_td")(x), name="strided")


class Scaled(layers.Layer):
    """It learns what other layers call the size of their noise."""

    def build(self, shape):
        """(batch, features)."""
        self.stddev = self.add_weight(shape=(shape[-1],), initializer="ones")

    def call(self, inputs):
        """Inputs of that size."""
        return inputs * self.stddev


class Towers(keras.Model):
    """Two parts of one name, each with a lift of one name."""

    def __init__(self):
        super().__init__(name="towers")
        noisy = keras.Sequential([layers.Dense(2), layers.Dropout(np.float32(0.2))])
        lifts = [_lift(Scaled(), "td"), _lift(noisy, "td")]
        self.parts = [keras.Sequential([one], name="tower") for one in lifts]

    def call(self, inputs):
        """Go through one after the other."""
        for part in self.parts:
            inputs = part(inputs)
        return inputs


def towers():
    """Subclassed, since no functional model takes two of one name."""
    return Towers()


def towers_data():
    """(inputs, labels) of one batch for it."""
    noise = np.random.default_rng(3)
    return noise.standard_normal((BATCH, 3, 4)), noise.standard_normal((BATCH, 3, 2))


def unnamed():
    """A model as it is written without a thought of names."""
    inner = keras.Sequential([layers.TimeDistributed(layers.Dense(2)), layers.GRU(3)])
    x = steps = keras.Input((3, 4))
    x = layers.TimeDistributed(layers.Dense(4, activation="relu"))(x)
    return keras.Model(steps, inner(x))


def slow():
    """Many steps of little work."""
    steps = keras.Input((48, 4))
    x = _lift(layers.Dense(8, activation="tanh"), "dense_td")(steps)
    model = keras.Model(steps, layers.Dense(1)(layers.Flatten()(x)), name="slow")
    model.compile("adam", "mse")
    return model


def padded():
    """Sentences of words, padded, whose mask reaches the layer inside of the lift."""
    words = keras.Input((3, 4), dtype="int32")
    x = layers.Embedding(20, 3, mask_zero=True)(words)
    x = layers.Flatten()(_lift(layers.GRU(2), "words_td")(x))
    return keras.Model(words, x, name="padded")


class Late(keras.Model):
    """It makes its layers once it knows what it is given."""

    def build(self, shape):
        """(batch, time, features)."""
        self.lift = _lift(layers.Dense(shape[-1]), "late_td")
        super().build(shape)

    def call(self, inputs):
        """The sum over time of a layer at each step."""
        return ops.sum(self.lift(inputs), axis=1)


def late():
    """A model that has no lift before its first call."""
    return Late(name="late")


def late_data():
    """(inputs, labels) of one batch for it."""
    noise = np.random.default_rng(2)
    return noise.standard_normal((BATCH, 3, 4)), noise.standard_normal((BATCH, 4))


def by_hand():
    """A layer in a Python loop over steps; no TimeDistributed."""
    steps, layer = keras.Input((4, 2)), layers.Dense(3, name="looped")
    x = ops.stack([layer(steps[:, place]) for place in range(4)], axis=1)
    return keras.Model(steps, x, name="by_hand")


def unstacked():
    """The same inside of another model, where one call takes all steps apart, and with a head."""
    steps, layer = keras.Input((4, 2)), keras.Sequential([layers.Dense(3, "tanh")], name="looped")
    x = ops.stack([layer(step) for step in ops.unstack(steps, axis=1)], axis=1)
    outer = keras.Model(steps, layers.Dense(2)(x), name="outer")
    x = sequence = keras.Input((4, 2))
    model = keras.Model(sequence, layers.Flatten()(outer(x)), name="unstacked")
    model.compile("adam", "mse")
    return model


def of_images():
    """A loop whose steps have other axes than its outputs, stacked at an axis from the end."""
    images = keras.Input((3, 4, 4, 1))
    layer = keras.Sequential([layers.Conv2D(2, 3), layers.Flatten()], name="looped")
    x = ops.stack([layer(images[:, place]) for place in range(3)], axis=-2)
    return keras.Model(images, x, name="of_images")


def of_one_graph():
    """A loop that is in two models, one of which goes on from where the other ends."""
    steps, layer = keras.Input((4, 2)), layers.Dense(3, name="looped")
    code = ops.stack([layer(steps[:, place]) for place in range(4)], axis=1)
    coded = keras.Model(steps, code, name="coded")
    decoded = keras.Model(steps, layers.Dense(2)(code), name="decoded")
    x = keras.Input((4, 2))
    return keras.Model(x, layers.Concatenate()([coded(x), decoded(x)]), name="of_one_graph")


def of_lifts():
    """A loop whose steps are sequences of their own, which a lift takes."""
    steps, layer = keras.Input((3, 4, 2)), _lift(layers.Dense(3, "tanh"), "inner_td")
    x = ops.stack([layer(steps[:, place]) for place in range(3)], axis=1)
    return keras.Model(steps, layers.Flatten()(x), name="of_lifts")


def by_hand_otherwise():
    """Loops that are none over every step of one sequence in order, or do more than that."""
    steps = keras.Input((4, 2))
    x = [
        _loop(steps, (3, 2, 1, 0), "backwards"),
        _loop(steps, (0, 1, 2), "all_but_one"),
        _loop(steps, range(4), "along_features", axis=2),
        _loop(steps, range(4), "punished", activity_regularizer="l2"),
        _stacked_twice(steps, "twice"),
        _called_elsewhere(steps, "elsewhere"),
        _told_to_train(steps, "training"),
        ops.stack([layers.Dense(3, name=f"own{place}")(steps[:, place]) for place in range(4)], 1),
    ]
    return keras.Model(steps, [layers.Flatten()(one) for one in x], name="by_hand_otherwise")


def _stacked_twice(steps, name):
    layer = layers.Dense(3, name=name)
    called = [layer(steps[:, place]) for place in range(4)]
    return ops.stack([*called, called[-1]], axis=1)


def _called_elsewhere(steps, name):
    layer, one = layers.Dense(3, name=name), keras.Input((2,))
    part = keras.Model(one, layer(one))
    called = [layer(steps[:, place]) for place in range(4)]
    return layers.Concatenate()(
        [ops.stack(called, axis=1), layers.RepeatVector(4)(part(steps[:, 0]))]
    )


def _told_to_train(steps, name):
    layer = layers.Dropout(0.0, name=name)
    return ops.stack([layer(steps[:, place], training=True) for place in range(4)], axis=1)


def _loop(steps, places, name, axis=1, **more):
    layer = layers.Dense(3, name=name, **more)
    return ops.stack([layer(steps[:, place]) for place in places], axis=axis)


#: Where the data come from of the models that do not tell the shapes of their inputs.
DATA = {name: f"tests.lifted_models:{name}_data" for name in ("agent", "speech", "late", "towers")}
