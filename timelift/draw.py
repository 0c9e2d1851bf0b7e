"""Draw what every rival of a setting is fed: the inputs, and which of their steps are valid."""

import numpy as np

from timelift.case import Lengths, Setting
from timelift.engine import Array
from timelift.wire import Task


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
    """Draw which steps are valid, (batch, time) of booleans: a prefix of each sequence."""
    lengths = np.full(setting.batch, setting.seq_len)
    if setting.lengths is Lengths.UNIFORM:
        lengths = noise.integers(1, setting.seq_len + 1, size=setting.batch)
    return np.arange(setting.seq_len) < lengths[:, None]
