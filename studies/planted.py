"""A lift with a line of its own, right or wrong, and layers to lift: what `studies.law` measures.

A line is an expression of the lifted outputs `y` and the inputs `x`, both (batch, time, features),
of `training`, of `self`, a place to keep things from call to call, and of the names below.
"""

# mypy: ignore-errors

import random
from functools import partial

import keras
from keras import ops

#: A step that the study's launches may draw or not.
STEP = 7


class Lift(keras.layers.Wrapper):
    """Folds time into the batch, and evaluates the line."""

    def __init__(self, layer, line):
        super().__init__(layer, dtype=layer.dtype_policy, autocast=False)
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

    def numbers(self):
        return [ops.convert_to_numpy(weight) for weight in self.layer.trainable_weights]

    def lift_with(self, numbers, x):
        """Lift the layer with these numbers as its weights."""
        values = [ops.convert_to_tensor(number) for number in numbers]
        with keras.StatelessScope(list(zip(self.layer.trainable_weights, values, strict=True))):
            return self.lift(x)

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


class AnyOrder(keras.layers.Dense):
    """Adds its products up in another order in every call."""

    def call(self, x, training=None):
        order = list(range(x.shape[-1]))
        random.shuffle(order)
        y = self.bias
        for row in order:
            y = y + x[..., row : row + 1] * self.kernel[row]
        return y


class Logarithm(keras.layers.Dense):
    """Has no finite outputs for weights that are a quarter smaller."""

    def build(self, shape):
        super().build(shape)
        self.size = self.add_weight(shape=(), initializer=keras.initializers.Constant(4.0))

    def call(self, x, training=None):
        return super().call(x) * ops.log(self.size - 3.2)


class Centred(keras.layers.Dense):
    """Mixes the batch, in inference too."""

    def call(self, x, training=None):
        y = super().call(x)
        return y - ops.mean(y, axis=0, keepdims=True)


#: In how many calls noise is drawn, as a share.
RARE = 0.15


class Noisy(keras.layers.Dense):
    """Draws noise in a few calls, in training alone or always, from a generator of its own."""

    def __init__(self, units, *, always):
        super().__init__(units)
        self.always = always

    def call(self, x, training=None):
        draws = (training or self.always) and random.random() < RARE
        return super().call(x) + 0.1 * draws


dense = partial(keras.layers.Dense, 5, activation="tanh")
embedding = partial(keras.layers.Embedding, 10, 5)
any_order, centred = partial(AnyOrder, 5), partial(Centred, 5)
logarithm = partial(Logarithm, 5)
noisy, noisy_in_training = partial(Noisy, 5, always=True), partial(Noisy, 5, always=False)


def dropout():
    return keras.Sequential([keras.layers.Dense(5), keras.layers.Dropout(0.3)])


def relus():
    return keras.Sequential([keras.layers.Dense(32, activation="relu"), keras.layers.Dense(5)])


def images():
    """Make 480,000 ReLUs a frame, of which a launch finds some within rounding of zero."""
    image = x = keras.Input((96, 96, 3))
    for filters, strides in ((16, 1), (16, 1), (32, 2), (32, 1), (64, 2)):
        x = keras.layers.Conv2D(filters, 3, strides, padding="same", use_bias=False)(x)
        x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    return keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))
