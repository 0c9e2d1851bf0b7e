"""Strategies that misbehave, by name: the text of each file."""

_HEAD = '"""A strategy that misbehaves."""\nimport os\nimport keras\n'
_BUILD = "def build(layer, shape, dtype=None):\n"
_GOOD = """    x = keras.Input(shape)
    return keras.Model(x, keras.layers.TimeDistributed(layer)(x))
"""

STRATEGIES = {
    "raises": _HEAD + _BUILD + "    raise RuntimeError('no such thing')\n",
    "exits": _HEAD + _BUILD + "    print('last words', flush=True)\n    os._exit(3)\n",
    "hangs": _HEAD + _BUILD + "    while True: pass\n",
    "refuses_all": _HEAD
    + "def refuses(layer, setting):\n    return 'it never lifts anything.'\n"
    + _BUILD
    + _GOOD,
    "doubles": _HEAD
    + _BUILD
    + "    x = keras.Input(shape)\n"
    + "    return keras.Model(x, keras.layers.TimeDistributed(layer)(x) * 2)\n",
}
