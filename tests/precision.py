"""The floating type of Keras, set for a while and put back."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras


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
