"""Keras on TensorFlow in the process of the tests."""

from timelift.worker import engines

engines.load("tensorflow")  # without what Keras can do without: in half of the time

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

__all__ = ["keras", "tf"]
