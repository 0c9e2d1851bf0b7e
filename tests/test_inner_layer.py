"""A layer as it is typed: what makes it, and what it takes at one step."""

import pytest

from timelift.errors import UserError
from timelift.inner_layer import Factory, LayerInputs, read_inputs


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
        ("models", Factory("models")),
        ("a:b#", Factory("a:b#")),
    ],
)
def test_what_makes_a_layer_is_read_as_it_is_written(text, factory):
    assert Factory.of(text) == factory
    assert str(factory) == text


@pytest.mark.parametrize(
    ("text", "inputs"),
    [
        ("96,96,3", LayerInputs((96, 96, 3))),
        ("float32[96, 96, 3]", LayerInputs((96, 96, 3))),
        ("int32[60]<1000", LayerInputs((60,), "int32", 1000)),
        ("int32[]<6", LayerInputs((), "int32", 6)),
        ("int32[2]<2147483648", LayerInputs((2,), "int32", 2**31)),
        ("int64[2]<9999999999", LayerInputs((2,), "int64", 9_999_999_999)),
        ("", None),
    ],
)
def test_inputs_are_read_and_what_is_written_is_read_again(text, inputs):
    assert read_inputs(text) == inputs
    assert inputs is None or read_inputs(str(inputs)) == inputs


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("frame=float32[84,84,4],action=int32[]<6", "one input of one tensor, which is what this"),
        ("int32[60]<9999999999", "numbers of int32, which lie below 2,147,483,648 at most"),
        ("int32[60]", r"the number that inputs lie below, like int32\[60\]<1000"),
        ("3,x", "the shape of one step, like 96,96,3"),
        ("0,3", "the shape of one step"),
        ("float32[3]<5", "the shape of one step"),
    ],
)
def test_inputs_of_another_kind_are_a_sentence(text, sentence):
    with pytest.raises(UserError, match=f"expected {sentence}.* received"):
        read_inputs(text)
