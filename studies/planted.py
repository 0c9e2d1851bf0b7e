"""A lift with a line of its own, right or wrong, and layers to lift: what `studies.law` measures.

A line is an expression of the lifted outputs `y` and the inputs `x`, both (batch, time, features),
of `training`, of `self`, a place to keep things from call to call, and of the names below.
"""

# mypy: ignore-errors

import keras
from keras import ops

#: A step that the study's launches may draw or not.
STEP = 7


class Lift(keras.layers.Wrapper):
    """Folds time into the batch, and evaluates the line."""

    def __init__(self, layer, line):
        super().__init__(layer, dtype=layer.dtype_policy)
        self.line, self.supports_masking, self.calls = line, True, 0
        self.stored = {}

    def compute_output_spec(self, x, training=None, mask=None):
        y = self.layer.compute_output_spec(keras.KerasTensor((x.shape[0], *x.shape[2:]), x.dtype))
        return keras.KerasTensor((*x.shape[:2], *y.shape[1:]), y.dtype)

    def lift(self, x, training=None):
        batch, time, *features = x.shape
        y = self.layer(ops.reshape(x, (batch * time, *features)), training=training)
        return ops.reshape(y, (batch, time, *y.shape[1:]))

    def steps(self, x, training=None):
        return ops.stack([self.layer(x[:, t], training=training) for t in range(x.shape[1])], 1)

    def keep(self, key, make):
        """Make a value once for each key."""
        if key not in self.stored:
            self.stored[key] = make()
        return self.stored[key]

    def number(self):
        """Count the calls."""
        self.calls += 1
        return self.calls

    def call(self, x, training=None, mask=None):
        y = self.lift(x, training)
        names = {"self": self, "x": x, "y": y, "training": training, "mask": mask}
        return eval(self.line, {**globals(), **names})  # noqa: S307 - the study's own lines


def at(y, axis, place):
    """True at one place of an axis, in a shape that fits `y`; -1 is the last."""
    there = ops.arange(y.shape[axis]) == place % y.shape[axis]
    return ops.reshape(there, [-1 if each == axis else 1 for each in range(len(y.shape))])


def with_gradient(y, other):
    """The values of `y` with the gradient of `other`."""
    return ops.stop_gradient(y) + other - ops.stop_gradient(other)


def build(layer, shape, dtype=None, line="y"):
    inputs = keras.Input(shape, dtype=dtype)
    return keras.Model(inputs, Lift(layer, line)(inputs))


# Layers -------------------------------------------------------------------------------------------


def dense():
    return keras.layers.Dense(5, activation="tanh")


def relus():
    return keras.Sequential([keras.layers.Dense(32, activation="relu"), keras.layers.Dense(5)])


def images():
    """Make 600,000 ReLUs a frame, of which a launch finds some within rounding of zero."""
    image = x = keras.Input((96, 96, 3))
    for filters, strides in ((16, 1), (16, 1), (32, 2), (32, 1), (64, 2)):
        x = keras.layers.Conv2D(filters, 3, strides, padding="same", use_bias=False)(x)
        x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    return keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))
