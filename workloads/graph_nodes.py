"""Graph nodes: 64 features through Dense 64, relu, and Dense 32.

Each node's state and the sum of its messages become its next state, in graphs of up to 1,000
nodes. Most graphs are smaller: ask with `--lengths skewed`.

Source: Battaglia et al. 2018, "Relational inductive biases, deep learning, and graph networks",
the node update.
"""

import keras

DEFAULT = False
FEATURES = (64,)
STEPS = "nodes"
SEQ_LENS = (100, 1000)
BATCH_SIZES = (8,)


def make_layer():
    """Make the layer that is applied to one step: (batch, 64) -> (batch, 32)."""
    hidden = keras.layers.Dense(64, activation="relu")
    return keras.Sequential([hidden, keras.layers.Dense(32)])
