"""A layer as its user names it: found like an import, and asked what its inputs are."""

import pytest

from tests import engines
from tests.projects import QUICKEST
from tests.repositories import write
from timelift.errors import UserError
from timelift.inner_layer import LayerInputs
from timelift.measure import users_layer

MODELS = """
import keras
from keras import layers

from .parts import UNITS

print("a module may print what it likes")
functional = keras.Sequential([keras.Input((5, 3)), layers.Flatten(), layers.Dense(UNITS)])
tokens = keras.Sequential([keras.Input((7,)), layers.Embedding(50, 4), layers.Flatten()])
whole = keras.Sequential([keras.Input((7,), dtype="int32"), layers.Dense(2)])
ragged = keras.Sequential([keras.Input((None, 3)), layers.Dense(2)])
unbuilt = layers.Dense(UNITS)
number = 3


class Doubled(keras.layers.Layer):
    def call(self, x):
        return x * 2


class Positions(keras.Model):
    def __init__(self):
        super().__init__()
        self.position = layers.Embedding(9, 4)
        self.project = layers.Dense(4)

    def call(self, x):
        return self.project(x) + self.position(keras.ops.arange(2))[0]


def built():
    layer = layers.Dense(UNITS)
    layer.build((None, 6))
    return layer


def raises():
    raise RuntimeError("no weights\\nhere")
"""
TRIED = """
import json, sys
sys.path[:0] = [{src!r}]
from timelift.errors import one_line
from timelift.inner_layer import LayerInputs
from timelift.worker.describe import describe
from timelift.worker.reference import make_layer
def weights(name, inputs):
    try:
        return [list(one.shape) for one in make_layer("mine.models:" + name, inputs, 1).weights]
    except ValueError as error:
        return one_line(error)
print(json.dumps([
    {{name: describe("mine.models:" + name) for name in {names!r}}},
    [weights("built", LayerInputs(features)) for features in ((6,), (7,), (6, 1))],
    [weights("tokens", LayerInputs((7,), dtype)) for dtype in ("int32", "")],
]))
"""
#: What each of them tells, or the end of why it is none.
TOLD = {
    "functional": ((5, 3), "", 0),
    "built": ((6,), "", 0),
    "tokens": ((7,), "int32", 50),
    "whole": ((7,), "int32", 0),
    "ragged": (None, "", 0),
    "unbuilt": (None, "", 0),
    "Doubled": (None, "", 0),
    "Positions": (None, "", 0),  # its embedding is no layer of inputs
    "raises": "RuntimeError: no weights here",
    "number": "TypeError: 'int' object is not callable",
    "functonal": "AttributeError: mine.models has no 'functonal'; nearest: functional",
}


@pytest.fixture(scope="module")
def src(tmp_path_factory):
    files = {"src/mine/__init__.py": "", "src/mine/parts.py": "UNITS = 4", "pyproject.toml": ""}
    return write(tmp_path_factory.mktemp("users"), files | {"src/mine/models.py": MODELS}) / "src"


@pytest.fixture(scope="module")
def tried(src):
    """What every layer of the module tells, and what is made of two for some shapes of a step."""
    return engines.run("tensorflow", TRIED.format(src=str(src), names=list(TOLD)))


@pytest.mark.parametrize("name", TOLD)
def test_a_layer_tells_what_it_is_fed_with_where_it_knows(tried, name):
    described, expected = tried[0][name], TOLD[name]
    if isinstance(expected, str):
        assert described == {"error": expected}
        return
    features, dtype, high = expected
    shape = None if features is None else list(features)
    assert described == {"features": shape, "dtype": dtype, "high": high}


def test_features_that_contradict_a_built_layer_are_refused(tried):
    right, wrong, longer = tried[1]
    assert right == [[6, 4], [4]]
    assert wrong == (
        "ValueError: the layer is built for steps of 6, and --inputs or FEATURES says 7; leave "
        "--inputs out, or mend the workload's file"
    )
    assert "--inputs or FEATURES says 6,1" in longer


def test_a_layer_of_whole_numbers_is_not_fed_with_others(tried):
    right, wrong = tried[2]
    assert right == [[50, 4]]
    assert "takes whole numbers; write so, like --inputs 'int32[7]<50', or" in wrong


def test_a_module_is_imported_as_the_project_does(src):
    described = users_layer.describe("mine.models:functional", QUICKEST, [src])
    assert described["features"] == [5, 3]


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        ("import no_such_package\n", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("import os\nos._exit(3)\n", "importing or calling it ended the process that did"),
    ],
)
def test_a_layer_that_cannot_be_imported_is_a_sentence_with_the_import_s_own_reason(
    tmp_path, module, reason
):
    write(tmp_path, {"mine.py": module})
    with pytest.raises(UserError) as caught:
        users_layer.describe("mine:layer", QUICKEST, [tmp_path])
    assert str(caught.value).startswith("mine:layer: ")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture
def inputs_told(monkeypatch):
    """The inputs of a layer that tells this."""

    def ask(described):
        described = {"features": None, "dtype": "", "high": 0} | described
        monkeypatch.setattr(users_layer, "describe", lambda *_: described)
        return users_layer.user_workload("a:b", None, QUICKEST, []).inputs

    return ask


def test_what_the_layer_tells_is_taken_and_what_the_options_say_is_not_asked(
    inputs_told, monkeypatch
):
    inputs = inputs_told({"features": [7], "dtype": "int32", "high": 50})
    assert inputs == LayerInputs((7,), "int32", 50)
    monkeypatch.delattr(users_layer, "describe")
    given = LayerInputs((3,))
    assert users_layer.user_workload("a:b", given, QUICKEST, []).inputs == given


@pytest.mark.parametrize(
    ("described", "sentence"),
    [
        ({}, "--layer: expected a layer that is built, .*; write it like --inputs 96,96,3"),
        (
            {"features": [7], "dtype": "int32"},
            r"--layer: expected a layer that tells the number .* like --inputs 'int32\[7\]<1000'",
        ),
    ],
)
def test_what_a_layer_does_not_tell_is_asked_for_in_a_sentence(inputs_told, described, sentence):
    with pytest.raises(UserError, match=sentence):
        inputs_told(described)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("nocolon", "expected module:name or path.py:name, like .*; received 'nocolon'"),
        ("gone.py:f", "received 'gone.py:f', and there is no file gone.py"),
        (f"{'a' * 300}.py:f", "there is no file"),
        ("mine.py:mak", "mine.py has no 'mak'; nearest: make"),
        ("a:b#", "expected module:name or path.py:name"),
    ],
)
def test_a_layer_of_another_form_is_a_sentence(tmp_path, monkeypatch, text, sentence):
    monkeypatch.chdir(write(tmp_path, {"mine.py": "def make(): ...\n"}))
    with pytest.raises(UserError, match=f"^--layer: .*{sentence}"):
        users_layer.user_workload(text, LayerInputs((3,)), QUICKEST, [])
