"""Keras on TensorFlow in the process of the tests, and its floating type for a while."""

from collections.abc import Iterator
from contextlib import contextmanager

from timelift.worker import engines

engines.load("tensorflow")  # without what Keras can do without: in half of the time

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

__all__ = ["floating", "keras", "tf"]


@contextmanager
def floating(dtype: str) -> Iterator[None]:
    """Make `dtype` the type of inputs, weights and arithmetic, whatever other tests have set."""
    before = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)
    try:
        yield
    finally:
        keras.config.set_floatx(before[0])
        keras.config.set_dtype_policy(before[1])
