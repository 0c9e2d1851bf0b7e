"""What the rivals of a setting are fed, and what the layer takes that they lift."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from timelift.case import Lengths, Setting
from timelift.messages import Task
from timelift.worker.engines import Array, Engine, Feed

#: Quantiles 0, 5, … 100 % of the words in a sentence, cut at the 99th percentile: of the 1,223
#: sentences of the Python language reference (`pydoc_data.topics` of Python 3.11).
_SENTENCE_WORDS = (2, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 19, 20, 22, 23, 25, 28, 31, 37, 49)


def draw_inputs(task: Task, noise: np.random.Generator) -> Array:
    """Draw (batch, time, *features): standard normal, or whole numbers below `high`."""
    tensor = task.inputs.tensors[0]
    shape = (task.setting.batch, task.setting.seq_len, *tensor.shape)
    if tensor.dtype:
        return noise.integers(tensor.high, size=shape).astype(tensor.dtype)
    return noise.standard_normal(shape).astype(task.setting.dtype)  # every backend adds bfloat16


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
        quantiles = np.linspace(0, 1, len(_SENTENCE_WORDS))
        share = np.interp(share, quantiles, _SENTENCE_WORDS) / _SENTENCE_WORDS[-1]
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
    """Convert between padded arrays and the tensors of one rival, which are padded or `ragged`.

    A ragged tensor has the valid steps alone; with a padded one goes a mask where lengths vary.
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
        return Feed(inputs, mask, [place(cotangent[self.valid] if self.ragged else cotangent)])

    def fetch(self, value: Any) -> Array:
        """Fetch (batch, time, …); a ragged value is padded with zeros."""
        if not self.ragged:
            return self.engine.to_numpy(value)
        steps = self.engine.to_numpy(getattr(value, "flat_values", value))
        padded = np.zeros((*self.valid.shape, *steps.shape[1:]), steps.dtype)
        padded[self.valid] = steps
        return padded
