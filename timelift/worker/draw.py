"""Draw what every rival of a setting is fed: the inputs, and which of their steps are valid."""

import numpy as np

from timelift.case import Lengths, Setting
from timelift.messages import Task
from timelift.worker.engines import Array

#: Words a sentence in the Python language reference, at every twentieth quantile, cut at the 99th
#: percentile: 1,223 sentences of `pydoc_data.topics` in Python 3.11, which anyone can count again.
SENTENCE_WORDS = (2, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 19, 20, 22, 23, 25, 28, 31, 37, 49)


def inputs(task: Task, noise: np.random.Generator) -> Array:
    """Draw (batch, time, *features): standard normal, or whole numbers below `input_high`."""
    shape = (task.setting.batch, task.setting.seq_len, *task.features)
    if task.input_dtype:
        return noise.integers(task.input_high, size=shape).astype(task.input_dtype)
    return cast(noise.standard_normal(shape), task.setting.dtype)


def cast(array: Array, dtype: str) -> Array:
    """Convert to a dtype by name, bfloat16 included, which NumPy lacks."""
    if dtype == "bfloat16":
        import ml_dtypes  # noqa: PLC0415 - comes with every backend

        return array.astype(ml_dtypes.bfloat16)
    return array.astype(dtype)


def valid(setting: Setting, noise: np.random.Generator) -> Array:
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
