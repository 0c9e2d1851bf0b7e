"""Projects for a study: copies of parts of this one, with a regression whose truth is known.

A regression is an exact slow-down or a slip that people really make: code that is put behind a
strategy's model, with which it still keeps the law.
"""

import shutil
from collections.abc import Iterable
from pathlib import Path

from timelift.planted import Plant

HOME = Path(__file__).parents[1]
#: Exact slow-downs by their word.
PLANTED = {f"+{share}%": Plant("", slower=share / 100) for share in (3, 5, 10)}

_WRAP = '''

import tensorflow as tf

_lift = build


class Slip(keras.layers.Layer):
    """What went wrong, behind the last layer."""

    def compute_output_shape(self, shape):
        return shape

    def call(self, x):
        {body}


def build(layer, shape, dtype=None):
    """Build the lift, and let the slip have its outputs."""
    model = _lift(layer, shape, dtype) if dtype else _lift(layer, shape)
    return keras.Model(model.inputs, Slip(dtype=model.outputs[0].dtype)(model.outputs[0]))
'''
_BODIES = {
    "identity chain": "for _ in range(20): x = tf.identity(x)\n        return x",
    "float64 cast": "return tf.cast(1.0 * tf.cast(x, tf.float64), x.dtype)",
    "eager fall-back": (
        "return tf.ensure_shape(tf.py_function(lambda t: 1.0 * t, [x], x.dtype), x.shape)"
    ),
    "retrace per call": (
        "return tf.ensure_shape(tf.py_function("
        "lambda t: tf.function(lambda u: 1.0 * u)(t), [x], x.dtype), x.shape)"
    ),
}
#: Slips by their word.
SLIPS = tuple(_BODIES)


def slip_into(path: Path, word: str) -> None:
    """Add the slip `word` to a strategy's file."""
    text = path.read_text(encoding="utf-8")
    path.write_text(text + _WRAP.format(body=_BODIES[word]), encoding="utf-8")


def comment_on(path: Path) -> None:
    """Change a file without changing what it does."""
    path.write_text(path.read_text(encoding="utf-8") + "# a comment\n", encoding="utf-8")


def lay_out(folder: Path, names: Iterable[str]) -> None:
    """Copy files and folders of this project by their names, without what Python keeps in them."""
    for name in names:
        source, copy = HOME / name, folder / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy)
