"""Ten more models after published ones, small, in which a change is easily wrong, or hard to find.

timelift advise examples/more_models.py:sessions

Each is written from the description of its source. `gestures` is subclassed, so the shape of its
inputs is unknown: `gestures_data` makes a batch.
"""

import keras
import numpy as np
from keras import layers, ops

#: Sequences in a call.
BATCH = 8


def sessions():
    """Sessions of padded events: an LSTM reads the events of each, another the sessions.

    Quadrana et al. 2017, "Personalizing Session-based Recommendations with Hierarchical Recurrent
    Neural Networks". To find: one lift that a mask reaches, one value for each event. A fold that
    loses it computes something else on padded events alone.
    """
    events = keras.Input((5, 12, 16))
    x = layers.Masking()(events)
    x = layers.TimeDistributed(layers.LSTM(32), name="session_td")(x)
    x = layers.GlobalMaxPooling1D()(x)
    model = keras.Model(events, layers.Dense(20, activation="softmax")(x), name="sessions")
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def dialogue():
    """Utterances of padded words, whose mask begins and ends inside of the lift.

    Sordoni et al. 2015, "A Hierarchical Recurrent Encoder-Decoder for Generative Context-Aware
    Query Suggestion". To find: one lift, with a mask that a fold keeps.
    """
    words = [layers.Embedding(1_000, 32, mask_zero=True), layers.GRU(32)]
    utterances = keras.Input((5, 12), dtype="int32")
    x = layers.TimeDistributed(keras.Sequential(words, name="words"), name="words_td")(utterances)
    x = layers.Dense(10, activation="softmax")(layers.GRU(32)(x))
    model = keras.Model(utterances, x, name="dialogue")
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


@keras.saving.register_keras_serializable(package="more_models")
class Latent(layers.Layer):
    """Draws a latent vector of each step, whose divergence from a normal one is a loss."""

    def __init__(self, width, **kwargs):
        super().__init__(**kwargs)
        self.width, self.seed = width, keras.random.SeedGenerator(1)
        self.mean, self.log_variance = layers.Dense(width), layers.Dense(width)

    def build(self, shape):
        """Make the weights, for TimeDistributed."""
        self.mean.build(shape)
        self.log_variance.build(shape)

    def call(self, inputs, training=None):
        """(batch, features) to (batch, width)."""
        mean, log_variance = self.mean(inputs), self.log_variance(inputs)
        divergence = ops.square(mean) + ops.exp(log_variance) - 1 - log_variance
        self.add_loss(0.5 * ops.mean(ops.sum(divergence, axis=-1)))
        if not training:
            return mean
        noise = keras.random.normal(ops.shape(mean), dtype=mean.dtype, seed=self.seed)
        return mean + ops.exp(0.5 * log_variance) * noise

    def compute_output_shape(self, shape):
        """(batch, width), for TimeDistributed."""
        return (*shape[:-1], self.width)


def latents():
    """A variational code of each step, and a GRU that reads the codes.

    Chung et al. 2015, "A Recurrent Latent Variable Model for Sequential Data", without its prior.
    To find: one lift with a loss of its own and noise. In one call for all steps the loss counts
    once instead of 16 times.
    """
    x = series = keras.Input((16, 24))
    x = layers.TimeDistributed(Latent(16, name="latent"), name="latent_td")(x)
    x = layers.GRU(32, return_sequences=True)(x)
    model = keras.Model(series, layers.Dense(24)(x), name="latents")
    model.compile("adam", "mse")
    return model


def gait():
    """A convolutional network with batch statistics encodes each window of a walk.

    Hammerla et al. 2016, "Deep, Convolutional, and Recurrent Models for Human Activity Recognition
    using Wearables". To find: one lift with statistics: those of each window as written, those of
    all windows together in one call.
    """
    window = [
        layers.Conv1D(16, 5, padding="same"),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.GlobalAveragePooling1D(),
    ]
    x = walk = keras.Input((10, 32, 6))
    x = layers.TimeDistributed(keras.Sequential(window, name="window"), name="window_td")(x)
    x = layers.Dense(6, activation="softmax")(layers.LSTM(32)(x))
    model = keras.Model(walk, x, name="gait")
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


@keras.saving.register_keras_serializable(package="more_models")
class Gated(layers.Layer):
    """A gated residual of two Dense layers with Dropout, which works on the last axis alone."""

    def __init__(self, width, **kwargs):
        super().__init__(**kwargs)
        self.width = width
        self.hidden, self.out = layers.Dense(width, activation="elu"), layers.Dense(width)
        self.gate, self.drop = layers.Dense(width, activation="sigmoid"), layers.Dropout(0.1)
        self.norm = layers.LayerNormalization()

    def build(self, shape):
        """Make the weights, for TimeDistributed."""
        for layer in (self.hidden, self.out, self.gate, self.norm):
            layer.build(shape)

    def call(self, inputs, training=None):
        """(batch, width) to the same."""
        x = self.drop(self.out(self.hidden(inputs)), training=training)
        return self.norm(inputs + self.gate(x) * x)

    def compute_output_shape(self, shape):
        """The shape of the inputs, for TimeDistributed."""
        return shape


def sales():
    """A shop, the weeks behind and the plan ahead, and two forecasts.

    Lim et al. 2021, "Temporal Fusion Transformers for Interpretable Multi-horizon Time Series
    Forecasting", with an LSTM for its attention. To find: a lift with Dropout on the weeks, another
    on the plan; three inputs and two outputs around them.
    """
    shop = keras.Input((), dtype="int32", name="shop")
    weeks, plan = keras.Input((13, 32), name="weeks"), keras.Input((4, 32), name="plan")
    behind = layers.TimeDistributed(Gated(32, name="gated_weeks"), name="weeks_td")(weeks)
    ahead = layers.TimeDistributed(Gated(32, name="gated_plan"), name="plan_td")(plan)
    state = layers.Embedding(50, 32)(shop)
    x = layers.LSTM(32)(behind, initial_state=[state, state])
    x = layers.LSTM(32, return_sequences=True)(ahead, initial_state=[x, state])
    outputs = {"sales": layers.Dense(1, name="sales_of_a_week")(x)}
    outputs["stock_out"] = layers.Dense(1, activation="sigmoid")(x)
    model = keras.Model([shop, weeks, plan], outputs, name="sales")
    model.compile("adam", {"sales": "mse", "stock_out": "binary_crossentropy"})
    return model


def keywords():
    """Frames of speech in half precision, of which the last layer alone is float32.

    Sainath and Parada 2015, "Convolutional Neural Networks for Small-footprint Keyword Spotting",
    with a GRU. To find: one lift of mixed_float16, whose outputs must stay float16.
    """
    half = keras.DTypePolicy("mixed_float16")
    frame = layers.Dense(64, activation="relu", dtype=half)
    x = sound = keras.Input((40, 20))
    x = layers.TimeDistributed(frame, dtype=half, name="frame_td")(x)
    x = layers.GRU(32, dtype=half)(x)
    model = keras.Model(sound, layers.Dense(12, activation="softmax")(x), name="keywords")
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


class Gestures(keras.Model):
    """A network that is called for each frame of a skeleton in a Python loop."""

    def __init__(self):
        super().__init__(name="gestures")
        pose = [layers.Dense(64, activation="relu"), layers.Dense(32, activation="relu")]
        self.pose = keras.Sequential(pose, name="pose")
        self.remember, self.say = layers.GRU(32), layers.Dense(8, activation="softmax")

    def call(self, frames):
        """(batch, 20, joints) to (batch, 8)."""
        poses = [self.pose(frames[:, step]) for step in range(frames.shape[1])]
        return self.say(self.remember(ops.stack(poses, axis=1)))


def gestures():
    """The frames of a skeleton, encoded in a Python loop.

    Du et al. 2015, "Hierarchical Recurrent Neural Network for Skeleton Based Action Recognition",
    with one network for the whole body. To find: no lift in a graph, but `pose`, which is called 20
    times.
    """
    model = Gestures()
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def channels():
    """One convolutional network for every sensor of a machine, taken out by Lambda layers.

    Zheng et al. 2014, "Time Series Classification Using Multi-Channels Deep Convolutional Neural
    Networks", with one network for all channels. To find: `sensor`, which is called six times.
    """
    sensor = [layers.Conv1D(8, 5, activation="relu"), layers.GlobalMaxPooling1D()]
    sensor = keras.Sequential([*sensor, layers.Dense(16, activation="relu")], name="sensor")
    readings = keras.Input((64, 6))
    each = [
        sensor(layers.Lambda(lambda x, at=at: x[:, :, at : at + 1], output_shape=(64, 1))(readings))
        for at in range(6)
    ]
    x = layers.Dense(4, activation="softmax")(layers.Concatenate()(each))
    model = keras.Model(readings, x, name="channels")
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def signatures():
    """Two signatures, written by one hand or by two, through one encoder.

    Bromley et al. 1993, "Signature Verification using a Siamese Time Delay Neural Network". To
    find: `encoder`, which is called twice, on two inputs that are no steps of one sequence.
    """
    encoder = keras.Sequential(
        [
            layers.Conv1D(16, 5, activation="relu"),
            layers.AveragePooling1D(2),
            layers.Conv1D(16, 5, activation="relu"),
            layers.GlobalAveragePooling1D(),
        ],
        name="encoder",
    )
    one, other = keras.Input((60, 8)), keras.Input((60, 8))
    alike = layers.Dot(axes=1, normalize=True)([encoder(one), encoder(other)])
    x = layers.Dense(1, activation="sigmoid")(alike)
    model = keras.Model([one, other], x, name="signatures")
    model.compile("adam", "binary_crossentropy")
    return model


def cameras():
    """Pictures of a camera from 0 to 255, rescaled, through a frozen backbone.

    After Keras's examples "Video Classification with a CNN-RNN Architecture" and "Transfer learning
    & fine-tuning". To find: a lift of the Rescaling, and one of the backbone, whose statistics are
    frozen, so that training them all together changes nothing.
    """
    backbone = keras.Sequential(
        [
            layers.Conv2D(8, 3, strides=2),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Conv2D(16, 3, strides=2, activation="relu"),
            layers.GlobalAveragePooling2D(),
        ],
        name="backbone",
    )
    backbone.trainable = False
    x = pictures = keras.Input((8, 32, 32, 3), dtype="uint8")
    x = layers.TimeDistributed(layers.Rescaling(1 / 255), name="rescaling_td")(x)
    x = layers.TimeDistributed(backbone, name="backbone_td")(x)
    x = layers.Dense(5, activation="softmax")(layers.GRU(32)(x))
    model = keras.Model(pictures, x, name="cameras")
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def gestures_data():
    """(inputs, labels) of one batch of gestures: 20 frames of 48 coordinates, a kind of each."""
    noise = np.random.default_rng(3)
    frames = noise.normal(size=(BATCH, 20, 48)).astype("float32")
    return frames, noise.integers(8, size=BATCH)
