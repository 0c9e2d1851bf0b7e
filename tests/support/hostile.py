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


def _first(line: str) -> str:
    """A strategy that does this before it builds what it is asked for."""
    return f"{_HEAD}{_BUILD}    {line}\n{_GOOD}"


#: Those that end badly in the middle of a run, one of each kind; what they say is coloured.
STRATEGIES = {
    "raises": _first("raise RuntimeError('\\x1b[1m\\x1b[31mno such thing\\x1b[0m')"),
    "exits": _first("print('\\x1b[38;5;196mlast words\\x1b[m', flush=True); os._exit(0)"),
    "refuses_all": _HEAD
    + "def refuses(layer, setting):\n    return '\\x1b[32mit never lifts anything.\\x1b[0m'\n"
    + _BUILD
    + _GOOD,
    "doubles": _HEAD + _BUILD + _LIFT + "    return keras.Model(x, y * 2)\n",
}
#: Those that end the worker from below, or never end, or take what is everyone's.
WILD = {
    "segfaults": _first("import ctypes; ctypes.string_at(0)"),
    # and waits in every turn, so that its rivals' tests have the processor
    "loops": _layer(
        "return tf.while_loop(lambda i, y: True, self.turn, (0, x))[1]",
        "    def turn(self, i, y):\n        import time\n"
        "        one = tf.py_function(lambda: time.sleep(0.1) or 1, [], tf.int32)\n"
        "        return i + tf.ensure_shape(one, ()), y\n\n",
    ),
    "hoards": _first("import numpy; kept = [numpy.empty(1 << 27) for _ in range(64)]"),
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
#: A module with a layer that starts a daemon, one that hangs then, and one of two gibibytes.
STARTS = """import keras, os, sys, time
def starts():
    if os.fork() == 0:
        os.setsid()
        if pid := os.fork():
            open("daemon", "w").write(str(pid))
            os._exit(0)
        time.sleep(600)
    os.wait()
    return keras.Sequential([keras.Input((6,)), keras.layers.Dense(2)])
def hangs():
    starts()
    time.sleep(len(sys.stdin.read()) or 600)
def hoards():
    return keras.ops.ones(1 << 29)
"""
#: Those that keep the law and leave the house in disorder.
UNTIDY = {
    "forks": _first(
        "if os.fork() == 0:\n        import time\n        time.sleep(600)\n        os._exit(0)"
    ),
    "prints": _first("print('x' * 5_000_000)"),
    "moves": _first("os.chdir('/'); os.environ.clear()"),
    "casts": _HEAD
    + _BUILD
    + _LIFT
    + "    keras.config.set_floatx('float64')\n    keras.config.set_dtype_policy('float64')\n"
    + "    return keras.Model(x, y)\n",
    "runs_eagerly": _first("import tensorflow as tf; tf.config.run_functions_eagerly(True)"),
    "seeds": _first("keras.utils.set_random_seed(1)"),
    "threads": _first(
        "import threading, time\n"
        "    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()"
    ),
}
