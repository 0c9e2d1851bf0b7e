"""RL torso: 84x84x4 frames and an action to logits and a value.

An agent learns from unrolls of many steps; only the memory behind its torso looks back in time.

Source: Espeholt et al. 2018, "IMPALA", the shallow network, without its memory and rewards.
"""

import keras

DEFAULT = False
ACTIONS = 18
INPUTS = "frame=float32[84,84,4],action=int32[]<18"
STEPS = "observations"
SEQ_LENS = (20,)
BATCH_SIZES = (4,)


def make_layer():
    """Make what is applied to one step: (batch, 84, 84, 4), (batch,) -> (batch, 18), (batch, 1)."""
    frame = keras.Input((84, 84, 4), name="frame")
    action = keras.Input((), dtype="int32", name="action")
    x = keras.layers.Conv2D(16, 8, strides=4, activation="relu")(frame)  # batch, 20, 20, 16
    x = keras.layers.Conv2D(32, 4, strides=2, activation="relu")(x)  # batch, 9, 9, 32
    x = keras.layers.Dense(256, activation="relu")(keras.layers.Flatten()(x))
    x = keras.layers.Concatenate()([x, keras.ops.one_hot(action, ACTIONS)])
    outputs = keras.layers.Dense(ACTIONS)(x), keras.layers.Dense(1)(x)
    return keras.Model({"frame": frame, "action": action}, outputs)
