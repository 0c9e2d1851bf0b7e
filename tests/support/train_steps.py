"""Train steps of lifts in a process of a backend: held to the law, beside Keras's, called again."""

import keras
import numpy as np
from keras import layers, ops

from studies import law
from tests.support.law_cases import BATCH, FEATURES, SEED, TIME
from tests.support.trained_lifts import BACKEND, regularised, statistics  # noqa: F401 - by name
from timelift.axis_values import Backend, Dtype, Mode, Phase
from timelift.case import Setting
from timelift.inner_layer import LayerInputs
from timelift.messages import Task, WorkerChannel
from timelift.worker.checks import PreparedRival
from timelift.worker.engines import Feed, open_engine
from timelift.worker.measure_setting import Playing, attempt
from timelift.worker.prepare import SettingUnderTest


def rarely_read():
    return layers.Embedding(100, 5)


def faint():
    """Its gradients are so small that their squares are no normal numbers."""
    return keras.Sequential([layers.Dense(2), layers.Rescaling(1e-22)])


def setting_of(layer, mode, dtype="float32"):
    policy = Dtype(dtype)
    return Setting(layer, TIME, BATCH, Phase.TRAIN, Mode(mode), dtype=policy, backend=BACKEND)


def prepared(lines, layer="dense", mode="eager", dtype="float32"):
    """Prepare lifts of a layer of this module or of `studies/planted.py`.

    Returns what plays them, and by line a rival, or its status and reason.
    """
    setting, ids = setting_of(layer, mode, dtype), LayerInputs.of_one((), "int32", 10)
    inputs = ids if layer == "rarely_read" else LayerInputs.of_one((FEATURES,))
    factory = f"{__file__ if layer in globals() else law.PLANTED}:{layer}"
    rivals = law.rivals(dict(zip(lines, lines, strict=True)))
    task = Task(setting, rivals, factory, inputs, SEED, 0.0, warms=False)
    channel = WorkerChannel(lambda _: None)
    under_test = SettingUnderTest(open_engine(setting), task, channel)
    ends = {rival.name: attempt(under_test, rival, under_test.prepare) for rival in rivals}
    return Playing(under_test.engine, task, channel, under_test.dice), ends


def ends(lines, *how):
    """Return the reason of each line, '' where it keeps the law."""
    _, ended = prepared(lines, *how)
    return {line: "" if isinstance(end, PreparedRival) else end[1] for line, end in ended.items()}


def facts(name, *layers):
    return [prepared(["y"], layer)[1]["y"].facts[name] for layer in layers]


class Linear(keras.losses.Loss):
    """The loss of a train step, as Keras's own losses are written."""

    def call(self, weighed_by, outputs):
        return ops.sum(weighed_by * outputs, axis=(1, 2))


def beside_keras(mode, rate):
    """Make three steps of ours with a learning rate of 0.01, and of `train_on_batch` with `rate`.

    Returns how far the losses of the first step and the weights are apart, and Keras moved these.
    """
    keras.utils.set_random_seed(SEED)  # some weights round the sum of a loss by 1e-5
    setting = setting_of("any", mode)
    engine, noise = open_engine(setting), np.random.default_rng(SEED)
    x, y = noise.standard_normal((2, BATCH, TIME, FEATURES)).astype("float32")
    inputs = keras.Input((TIME, FEATURES))
    model = keras.Model(inputs, layers.Dense(FEATURES, activation="tanh")(inputs))
    plain, before = keras.models.clone_model(model), model.get_weights()
    plain.set_weights(before)
    plain.compile(keras.optimizers.Adam(rate), Linear(reduction="sum"))
    compiled = engine.compile(model, setting, training=True)
    compiled.step().optimizer.learning_rate = 0.01
    call = compiled.bind(Feed(engine.place(x), None, [engine.place(y)]))
    losses = [(*call().values(), plain.train_on_batch(x, y)) for _ in range(3)]
    if BACKEND is Backend.JAX:  # where the variables stay, and a step returns them
        weights = [*map(engine.to_numpy, compiled._state[0])]
    else:
        weights = model.get_weights()
    trained = plain.get_weights()
    return abs(float(losses[0][0]) - losses[0][1]), apart(weights, trained), apart(before, trained)


def apart(arrays, others):
    return max(float(np.abs(a - b).max()) for a, b in zip(arrays, others, strict=True))


def called_often(mode, calls=100):
    """Return how far weights, gradients and moments change by calls, and the number of traces."""
    _, ended = prepared(["y"], "dense", mode)
    compiled, feed = ended["y"].compiled, ended["y"].feed
    weights, gradients = compiled.step().model.get_weights(), []
    for _ in range(2):
        compiled.step().reset()
        call = compiled.bind(feed)
        call()
        gradients.append(compiled.step().gradients())
        for _ in range(calls):
            call()
    share = 1 - compiled.step().optimizer.beta_1
    moments = [share * moment for moment in compiled.step().gradients()]
    now = compiled.step().model.get_weights()
    changed = apart(now, weights), apart(*gradients), apart(moments, gradients[0])
    return *changed, compiled.traces


def skipped(mode):
    """Return how often the scale of a loss was halved until it was found, and then in a call.

    In the one Keras would double the scale, and the other begins with a scale by which gradients
    overflow: what a player counts voids its round.
    """
    playing, ended = prepared(["y"], "dense", mode, "mixed_float16")
    step = ended["y"].compiled.step
    found, counts = step().skips, []
    for variable, value in (("step_counter", 1999), ("dynamic_scale", 2.0**40)):
        getattr(step().optimizer, variable).assign(value)
        player = playing._player_of(ended["y"])
        before = player.traces()
        player.call()
        counts.append(player.traces() - before)
    return found, counts
