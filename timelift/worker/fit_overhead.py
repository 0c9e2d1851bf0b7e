"""What `fit` adds to a train step: its loop, its data pipeline from arrays, mean squared error.

A model that computes nothing is fitted on data of the sizes of a setting, beside its own train step
on the same data. What an epoch takes before its first step is the same in a short one and in a long
one, so a step is their difference. JAX computes beside the loop of `fit`, which a sum cannot tell.
"""

import gc
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import ops

from timelift.axis_values import Backend, Phase
from timelift.case import Setting
from timelift.rounds import Player
from timelift.worker.checks import PreparedRival
from timelift.worker.engines import Engine, Feed
from timelift.worker.model_data import call_of

#: The most steps of a long epoch, and the fewest: where fewer have `_MOST_BYTES`, nothing is told.
_MOST_STEPS, _FEWEST_STEPS = 120, 12
_MOST_BYTES = 64 << 20
#: A long epoch has so many times the steps of a short one.
_TIMES_LONGER = 6
#: How often each is timed; the median counts.
_REPEATS = 3


class Nothing(keras.Model):  # type: ignore[misc]
    """Returns a number, its only weight, in the shape of each label."""

    def __init__(self, labels: Any) -> None:
        super().__init__()
        self.built = True
        self._number = self.add_weight(shape=(), initializer="zeros")
        self._shaped = lambda label: ops.broadcast_to(ops.convert_to_tensor(self._number), label)
        self._shapes = [label.shape for label in keras.tree.flatten(labels)]
        self._pack = partial(keras.tree.pack_sequence_as, labels)

    def call(self, _: Any, training: bool = True, mask: Any = None) -> Any:  # noqa: ARG002, FBT001, FBT002 - Keras's
        return self._pack([*map(self._shaped, self._shapes)])


def is_a_sum(setting: Setting) -> bool:
    """True if a step in `fit` is a train step of the setting, and what `fit` adds."""
    waits = setting.on_cpu and setting.backend is not Backend.JAX
    return waits and setting.phase is Phase.TRAIN and setting.mode is setting.mode_of_fit


def seconds_that_fit_adds(
    engine: Engine, setting: Setting, prepared: PreparedRival
) -> float | None:
    """Return the seconds a step that `fit` adds; None for data that is too large.

    They are beside `train_on_batch` for a whole model, which may take longer, and otherwise beside
    a compiled train step on placed data.
    """
    feed, own = prepared.feed, prepared.data
    data = (own.inputs, own.labels) if own else (feed.inputs, [*(feed.cotangents or ())])
    data = keras.tree.map_structure(ops.convert_to_numpy, data)
    arrays = keras.tree.flatten(data)
    steps = min(_MOST_STEPS, _MOST_BYTES // max(1, sum(array.nbytes for array in arrays)))
    if steps < _FEWEST_STEPS:
        return None
    few, batch = steps // _TIMES_LONGER, len(arrays[0])
    longer = keras.tree.map_structure(lambda array: np.concatenate([array] * steps), data)
    shorter = keras.tree.map_structure(lambda array: array[: few * batch], longer)
    fitted, stepped = Nothing(data[1]), Nothing(data[1])
    fitted.compile("adam", "mse")
    fit = partial(fitted.fit, batch_size=batch, verbose=0)
    alone = Player("a step", _step_of(engine, setting, prepared, stepped), engine.wait)
    epochs = [Player("fit", partial(fit, *own)) for own in (longer, shorter)]
    clock = time.perf_counter
    gc.enable()
    for player in (*epochs, alone):
        player.sample(1, clock)
    added = list[float]()
    for _ in range(_REPEATS):
        long, short = (epoch.sample(1, clock) for epoch in epochs)
        added.append((long - short - alone.sample(steps - few, clock)) / (steps - few))
    return statistics.median(added)


def _step_of(
    engine: Engine, setting: Setting, prepared: PreparedRival, model: Any
) -> Callable[[], Any]:
    """Return the train step of a model that computes nothing, as that of the rival was timed."""
    if prepared.data is not None:
        model.compile("adam", "mse")
        return call_of(model, prepared.data, setting.phase)
    compiled = engine.compile(model, setting, training=True)
    feed = Feed(prepared.feed.inputs, None, prepared.feed.cotangents)
    compiled.trace(feed)
    return compiled.bind(feed)
