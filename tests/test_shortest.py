"""Code to paste has what is needed of a page, and nothing else."""

from tests.support.projects import STRATEGIES
from timelift.present.shortest import lift_alone, plain_lift, reached
from timelift.source import read_source

PAGE = '''"""A page.

More of it.
"""

import os
from math import pi, tau

import keras

DROPOUT = "independent"
#: Steps in a chunk.
SIZE = 8
FIRST, SECOND = 1, 2
SIZE = SIZE * FIRST
keras.config.disable_traceback_filtering(tau)

if SECOND:
    import json


def refuses(layer):
    return DROPOUT or os.name


@keras.saving.register_keras_serializable(package="page")
class Lift(keras.layers.Wrapper):
    """Lifts."""

    def call(self, x):
        return half(x) * SIZE


def half(x):
    return x / 2


def build(layer):
    return Lift(layer)
'''
NEEDED = '''from math import tau

import keras

#: Steps in a chunk.
SIZE = 8
FIRST, SECOND = 1, 2
SIZE = SIZE * FIRST
keras.config.disable_traceback_filtering(tau)

if SECOND:
    import json


@keras.saving.register_keras_serializable(package="page")
class Lift(keras.layers.Wrapper):
    """Lifts."""

    def call(self, x):
        return half(x) * SIZE


def half(x):
    return x / 2
'''


def test_what_a_name_needs_stays_in_its_order_with_its_comments():
    assert reached(PAGE, ["Lift"]) == NEEDED
    assert reached(PAGE, ["build"]) == f"{NEEDED}\n\ndef build(layer):\n    return Lift(layer)\n"
    assert "refuses" not in reached(PAGE, ["build"])
    assert "import os" in reached(PAGE, ["refuses"])


def test_the_short_class_stands_for_timelift_s_own_page_alone(tmp_path):
    own = read_source(STRATEGIES["fold_time"].path)
    assert len(plain_lift(own).splitlines()) < len(lift_alone(own).splitlines())
    assert lift_alone(own, is_plain=True) == plain_lift(own)
    copy = tmp_path / "fold_time.py"
    copy.write_text(own.text)
    users = read_source(copy)
    assert plain_lift(users) == ""
    assert lift_alone(users, is_plain=True) == lift_alone(own)
