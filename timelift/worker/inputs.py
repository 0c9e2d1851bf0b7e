"""What the rivals of a setting are fed: the inputs, which steps are valid, and what is returned."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from timelift.case import Lengths, Setting
from timelift.messages import Task
from timelift.worker.engines import Array, Compiled, Engine, Feed

#: Words a sentence in the Python language reference, at every twentieth quantile, cut at the 99th
#: percentile: 1,223 sentences of `pydoc_data.topics` in Python 3.11, which anyone can count again.
SENTENCE_WORDS = (2, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 19, 20, 22, 23, 25, 28, 31, 37, 49)


def draw_inputs(task: Task, noise: np.random.Generator) -> Array:
    """Draw (batch, time, *features): standard normal, or whole numbers below `high`."""
    shape = (task.setting.batch, task.setting.seq_len, *task.inputs.features)
    if task.inputs.dtype:
        return noise.integers(task.inputs.high, size=shape).astype(task.inputs.dtype)
    return _cast(noise.standard_normal(shape), task.setting.dtype)


def _cast(array: Array, dtype: str) -> Array:
    if dtype == "bfloat16":
        import ml_dtypes  # noqa: PLC0415 - comes with every backend

        return array.astype(ml_dtypes.bfloat16)
    return array.astype(dtype)


def draw_valid(setting: Setting, noise: np.random.Generator) -> Array:
    """Draw which steps are valid, (batch, time) of booleans: a prefix of each sequence.

    `uniform` lengths lie anywhere from 1 to `seq_len`; `skewed` ones are spread like the sentences
    of a text whose longest have `seq_len` words. The first sequence is always full, as the longest
    of a padded batch is.
    """
    share = noise.uniform(size=setting.batch)
    if setting.lengths is Lengths.FULL:
        share = np.ones(setting.batch)
    elif setting.lengths is Lengths.SKEWED:
        quantiles = np.linspace(0, 1, len(SENTENCE_WORDS))
        share = np.interp(share, quantiles, SENTENCE_WORDS) / SENTENCE_WORDS[-1]
    share[0] = 1.0
    lengths = np.maximum(1, np.ceil(share * setting.seq_len))
    return np.arange(setting.seq_len) < lengths[:, None]


@dataclass(frozen=True)
class SharedInputs:
    """What all rivals of a setting are fed, and the steps at which the law is checked.

    `inputs` is (batch, time, *features), `valid` (batch, time) of booleans.
    """

    inputs: Array
    valid: Array
    steps: Sequence[int]


@dataclass(frozen=True)
class Feeds:
    """Conversions for one rival: padded arrays outside, padded or ragged tensors inside.

    A rival that takes ragged tensors is fed the valid steps alone; any other gets a mask where
    lengths vary.
    """

    engine: Engine
    setting: Setting
    inputs: Array
    valid: Array
    ragged: bool

    def feed(self, cotangent: Array | None = None) -> Feed:
        """Place the inputs, the mask and, in the backward phase, a cotangent (batch, time, …)."""
        place = self.engine.place
        varying = self.setting.lengths is not Lengths.FULL
        inputs = (
            self.engine.place_ragged(self.inputs, self.valid) if self.ragged else place(self.inputs)
        )
        mask = place(self.valid) if varying and not self.ragged else None
        if cotangent is None:
            return Feed(inputs, mask)
        return Feed(inputs, mask, place(cotangent[self.valid] if self.ragged else cotangent))

    def fetch(self, value: Any) -> Array:
        """Fetch (batch, time, …); the valid steps of a ragged value land where they belong."""
        if not self.ragged:
            return self.engine.to_numpy(value)
        steps = self.engine.to_numpy(getattr(value, "flat_values", value))
        padded = np.zeros((*self.valid.shape, *steps.shape[1:]), steps.dtype)
        padded[self.valid] = steps
        return padded


def call_once(engine: Engine, compiled: Compiled, feed: Feed) -> Any:
    result = compiled.bind(feed)()
    engine.wait(result)
    return result
