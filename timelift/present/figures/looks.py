"""The looks of strategies in figures and on the page: a colour, a marker and a dash for life.

The eight colours reach a contrast of 3 on light and dark pages and stay apart for readers with
protanopia, deuteranopia and tritanopia (searched on the model of Machado, Oliveira and Fernandes
2009). There are more strategies than colours, so marker and dash tell apart what colour does not.
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
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h")
Dash = tuple[float, tuple[float, ...] | None]
_DASHES: tuple[Dash, ...] = ((0, None), (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))
#: The dash of strategies outside the catalogue, so that none looks like one inside.
_UNKNOWN_DASH: Dash = (0, (8, 2, 2, 2, 2, 2))

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


def line_style(strategy: str) -> LineStyle:
    """Return the look of a strategy; a variant keeps the colour of its base."""
    variant = _VARIANT.fullmatch(strategy)
    if variant and variant[1] in _PLACES:
        return _variant(_PLACES[variant[1]], _hash(variant[2]))
    if strategy in _PLACES:
        place = _PLACES[strategy]
        return _look(place, place, _DASHES[place // len(COLOURS)])
    number = _hash(strategy)
    return _look(number, number // len(COLOURS), _UNKNOWN_DASH)


def _variant(place: int, number: int) -> LineStyle:
    """Return the colour of the base with another marker and another dash, chosen by `number`."""
    step, turn = 1 + number % (len(MARKERS) - 1), 1 + number // 16 % (len(_DASHES) - 1)
    return _look(place, place + step, _DASHES[(place // len(COLOURS) + turn) % len(_DASHES)])


def _look(colour: int, marker: int, dash: Dash) -> LineStyle:
    return LineStyle(COLOURS[colour % len(COLOURS)], MARKERS[marker % len(MARKERS)], dash)


def _hash(text: str) -> int:
    """Return a number that is the same in every process, unlike `hash`."""
    return zlib.crc32(text.encode("utf-8", "surrogatepass"))


def short_name(name: str) -> str:
    return plain(name, _LONGEST_NAME)


def legend_order(names: Iterable[str]) -> list[str]:
    """Return the names in the order of every legend: the catalogue's, then by letter."""
    return sorted(
        set(names), key=lambda name: (_PLACES.get(name.partition("[")[0], len(CATALOGUE)), name)
    )
