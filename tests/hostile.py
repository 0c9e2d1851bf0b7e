"""Strategies that misbehave, by name: the text of each file."""

_HEAD = '"""A strategy that misbehaves."""\nimport os\nimport keras\n'
_BUILD = "def build(layer, shape, dtype=None):\n"
_LIFT = "    x = keras.Input(shape, dtype=dtype)\n    y = layer(x)\n"
_GOOD = _LIFT + "    return keras.Model(x, y)\n"
_LAYER = """
import tensorflow as tf

class Layer(keras.layers.Layer):
    def compute_output_shape(self, shape):
        return shape

    def call(self, x):
        {body}

"""
_LAYERED = _BUILD + _LIFT + "    return keras.Model(x, Layer()(y))\n"
_AT_WILL = "return tf.ensure_shape(tf.py_function(self.now, [x], x.dtype), x.shape)\n"


#: No garbage is collected while rounds are played; how many calls come before depends on the load.
_IN_A_ROUND = "import gc\n        if not gc.isenabled():\n"


def _layer(body: str, more: str = "") -> str:
    return _HEAD + _LAYER.format(body=body) + more + _LAYERED


#: Those that end badly in the middle of a run, one of each kind; what they say is coloured.
STRATEGIES = {
    "raises": _HEAD + _BUILD + "    raise RuntimeError('\\x1b[1m\\x1b[31mno such thing\\x1b[0m')\n",
    "exits": _HEAD
    + _BUILD
    + "    print('\\x1b[38;5;196mlast words\\x1b[m', flush=True)\n    os._exit(3)\n",
    "hangs": _HEAD + _BUILD + "    import time\n    time.sleep(600)\n",
    "refuses_all": _HEAD
    + "def refuses(layer, setting):\n    return '\\x1b[32mit never lifts anything.\\x1b[0m'\n"
    + _BUILD
    + _GOOD,
    "doubles": _HEAD + _BUILD + _LIFT + "    return keras.Model(x, y * 2)\n",
}
#: Those that end the worker from below, or never end, or take what is everyone's.
WILD = {
    "segfaults": _HEAD + _BUILD + "    import ctypes\n    ctypes.string_at(0)\n",
    "kills": _HEAD + _BUILD + "    os.kill(os.getpid(), 9)\n",
    # and waits in every turn, so that its rivals' tests have the processor
    "loops": _layer(
        "return tf.while_loop(lambda i, y: True, self.turn, (0, x))[1]",
        "    def turn(self, i, y):\n        import time\n"
        "        one = tf.py_function(lambda: time.sleep(0.1) or 1, [], tf.int32)\n"
        "        return i + tf.ensure_shape(one, ()), y\n\n",
    ),
    "hoards": _HEAD
    + _BUILD
    + "    import numpy\n    kept = [numpy.empty(1 << 27) for _ in range(64)]\n"
    + _GOOD,
    "dies_playing": _layer(
        _AT_WILL,
        f"    def now(self, x):\n        {_IN_A_ROUND}            os.kill(os.getpid(), 11)\n"
        "        return 1.0 * x\n\n",
    ),
}
#: Sleeps in its first round, and leaves a file that says so.
SLEEPS = _layer(
    _AT_WILL,
    f"    def now(self, x):\n        import time\n        {_IN_A_ROUND}"
    "            open('asleep', 'w').close()\n            time.sleep(600)\n"
    "        return 1.0 * x\n\n",
)
#: Those that keep the law and leave the house in disorder.
UNTIDY = {
    "forks": _HEAD
    + _BUILD
    + "    if os.fork() == 0:\n        import time\n        time.sleep(600)\n        os._exit(0)\n"
    + _GOOD,
    "prints": _HEAD + _BUILD + "    print('x' * 5_000_000)\n" + _GOOD,
    "moves": _HEAD + _BUILD + "    os.chdir('/')\n    os.environ.clear()\n" + _GOOD,
    "casts": _HEAD
    + _BUILD
    + _LIFT
    + "    keras.config.set_floatx('float64')\n    keras.config.set_dtype_policy('float64')\n"
    + "    return keras.Model(x, y)\n",
    "runs_eagerly": _HEAD
    + _BUILD
    + "    import tensorflow as tf\n    tf.config.run_functions_eagerly(True)\n"
    + _GOOD,
    "seeds": _HEAD + _BUILD + "    keras.utils.set_random_seed(1)\n" + _GOOD,
    "threads": _HEAD
    + _BUILD
    + "    import threading, time\n"
    + "    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
    + _GOOD,
}
