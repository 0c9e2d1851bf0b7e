"""A strategy keeps its look, and every reader can tell the looks apart."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb

from timelift.present.figures.looks import CATALOGUE, COLOURS, MARKERS, line_style


def test_every_known_strategy_has_its_own_look():
    assert len({line_style(name) for name in CATALOGUE}) == len(CATALOGUE)
    assert len({line_style(name).colour for name in CATALOGUE[: len(COLOURS)]}) == len(COLOURS)


#: Written down so that no later version changes a colour that readers have learnt.
LOOKS = {
    "time_distributed": ("#c31e0f", "o"),
    "native": ("#3c96ff", "s"),
    "fold_time": ("#2d9678", "^"),
    "rnn_cell": ("#5a3cff", "X"),
    "fold_chunks": ("#c31e0f", ">"),
    "tf_keras_time_distributed": ("#5a3cff", ">"),
    "my_own_way": ("#ff3c00", "<"),
}


@pytest.mark.parametrize(("name", "expected"), LOOKS.items())
def test_a_strategy_keeps_its_look_for_ever(name, expected):
    assert (line_style(name).colour, line_style(name).marker) == expected


@given(st.sampled_from(CATALOGUE), st.text(max_size=12))
def test_a_variant_shares_the_colour_of_its_base_and_nothing_else(base, inside):
    variant, plain = line_style(f"{base}[{inside}]"), line_style(base)
    assert variant.colour == plain.colour
    assert variant.marker != plain.marker
    assert variant.dash != plain.dash


@given(st.text())
def test_an_unknown_strategy_never_looks_like_a_known_one(name):
    if name not in CATALOGUE:
        assert line_style(name) not in {line_style(known) for known in CATALOGUE}
    assert line_style(name).colour in COLOURS
    assert line_style(name).marker in MARKERS


#: How colours look with one kind of cone missing (Machado, Oliveira and Fernandes 2009).
VISIONS = {
    "all cones": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


#: Below this distance in Oklab, colours are hard to tell apart in a thin line.
APART = 0.08


def _linear(colours):
    """Linear RGB, (colours, 3)."""
    values = np.array([to_rgb(colour) for colour in colours])
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _least_distance(colours, vision):
    """The distance of the two most similar colours in Oklab (Ottosson 2020)."""
    seen = np.clip(_linear(colours) @ np.array(vision).T, 0, 1)
    cones = [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
    lab = [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
    places = np.cbrt(seen @ np.array(cones).T) @ np.array(lab).T
    return min(math.dist(*pair) for pair in itertools.combinations(places, 2))


@pytest.mark.parametrize("vision", VISIONS.values(), ids=VISIONS)
def test_the_colours_are_apart_for_every_reader(vision):
    assert _least_distance(COLOURS, vision) > APART


def test_the_check_of_colours_rejects_red_and_green():
    pair = ("#c31e0f", "#5f6400")
    assert _least_distance(pair, VISIONS["all cones"]) > APART
    assert _least_distance(pair, VISIONS["deuteranopia"]) < APART


def _contrast(colour, background):
    """The contrast ratio of WCAG 2.2."""
    light = _linear((colour, background)) @ [0.2126, 0.7152, 0.0722]
    return float((light.max() + 0.05) / (light.min() + 0.05))


@pytest.mark.parametrize("background", ["#ffffff", "#14171a"], ids=["light", "dark"])
def test_lines_stand_out_on_a_light_and_on_a_dark_page(background):
    assert min(_contrast(colour, background) for colour in COLOURS) > 2.95


def test_the_check_of_contrast_rejects_yellow_on_white():
    assert _contrast("#ffee88", "#ffffff") < 3
