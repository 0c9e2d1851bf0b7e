"""A layer as it is typed: imported like a module, and described with its inputs."""

import importlib
import re
import sys
from dataclasses import asdict

import psutil
import pytest

from tests.support import engines, hostile
from tests.support.projects import QUICKEST, write
from timelift.errors import UserError
from timelift.inner_layer import Factory, LayerInputs, StepTensor, read_inputs
from timelift.measure import users_layer
from timelift.worker.user_code import imports_from

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
frame, action = keras.Input((8,)), keras.Input((), dtype="int32")
pixels = keras.Input((2,), dtype="uint8")
embed = layers.Embedding(6, 2)
by_name = keras.Model({"frame": frame, "action": action}, layers.Dense(2)(frame) + embed(action))
inside = keras.Model([pixels, action], embed(pixels)[:, 0] + embed(action))
listed = keras.Model([action, pixels], inside([pixels, action]))
deep = keras.Model({"a": [frame, action]}, layers.Dense(2)(frame) + embed(action))
odd = keras.Model({"my frame": frame, "action": action}, layers.Dense(2)(frame) + embed(action))
number, Dense, attend = 3, layers.Dense, layers.MultiHeadAttention(2, 4)

class Doubled(keras.layers.Layer):
    def call(self, x):
        return x * 2

class Steps(keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.inner = layers.Dense(2)

    def call(self, step, mask=None):
        return self.inner(step["frame"]) * step["gain"][:, None]

def called():
    layer = Steps()
    layer({"gain": keras.KerasTensor((None,)), "frame": keras.KerasTensor((None, 7, 3))})
    return layer

class Positions(keras.Model):
    def __init__(self):
        super().__init__()
        self.position = layers.Embedding(9, 4)
        self.project = layers.Dense(4)

    def call(self, x):
        return self.project(x) + self.position(keras.ops.arange(2))[0]

    def compute_output_shape(self, shape):  # so TimeDistributed does not call it
        return (*shape[:-1], 4)

lifted = keras.Sequential([keras.Input((5, 3)), layers.TimeDistributed(Positions())])

def built():
    layer = layers.Dense(UNITS)
    layer.build((None, 6))
    return layer

def raises():
    raise RuntimeError("no weights\\nhere")
"""
DESCRIBED = """
import json, os, sys
sys.path[:0] = [{src!r}]
os.environ["PYTHONPATH"] = {src!r}
from timelift.errors import UserError, one_line
from timelift.inner_layer import LayerInputs, read_inputs
from timelift.worker.describe import describe_layer
from timelift.worker.making import make_layer
def weights(name, inputs):
    try:
        layer = make_layer("mine.models:" + name, inputs, 1)
        return [list(weight.shape) for weight in layer.weights]
    except UserError as error:
        return one_line(error)
print(json.dumps([
    {{name: describe_layer("mine.models:" + name) for name in {names!r}}},
    [weights(name, read_inputs(text)) for name, text in {asked!r}],
    weights("lifted#1", LayerInputs.of_one((3,))),
    [describe_layer(name, LayerInputs.of_one((96,)))["error"] for name in {broken!r}],
]))
"""
ACTION, FRAME = StepTensor((), "int32", 6), StepTensor((8,))
REMEDY = "name a function without arguments that makes it"
#: What each layer takes, None where it does not tell, or the error.
INPUTS = {
    "functional": "5,3",
    "built": "6",
    "tokens": "int32[7]<50",
    "whole": "int32[7]<0",
    "by_name": "action=int32[]<6,frame=float32[8]",
    "listed": "int32[]<6,uint8[2]<6",
    "called": "frame=float32[7,3],gain=float32[]",
    "deep": "expected inputs in one list or one dictionary, received a layer that takes lists or "
    "dictionaries inside of another; wrap it in a layer that takes one",
    "odd": "expected names of inputs like frame or action, received 'my frame'; wrap the layer in "
    "one that takes such names",
    "ragged": None,
    "unbuilt": None,
    "Doubled": None,
    "Positions": None,  # its embedding does not take the inputs
    "raises": "RuntimeError: no weights here (models.py:60)",
    "number": f"'int' object is not callable; {REMEDY}",
    "attend": "expected a layer whose call needs one argument, received MultiHeadAttention, whose "
    "call needs query and value; wrap it in a layer that takes a list",
    "Dense": f"Dense.__init__() missing 1 required positional argument: 'units'; {REMEDY}",
    "functonal": "mine.models has no 'functonal'; nearest: functional, action",
}
BUILT = "the layer is built for steps of"
LEAVE = "leave --inputs out, or mend the file"
TAKES = "the layer takes 2 inputs by name, action and frame; received"
LIKE = "; write it like --inputs 'action=int32[]<6,frame=float32[8]'"
#: Layers with the inputs that are asked for: the shapes of their weights, or why they do not fit.
ASKED = {
    ("built", "6"): [[6, 4], [4]],
    ("built", "7"): f"{BUILT} 6, and --inputs or the workload's file says 7; {LEAVE}",
    ("tokens", "int32[7]<9"): [[50, 4]],
    ("tokens", "7"): "the layer takes whole numbers; write so, like int32[7]<50 in --inputs, or in "
    "INPUTS of a workload's file",
    ("by_name", "frame=float32[8],action=int32[]<6"): [[8, 2], [2], [6, 2]],
    ("by_name", "fraem=float32[8],action=int32[]<6"): f"{TAKES} 'fraem' (nearest: frame){LIKE}",
    ("by_name", "frame=float32[8]"): f"{TAKES} 'frame=float32[8]'{LIKE}",
    ("by_name", "8"): f"{TAKES} '8'{LIKE}",
    ("by_name", "frame=float32[9],action=int32[]<6"): f"{BUILT} 8 in input 'frame', and --inputs "
    f"or the workload's file says 9; {LEAVE}",
    ("by_name", "frame=float32[8],action=float32[]"): "the layer takes whole numbers in input "
    "'action'; write so, like int32[]<6 in --inputs, or in INPUTS of a workload's file",
    ("functional", "float32[5,3],float32[2]"): "the layer takes one input; received "
    "'float32[5,3],float32[2]'; write it like --inputs '5,3'",
    ("unbuilt", "float32[5,3]+mask"): "expected a layer whose call takes a mask, received Dense, "
    "whose call does not; leave +mask out of the inputs",
    ("Steps", "frame=float32[7,3]+mask,gain=float32[]"): [[3, 2], [2]],
}
#: What cannot be made, with the end of why.
BROKEN = {
    "mien:layer": "there is no module 'mien' for .*; nearest: mine$",
    "imports:layer": r"ModuleNotFoundError: No module named 'gone' \(imports\.py:1\)$",
    "unfit:layer": "ValueError: Input .* with '96'$",
}


@pytest.fixture(scope="module")
def described(tmp_path_factory):
    """Descriptions of all layers of the module, and weights of two for some inputs."""
    files = {"src/mine/__init__.py": "", "src/mine/parts.py": "UNITS = 4", "pyproject.toml": ""}
    files |= {"src/mine/models.py": MODELS, "src/imports.py": "import gone"}
    files |= {"src/unfit.py": "from keras.layers import GRU\nlayer = GRU(4)"}
    src = write(tmp_path_factory.mktemp("users"), files) / "src"
    names = {"names": [*INPUTS], "asked": [*ASKED], "broken": [*BROKEN]}
    return engines.run("tensorflow", DESCRIBED.format(src=str(src), **names))


@pytest.mark.parametrize("name", INPUTS)
def test_the_inputs_of_a_layer_are_described_where_they_are_known(described, name):
    description, expected = described[0][name], INPUTS[name]
    told = description.get("inputs")
    said = str(LayerInputs.from_fields(told)) if told else description.get("error")
    assert said == expected


def test_inputs_that_contradict_a_layer_are_refused(described):
    for said, expected in zip(described[1], ASKED.values(), strict=True):
        assert said == expected


def test_a_layer_in_a_lift_has_the_weights_that_its_first_call_makes(described):
    assert described[2] == [[9, 4], [3, 4], [4]]


def test_a_layer_that_cannot_be_called_is_a_sentence_before_anything_starts(described, tmp_path):
    for said, expected in zip(described[3], BROKEN.values(), strict=True):
        assert re.search(expected, said)
    write(tmp_path, {"mine.py": "import os\nos._exit(3)\n"})
    ended = r"^--layer: mine:layer.*: importing or calling it ended the process that did"
    with pytest.raises(UserError, match=ended):
        users_layer.user_workload("mine:layer", LayerInputs.of_one((96,)), QUICKEST, [tmp_path])


def test_nothing_that_a_layer_starts_outlives_the_look_at_it(tmp_path, monkeypatch):
    monkeypatch.chdir(write(tmp_path, {"mine.py": hostile.STARTS}))
    workload = users_layer.user_workload("mine:starts", None, QUICKEST, [tmp_path])
    assert str(workload.inputs) == "6"
    assert not psutil.pid_exists(int((tmp_path / "daemon").read_text()))


def test_a_layer_beyond_the_memory_limit_is_a_sentence(tmp_path):
    write(tmp_path, {"mine.py": hostile.STARTS})
    asked, limits = ("mine:hoards", None, QUICKEST, [tmp_path]), users_layer.Limits(1 << 30)
    with pytest.raises(UserError, match=r"it takes more than the .* bytes of --memory-limit"):
        users_layer.user_workload(*asked, limits)


def test_a_layer_beyond_the_limit_of_a_first_call_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.chdir(write(tmp_path, {"mine.py": hostile.STARTS}))
    limits = users_layer.Limits(first_call=1)
    with pytest.raises(UserError, match=r"it takes over 2 s, twice --first-call-limit; raise that"):
        users_layer.user_workload("mine:hangs", None, QUICKEST, [tmp_path], limits)


def test_a_stored_model_is_looked_at_without_the_code_around_it(tmp_path, monkeypatch):
    monkeypatch.chdir(write(tmp_path, dict.fromkeys(("keras.py", "numpy.py"), "raise SystemExit")))
    with pytest.raises(UserError, match=r"^model\.keras cannot be made or called: "):
        users_layer.look_at("model.keras", QUICKEST, [])


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        (None, "that is built, .*; write it like --inputs 96,96,3"),
        (LayerInputs.of_one((7,), "int32"), r"that tells the number .* 'int32\[7\]<1000'"),
    ],
)
def test_unknown_inputs_are_an_error_that_names_the_option(monkeypatch, inputs, sentence):
    given = {"inputs": inputs and asdict(inputs)}
    monkeypatch.setattr(users_layer, "look_at", lambda *_: given)
    with pytest.raises(UserError, match=f"^--layer: expected a layer {sentence}"):
        users_layer.user_workload("a:b", None, QUICKEST, [])


def test_two_revisions_of_one_package_live_side_by_side(tmp_path, monkeypatch):
    for name in ("here", "there"):
        files = {"pack/__init__.py": "", "pack/inner.py": f"VALUE = {name!r}\n"}
        write(tmp_path / name, files)
    monkeypatch.syspath_prepend(tmp_path / "here")
    there = str(tmp_path / "there")
    modules = []
    for _ in range(2):
        assert importlib.import_module("pack.inner").VALUE == "here"
        with imports_from(there):
            modules.append(importlib.import_module("pack.inner"))
            assert modules[-1].VALUE == "there"
    assert importlib.import_module("pack.inner").VALUE == "here"
    assert modules[0] is modules[1]
    assert there not in sys.path
    for name in ("pack", "pack.inner"):
        sys.modules.pop(name)


def test_a_folder_that_both_sides_search_stays_searched(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    before = list(sys.path)
    with imports_from(str(tmp_path)):
        assert sys.path[:2] == [str(tmp_path), str(tmp_path)]
    assert sys.path == before


@pytest.mark.parametrize(
    ("text", "factory"),
    [
        ("pkg.models:make", Factory("pkg.models", "make")),
        ("pkg.models:make#td/inner:0", Factory("pkg.models", "make", "td/inner:0")),
        ("/a b#c:d/mod.py:make#2", Factory("/a b#c:d/mod.py", "make", "2")),
        ("/a#b/model.keras", Factory("/a#b/model.keras")),
        ("model.keras#2", Factory("model.keras", lift="2")),
        ("model.keras#a:b", Factory("model.keras", lift="a:b")),
        ("my.keras:make", Factory("my.keras", "make")),
        ("a:b#", Factory("a:b#")),
    ],
)
def test_what_makes_a_layer_is_read_as_it_is_written(text, factory):
    assert Factory.of(text) == factory
    assert str(factory) == text


@pytest.mark.parametrize(
    ("text", "inputs"),
    [
        ("96,96,3", LayerInputs.of_one((96, 96, 3))),
        ("int32[60]<1000", LayerInputs.of_one((60,), "int32", 1000)),
        ("int32[]<6", LayerInputs.of_one((), "int32", 6)),
        ("int32[2]<2147483648", LayerInputs.of_one((2,), "int32", 2**31)),
        ("int64[2]<9999999999", LayerInputs.of_one((2,), "int64", 9_999_999_999)),
        ("float32[]", LayerInputs.of_one(())),
        ("uint8[84,84]", LayerInputs.of_one((84, 84), "uint8", 256)),
        ("float32[3,2]+mask,int32[]<6", LayerInputs((StepTensor((3, 2), masked=True), ACTION))),
        ("frame=float32[8], action=int32[]<6", LayerInputs((ACTION, FRAME), ("action", "frame"))),
        ("", None),
    ],
)
def test_inputs_are_read_and_what_is_written_is_read_again(text, inputs):
    assert read_inputs(text) == inputs
    assert inputs is None or read_inputs(str(inputs)) == inputs
