"""The looks of strategies in figures, on the page and in histories: a colour, a marker, a dash.

A name of the catalogue determines its look, in every run. These names have eight colours, which
reach a contrast of 3 on light and dark pages and stay apart for readers with protanopia,
deuteranopia and tritanopia (searched on the model of Machado, Oliveira and Fernandes 2009). All
other strategies, which are a user's own, have six other colours, searched in the same way. There
are more strategies than colours, so marker and dash tell apart what colour does not.
"""

import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from timelift.escape import plain

#: Characters after which a name is cut in a figure.
_LONGEST_NAME = 40
COLOURS = (
    "#c31e0f",  # red
    "#3c96ff",  # sky
    "#2d9678",  # green
    "#b400b4",  # purple
    "#ff3c00",  # orange
    "#ff3cc3",  # pink
    "#5a3cff",  # indigo
    "#4b6969",  # slate
)
#: Those of strategies outside the catalogue.
OWN_COLOURS = (
    "#7860d8",  # violet
    "#d86c90",  # rose
    "#9c5490",  # plum
    "#9084c0",  # lavender
    "#908400",  # olive
    "#d860f0",  # orchid
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h")
Dash = tuple[float, tuple[float, ...] | None]
_DASHES: tuple[Dash, ...] = ((0, None), (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))
#: The dash of strategies outside the catalogue.
_OWN_DASH: Dash = (0, (8, 2, 2, 2, 2, 2))

#: The position of a name determines its look, so append, never insert. Two rows share a dash, in
#: which each name has a colour of its own.
CATALOGUE = (
    *("time_distributed", "native", "fold_time", "conv1d_pointwise"),
    *("loop_slice", "loop_unstack", "rnn_cell", "vectorized_map"),
    *("fold_chunks", "einsum_letters", "einsum_ellipsis", "conv_extra_axis"),
    *("rnn_cell_unrolled", "ops_scan", "ops_map", "ops_fori"),
    *("tf_map_fn", "tf_while_loop", "tf_vectorized_map", "tf_scan"),
    *("ragged_flat_values", "mask_and_pad", "pack_valid", "bucketing"),
    *("loop_lengths", "axis_swap_conv1d", "conv_per_feature", "simple_rnn"),
    *("gru", "lstm", "tf_keras_time_distributed", "loop_shrinking"),
    "jax_lax_map",
)
_PLACES = {name: place for place, name in enumerate(CATALOGUE)}
_VARIANT = re.compile(r"([^\[]+)\[(.*)\]", re.DOTALL)


@dataclass(frozen=True)
class LineStyle:
    colour: str
    marker: str
    dash: Dash

    @property
    def line(self) -> dict[str, Any]:
        """The line and its marks in matplotlib's words."""
        return {
            "color": self.colour,
            "marker": self.marker,
            "linestyle": self.dash,
            "linewidth": 1.4,
            "markersize": 5,
            "markeredgecolor": "white",
            "markeredgewidth": 0.5,
        }


def looks_of(strategies: Iterable[str]) -> dict[str, LineStyle]:
    """Return the look of each strategy of a run by its name, in the order of legends.

    Where names outside the catalogue ask for one colour, the first by letter has it, and the others
    have those that no name asks for, as long as there are some.
    """
    names = legend_order(strategies)
    own = sorted({_base(name) for name in names} - _PLACES.keys())
    wanted = {base: _hash(base) % len(OWN_COLOURS) for base in own}
    keepers = {place: base for base, place in reversed(wanted.items())}
    free = [place for place in range(len(OWN_COLOURS)) if place not in keepers]
    for base, place in wanted.items():
        if free and keepers[place] != base:
            wanted[base] = free.pop(0)
    return {name: _look_of(name, wanted.get(_base(name), 0)) for name in names}


def _base(strategy: str) -> str:
    variant = _VARIANT.fullmatch(strategy)
    return variant[1] if variant else strategy


def _look_of(strategy: str, own: int) -> LineStyle:
    """Return a look; `own` is the position of the colour of a name outside the catalogue."""
    base, step, turn = _base(strategy), 0, 0
    if base != strategy:  # a variant has another marker and another dash than its base
        number = _hash(strategy[len(base) + 1 : -1])
        step, turn = 1 + number % (len(MARKERS) - 1), 1 + number // 16 % (len(_DASHES) - 1)
    if base in _PLACES:
        row, place = divmod(_PLACES[base], len(COLOURS))
        colour, marker, dash = COLOURS[place], _PLACES[base], _DASHES[(row + turn) % len(_DASHES)]
    else:
        colour, marker = OWN_COLOURS[own], _hash(base) // len(OWN_COLOURS)
        dash = _DASHES[turn] if turn else _OWN_DASH
    return LineStyle(colour, MARKERS[(marker + step) % len(MARKERS)], dash)


def _hash(text: str) -> int:
    """Return a number that is the same in every process, unlike `hash`."""
    return zlib.crc32(text.encode("utf-8", "surrogatepass"))


def short_name(name: str) -> str:
    return plain(name, _LONGEST_NAME)


def legend_order(names: Iterable[str]) -> list[str]:
    """Return the names in the order of every legend: the catalogue's, then by letter."""
    return sorted(set(names), key=lambda name: (_PLACES.get(_base(name), len(CATALOGUE)), name))
