"""Models that train otherwise once a lift is folded, and models that do not, in one backend."""

import keras
import numpy as np
from keras import layers, ops

from tests.support import changed_models
from tests.support.projects import STRATEGIES
from timelift.advise.user_model import Feeding, UserModel
from timelift.axis_values import Backend
from timelift.worker import find_lifts
from timelift.worker.user_code import load_module

STEPS, UNITS = 3, 4


class Trained(layers.Layer):
    """A dense layer of which `how`, a function of the layer and its outputs, is the training."""

    def __init__(self, how=lambda _, y: y):
        super().__init__()
        self.how, self.dense = how, layers.Dense(UNITS)
        self.drop, self.seeds = layers.Dropout(0.3), keras.random.SeedGenerator(1)

    def build(self, shape):
        self.dense.build(shape)

    def call(self, x, training=None):
        y = self.kept = self.dense(x)
        return self.how(self, y) if training else y

    def compute_output_shape(self, shape):
        return (*shape[:-1], UNITS)


class Model(keras.Model):
    """A model with a loss of its own: a function of the model, its inputs and the usual loss."""

    def compute_loss(self, x, *others, training=True):
        usual = super().compute_loss(x, *others, training=training)
        return self.own_loss(x, usual) if self.own_loss else usual


def lifted(inner, *behind, own_loss=None, optimizer="adam", loss="mse"):
    x = steps = keras.Input((STEPS, UNITS))
    for layer in (layers.TimeDistributed(inner), *behind):
        x = layer(x)
    model = Model(steps, x)
    model.own_loss = own_loss and (lambda _, usual: own_loss(inner, usual))
    if optimizer:
        model.compile(optimizer, loss)
    return model


def looped(own_loss, unstack):
    """A loop, with a loss of its last step, or of the layer called once more."""
    steps, inner = keras.Input((STEPS, UNITS)), layers.Dense(UNITS)
    called = [inner(step) for step in unstack(steps)]
    model, last = Model(steps, ops.stack(called, axis=1)), keras.Model(steps, called[-1])
    of_inputs = {"last": last, "once more": lambda x: inner(x[:, 0])}[own_loss]
    model.own_loss = lambda x, usual: usual + ops.mean(ops.square(of_inputs(x)))
    model.compile("adam", "mse")
    return model


def in_a_row(*parts):
    return keras.Sequential([layers.Dense(UNITS), *parts])


def slices(steps):
    return [steps[:, place] for place in range(STEPS)]


def layer_drop(rate):
    def drop(layer, y):
        return ops.where(keras.random.uniform((1,), seed=layer.seeds) < rate, 0.0, y)

    return drop


def beside_dropout(how):
    return lambda layer, y: layer.drop(how(layer, y), training=True)


def mixed_up(layer, y):
    order = ops.argsort(keras.random.uniform((64,), seed=layer.seeds)[: ops.shape(y)[0]])
    return 0.7 * y + 0.3 * ops.take(y, order, axis=0)


def rolled(_, y):
    return (y + ops.roll(y, 1, axis=0)) / 2


def centred(_, y):
    return y - ops.mean(y, axis=0)


def shifted(_, y):
    return y + np.random.default_rng().normal()


@ops.custom_gradient
def _clipped(y):
    def gradient(*args, upstream=None):
        by = args[-1] if upstream is None else upstream
        return by / ops.maximum(1.0, 20 * ops.norm(by))

    return y, gradient


def clipped(_, y):
    """The identity, with a gradient whose norm over all rows is bounded."""
    return _clipped(y)


def kept(inner, usual):
    """A loss of what the layer was called with last: of the last step as written."""
    return usual + ops.mean(inner.kept[:1])


def squared(inner, usual):
    return usual + ops.sum(ops.square(inner.dense.kernel))


class Signs(keras.optimizers.SGD):
    """An optimiser of a user's own, by which rounding may turn a step round."""

    def update_step(self, gradient, variable, _):
        self.assign_sub(variable, 0.01 * ops.sign(gradient))


def masked():
    steps = keras.Input((STEPS, 5, 2))
    inner = keras.Sequential([layers.Masking(), layers.LSTM(3, dropout=0.3)])
    outputs = layers.GRU(2, recurrent_dropout=0.2)(layers.TimeDistributed(inner)(steps))
    return keras.Model(steps, outputs)


def of_two():
    steps = keras.Input((STEPS, UNITS))
    x = layers.TimeDistributed(layers.Dense(UNITS, "tanh"))(steps)
    model = keras.Model(steps, {"policy": layers.Softmax()(x), "value": layers.Dense(1)(x)})
    losses = {"policy": "categorical_crossentropy", "value": "mse"}
    model.compile("rmsprop", losses, metrics={"value": ["mae"]})
    return model


#: What folding would change.
CHANGED = {
    "layer drop": lambda: lifted(Trained(layer_drop(0.5))),
    "rare layer drop": lambda: lifted(Trained(layer_drop(0.1))),
    "layer drop beside dropout": lambda: lifted(Trained(beside_dropout(layer_drop(0.5)))),
    "dropout of all rows": lambda: lifted(in_a_row(layers.Dropout(0.5, (1, UNITS)))),
    "noise of no seed": lambda: lifted(Trained(beside_dropout(shifted))),
    "rows mixed up": lambda: lifted(Trained(mixed_up)),
    "rows rolled": lambda: lifted(Trained(rolled), layers.Dropout(0.5)),
    "mean of rows": lambda: lifted(Trained(beside_dropout(centred))),
    "statistics": lambda: lifted(in_a_row(layers.BatchNormalization(), layers.Dropout(0.5))),
    "loss of what was kept": lambda: lifted(Trained(), own_loss=kept),
    "the same and dropout": lambda: lifted(Trained(), layers.Dropout(0.5), own_loss=kept),
    "gradient clipped": lambda: lifted(Trained(clipped)),
    "loss of a step": lambda: looped("last", lambda steps: ops.unstack(steps, axis=1)),
}
#: What folding keeps.
KEPT = {
    "dropout": lambda: lifted(in_a_row(layers.Dropout(0.5))),
    "noise": lambda: lifted(in_a_row(layers.GaussianNoise(0.1), layers.GaussianDropout(0.2))),
    "dropout behind": lambda: lifted(Trained(), layers.Dropout(0.5), layers.Dense(2)),
    "statistics behind": lambda: lifted(Trained(), layers.BatchNormalization()),
    "no gradient": lambda: lifted(
        in_a_row(layers.LayerNormalization(), layers.Softmax()), optimizer=None
    ),
    "training apart": lambda: lifted(Trained(lambda _, y: 2 * y + 1)),
    "own loss": lambda: lifted(Trained(), own_loss=squared),
    "own optimiser": lambda: lifted(Trained(), optimizer=Signs(1.0)),
    "layer beyond the loop": lambda: looped("once more", slices),
    "regularised": lambda: lifted(layers.Dense(UNITS, kernel_regularizer="l2")),
    "masked": masked,
    "two outputs": of_two,
}


def losses(name):
    """Return the loss of a first train step as the model is written, and folded."""
    inputs, labels = np.random.default_rng(0).normal(size=(2, 2, STEPS, UNITS))
    model, folded = (CHANGED | KEPT)[name](), (CHANGED | KEPT)[name]()
    folded.set_weights(model.get_weights())
    for lift in find_lifts.watch_lifts(folded, inputs):
        lift.change(load_module(changed_models.FOLD), {})
    return [float(each.train_on_batch(inputs, labels)) for each in (model, folded)]


def judged(name):
    """Return what folding changes by its words, why a worker rejects it, and what is told."""
    changed_models.lifted_models.made = (CHANGED | KEPT)[name]
    backend, described = keras.backend.backend(), changed_models.described("made")
    model = UserModel.of("made", Feeding("", 2, 6), Backend(backend), described)
    lift = model.lifts[0]
    words = (STRATEGIES[strategy].constants for strategy in (lift.usual, "fold_time"))
    if means := lift.differences(*words):
        return sorted(means), "", ""
    ends = changed_models.raced("made", backend, {"folded": {"1": "fold_time"}})
    told = [flag for flag in ("steady", "quiet") if getattr(model, flag)]
    return [], ends["folded"][1], " ".join(told)
