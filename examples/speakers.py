"""A step of two inputs, in a list: the features of a frame, and the number of who speaks.

timelift bench --layer examples/speakers.py:make_layer --inputs 'float32[64],int32[]<10' \
        --seq-lens 20 --batch-sizes 8

Keras's TimeDistributed takes one tensor alone. Here a speaker scales and shifts the features, as in
Perez et al. 2018, "FiLM: Visual Reasoning with a General Conditioning Layer".
"""

import keras
from keras import layers


@keras.saving.register_keras_serializable(package="speakers")
class Conditioned(layers.Layer):
    """Dense features, scaled and shifted by what a number stands for."""

    def __init__(self, units, numbers, **kwargs):
        super().__init__(**kwargs)
        self.units, self.numbers = units, numbers
        self.features = layers.Dense(units, activation="relu")
        self.scale, self.shift = layers.Embedding(numbers, units), layers.Embedding(numbers, units)

    def call(self, inputs):
        """Map (batch, features) and (batch,) to (batch, units)."""
        frame, speaker = inputs
        return self.features(frame) * (1 + self.scale(speaker)) + self.shift(speaker)

    def get_config(self):
        """Return what makes the same layer again."""
        return {**super().get_config(), "units": self.units, "numbers": self.numbers}


def make_layer():
    """Make the layer that is applied to one step."""
    return Conditioned(128, numbers=10)
