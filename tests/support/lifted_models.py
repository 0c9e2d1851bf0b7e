"""Small models, each with one use of a lift (see `examples` for whole ones)."""

import functools

import keras
import numpy as np
from keras import layers, ops

BATCH = 2


def _lift(layer, name, **how):
    return layers.TimeDistributed(layer, name=name, **how)


def stacked():
    """Stacks of layers that act on the last axis alone, in two branches of different depth."""
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


#: Draws other weights for every model, whatever seed a worker sets, and the same in every run.
_trained = np.random.default_rng(4)


def trained_before():
    """Weights that no seed draws, such as trained ones."""
    steps = keras.Input((3, 4))
    model = keras.Model(steps, _lift(layers.Dense(2), "dense_td")(steps), name="trained_before")
    model.set_weights([_trained.normal(size=weight.shape) for weight in model.get_weights()])
    return model


def centred():
    """A bias before a normalisation, whose gradient is what rounding leaves of zero."""
    steps = keras.Input((6, 16))
    x = layers.BatchNormalization()(_lift(layers.Dense(32), "dense_td")(steps))
    model = keras.Model(steps, _lift(layers.Dense(2), "head_td")(x), name="centred")
    model.compile("adam", "mse")
    return model


#: One and the same model at every call.
same = functools.cache(stacked)


@functools.cache
def _encoder():
    return keras.Sequential([keras.Input((4, 2)), _lift(layers.Dense(3), "kept_td")])


def same_inside():
    """A new model at every call, around one that is the same."""
    steps = keras.Input((4, 2))
    return keras.Model(steps, layers.Dense(1)(_encoder()(steps)), name="same_inside")


def strided():
    """A signal of any length; a lift of every other step."""
    series = keras.Input((None, 3))
    x = layers.Conv1D(3, 3, strides=2, padding="same")(series)
    return keras.Model(series, _lift(layers.Dense(1), "value_td")(x), name="strided")


class Own(layers.Layer):
    """Trains by its name; has a weight with the name of the size of noise in other layers."""

    def build(self, shape):
        self.stddev = self.add_weight(shape=(shape[-1],), initializer="ones")
        self.seeds = keras.random.SeedGenerator(1)
        self.counted = keras.metrics.Sum()

    def call(self, inputs, training=None):
        if training and self.name == "drop_path":
            drawn = keras.random.uniform(ops.shape(inputs), seed=self.seeds)
            inputs = ops.where(drawn < 1e-6, 0.0, inputs)
        if training and self.name == "centred":
            inputs = inputs - ops.mean(inputs, axis=0)
        if self.name == "metric":
            self.counted.update_state(1)
        if training and self.name == "untaught":
            raise ValueError
        if self.name == "add_loss":
            self.add_loss(ops.mean(inputs))
        if self.name == "add_sum":
            self.add_loss(ops.sum(inputs))
        return inputs * self.stddev

    def compute_output_shape(self, shape):
        return shape


class Towers(keras.Model):
    """Two parts of one name, each with a lift of one name."""

    def __init__(self):
        super().__init__(name="towers")
        noisy = keras.Sequential([layers.Dense(2), layers.Dropout(np.float32(0.5))])
        lifts = [_lift(Own(), "td"), _lift(noisy, "td")]
        self.parts = [keras.Sequential([lift], name="tower") for lift in lifts]

    def call(self, inputs):
        for part in self.parts:
            inputs = part(inputs)
        return inputs


def towers():
    """A subclassed model, since no functional one takes two parts of one name."""
    return Towers()


def towers_data():
    noise = np.random.default_rng(3)
    return noise.standard_normal((BATCH, 3, 4)), noise.standard_normal((BATCH, 3, 2))


def unnamed():
    inner = keras.Sequential([layers.TimeDistributed(layers.Dense(2)), layers.GRU(3)])
    x = steps = keras.Input((3, 4))
    x = layers.TimeDistributed(layers.Dense(4, activation="relu"))(x)
    return keras.Model(steps, inner(x))


def slow():
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


def misled(what):
    """Sentences of words, whose masks go wrong at a lift in some way."""
    words = keras.Input((3, 4), dtype="int32")
    table = layers.Embedding(20, 3, mask_zero=True)
    x, gru = table(words), layers.GRU(2)
    lifted = _lift(gru, "td")
    outputs = {
        "lost": lambda: lifted(_lift(table, "table")(words)),
        "lost unused": lambda: layers.Flatten()(_lift(table, "table")(words)),
        "handed on": lambda: layers.GRU(2)(lifted(x)),
        "to the loss": lambda: lifted(x),
        "over steps": lambda: lifted(x, mask=ops.any(ops.not_equal(words, 0), -1)),
        "in a loop": lambda: ops.stack(_called(keras.Sequential([gru]), x, range(3)), 1),
        "nothing": lambda: layers.Flatten()(lifted(x)),
    }
    return keras.Model(words, outputs[what]())


def masked():
    """A Sequential whose mask goes on behind its lifts, with a loss of its own."""
    encoder = keras.Sequential([layers.Dense(3, kernel_regularizer="l2")], name="encoder")
    lifts = [layers.Masking(), _lift(encoder, "encoder_td"), _lift(layers.Dense(3), "dense_td")]
    return keras.Sequential([keras.Input((4, 3)), *lifts, layers.LSTM(2)], name="masked")


class Late(keras.Model):
    """It makes its layers when its inputs are known."""

    def build(self, shape):
        self.lift = _lift(layers.Dense(shape[-1]), "late_td")
        super().build(shape)

    def call(self, inputs):
        """The sum over time of a layer at each step."""
        return ops.sum(self.lift(inputs), axis=1)


def late():
    return Late(name="late")


def late_data():
    noise = np.random.default_rng(2)
    return noise.standard_normal((BATCH, 3, 4)), noise.standard_normal((BATCH, 4))


def by_hand():
    """A layer in a Python loop over steps; no TimeDistributed."""
    steps, layer = keras.Input((4, 2)), layers.Dense(3, name="looped")
    x = ops.stack(_called(layer, steps), axis=1)
    return keras.Model(steps, x, name="by_hand")


def unstacked():
    """The same inside another model, with a head and one call that unstacks all steps."""
    steps, layer = keras.Input((4, 2)), keras.Sequential([layers.Dense(3, "tanh")], name="looped")
    x = ops.stack([layer(step) for step in ops.unstack(steps, axis=1)], axis=1)
    outer = keras.Model(steps, layers.Dense(2)(x), name="outer")
    x = sequence = keras.Input((4, 2))
    model = keras.Model(sequence, layers.Flatten()(outer(x)), name="unstacked")
    model.compile("adam", "mse")
    return model


def of_images():
    """A loop whose steps have other axes than its outputs, stacked at an axis from the end.

    Its loss is an object, for one-hot labels, and its train step runs eagerly.
    """
    images = keras.Input((3, 4, 4, 1))
    layer = keras.Sequential([layers.Conv2D(2, 3), layers.Flatten()], name="looped")
    x = ops.stack(_called(layer, images, range(3)), axis=-2)
    model = keras.Model(images, layers.Softmax()(x), name="of_images")
    model.compile("adam", keras.losses.CategoricalCrossentropy(), run_eagerly=True)
    return model


def _pair(name):
    frame, action = keras.Input((2,)), keras.Input((), dtype="int32")
    seen = layers.Concatenate()([layers.Dense(3)(frame), layers.Embedding(6, 2)(action)])
    outputs = [layers.Dense(4, "tanh")(seen), layers.Dense(1)(seen)]
    return keras.Model({"frame": frame, "action": action}, outputs, name=name)


def of_players():
    """A loop over two sequences by name, of a layer with two outputs."""
    frames, actions = keras.Input((4, 2), name="frames"), keras.Input((4,), dtype="int32")
    called = _called(_pair("looped"), {"frame": frames, "action": actions})
    outputs = dict(zip(("policy", "value"), _stacked(called), strict=True))
    return keras.Model({"frames": frames, "actions": actions}, outputs, name="of_players")


def of_pairs():
    """A loop over two sequences in a list, of which one is that of another layer."""
    left, right = keras.Input((4, 2)), keras.Input((4, 3))
    step = keras.Input((2,)), keras.Input((3,))
    x = layers.Concatenate()([layers.Dense(3)(part) for part in step])
    looped = keras.Model([*step], x, name="looped")
    x = ops.stack(_called(looped, [left, layers.ReLU()(right)]), axis=1)
    return keras.Model([left, right], x, name="of_pairs")


def of_one_graph():
    """A loop that is in two models, of which one continues the other."""
    steps, layer = keras.Input((4, 2)), layers.Dense(3, name="looped")
    code = ops.stack(_called(layer, steps), axis=1)
    coded = keras.Model(steps, code, name="coded")
    decoded = keras.Model(steps, layers.Dense(2)(code), name="decoded")
    x = keras.Input((4, 2))
    return keras.Model(x, layers.Concatenate()([coded(x), decoded(x)]), name="of_one_graph")


def of_lifts():
    """A loop over steps that are themselves sequences, for a lift."""
    steps, layer = keras.Input((3, 4, 2)), _lift(layers.Dense(3, "tanh"), "inner_td")
    x = ops.stack(_called(layer, steps, range(3)), axis=1)
    return keras.Model(steps, layers.Flatten()(x), name="of_lifts")


def by_hand_otherwise():
    """Loops that skip or reorder steps, or do more than call a layer at every step."""
    steps, step = keras.Input((4, 2)), keras.Input((2,))
    twice = _called(layers.Dense(3, name="twice"), steps)
    elsewhere = layers.Dense(3, name="elsewhere")
    part = keras.Model(step, elsewhere(step))
    inside = layers.Dense(2, name="inside")
    twin = keras.Model(step, inside(step) - inside(-step))
    pairs, first = [layers.Add(name=name) for name in ("context", "mixed")], steps[:, 0]
    read = _called(_pair("read"), {"frame": steps, "action": ops.cast(steps[:, :, 0], "int32")})
    loops = [
        ops.stack([pairs[0]([steps[:, place], first]) for place in range(4)], 1),
        ops.stack([pairs[1]([steps[:, place], steps[:, 3 - place]]) for place in range(4)], 1),
        ops.stack([policy for policy, _ in read], axis=1) + read[-1][1][:, None],
        ops.stack(_called(layers.Dense(3, name="backwards"), steps, (3, 2, 1, 0)), axis=1),
        ops.stack(_called(layers.Dense(3, name="all_but_one"), steps, (0, 1, 2)), axis=1),
        ops.stack(_called(layers.Dense(3, name="along_features"), steps), axis=2),
        ops.stack(_called(layers.Dense(3, name="punished", activity_regularizer="l2"), steps), 1),
        ops.stack([*twice, twice[-1]], axis=1),
        ops.stack(_called(elsewhere, steps), axis=1),
        layers.RepeatVector(4)(part(steps[:, 0])),
        _lift(twin, "twin_td")(steps),
        ops.stack(_called(layers.Dropout(0.0, name="training"), steps, training=True), axis=1),
        ops.stack([layers.Dense(3, name=f"own{place}")(steps[:, place]) for place in range(4)], 1),
    ]
    return keras.Model(steps, [layers.Flatten()(x) for x in loops], name="by_hand_otherwise")


def _called(layer, steps, places=range(4), **how):
    taken = ((lambda x, place=place: x[:, place]) for place in places)
    return [layer(keras.tree.map_structure(take, steps), **how) for take in taken]


def _stacked(called):
    return [ops.stack(outputs, axis=1) for outputs in zip(*called, strict=True)]


def asked():
    """Lifts of layers that train in ways of their own, and lifts behind weights and masks."""
    steps, again = keras.Input((3, 4, 2)), _lift(layers.Dense(2), "again")
    first = _lift(layers.Dense(2, kernel_initializer="zeros"), "first")(steps)
    parts = ops.unstack(layers.Masking()(first), axis=1)
    loops = layers.Dense(2, name="left"), layers.Dense(2, name="right")
    inner = {
        **{n: Own(name=n) for n in ("drop_path", "centred", "metric", "add_loss", "untaught")},
        "unseeded": layers.Lambda(lambda x: x + keras.random.normal(ops.shape(x)), (4, 2)),
        "no_noise": layers.Dropout(0.0),
        "own_noise": layers.GaussianNoise(1.0),
        "one_noise": layers.Dropout(0.5, noise_shape=(1, 2)),
        "frozen": layers.BatchNormalization(trainable=False),
        "spectral": layers.SpectralNormalization(layers.Dense(2)),
        "activity": layers.Dense(2, activity_regularizer="l2"),
        "penalty": layers.Dense(2, kernel_regularizer="l2"),
        "outer": keras.Sequential([layers.Dense(2), _lift(layers.Dense(2), "nested")]),
        "bare": layers.ReLU(),
    }
    outputs = [
        *(_lift(layer, name)(steps) for name, layer in inner.items()),
        *(ops.stack([layer(part) for part in parts], axis=1) for layer in loops),
        again(again(steps)),
        _lift(layers.ReLU(), "weightless")(first),
        _lift(layers.Dense(2), "punished", activity_regularizer="l2")(steps),
        type("Own", (layers.TimeDistributed,), {})(layers.Dense(2), name="further")(steps),
    ]
    return keras.Model(steps, outputs, name="asked")


class ByHand(keras.Model):
    """It calls its layers as `how` says, a function of the model, its inputs and their steps."""

    def __init__(self, how):
        super().__init__()
        self.how, self.first, self.relu = how, layers.Dense(3, name="first"), layers.ReLU()
        last = layers.Dense(3, kernel_initializer="zeros")
        self.block = keras.Sequential([layers.Dense(2), last], name="block")
        self.lift = _lift(self.block, "td")

    def call(self, inputs):
        return self.how(self, inputs, ops.unstack(inputs, axis=1))


def held():
    """What a change loses: masks, one of them beside a large price, losses, a dtype, statistics."""
    texts, steps = keras.Input((3, 4), dtype="int32"), keras.Input((4, 3))
    mean = layers.GlobalAveragePooling1D  # of the steps that are not masked
    sentences, words = (
        layers.Embedding(20, 3, mask_zero=True)(numbers) for numbers in (texts, texts[:, 0])
    )
    half = _lift(layers.Dense(2, dtype="float32"), "half", dtype="mixed_float16")
    moods = layers.Flatten()(_lift(mean(), "moods")(sentences))
    loop = ops.stack(_called(layers.Dense(3, name="looped"), words), axis=1)
    outputs = {
        "priced": layers.Concatenate()([moods, 1e5 * layers.Dense(3)(steps[:, 0])]),
        "masked": _lift(Own(), "masked")(words),
        "behind": mean()(_lift(Own(name="own"), "behind")(words)),
        "looped": mean()(loop),  # a step has no mask, so it gets none
        "mean": _lift(Own(name="add_loss"), "mean")(steps),
        "sum": _lift(Own(name="add_sum"), "sum")(steps),
        "half": half(layers.Dense(3, dtype="mixed_float16")(steps)),
        "statistics": _lift(layers.BatchNormalization(), "statistics")(steps),
        "zero": _lift(Own(), "zero")(steps) - steps,
    }
    model = keras.Model([texts, steps], outputs, name="held")
    model.compile("sgd", "mse", run_eagerly=True)
    return model


def undefined():
    steps = keras.Input((4, 2))
    x = ops.log(-ops.abs(_lift(layers.Dense(2), "td")(steps)))
    return keras.Model(steps, x, name="undefined")
