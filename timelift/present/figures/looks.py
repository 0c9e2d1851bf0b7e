"""How figures look: the themes, and one colour, marker and dash for life for each strategy.

The eight colours reach a contrast of 3 on both backgrounds and stay apart for readers with
protanopia, deuteranopia and tritanopia (searched on the model of Machado, Oliveira and Fernandes
2009). There are more strategies than colours, so marker and dash tell apart what colour does not.
"""

import re
import warnings
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import seaborn as sns
from matplotlib.lines import Line2D

from timelift.escape import plain

#: It stands where a title must not be broken: in `16 steps`, in `batch 8`.
NO_BREAK = "\N{NO-BREAK SPACE}"
LINE_WIDTH = 1.4
#: It comes with matplotlib, so figures look the same everywhere.
FONT = "DejaVu Sans"
#: Characters of a name in a figure.
NAME_LIMIT = 40
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
DASHES: tuple[Dash, ...] = ((0, None), (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))
#: Strategies that the catalogue does not know never look like one that it does.
UNKNOWN_DASH: Dash = (0, (8, 2, 2, 2, 2, 2))

#: The place of a name gives its look, so append, never insert.
CATALOGUE = (
    "time_distributed",
    "native",
    "fold_time",
    "conv1d_pointwise",
    "loop_slice",
    "loop_unstack",
    "rnn_cell",
    "vectorized_map",
    "fold_chunks",
    "einsum_letters",
    "einsum_ellipsis",
    "conv_extra_axis",
    "rnn_cell_unrolled",
    "ops_scan",
    "ops_map",
    "ops_fori",
    "tf_map_fn",
    "tf_while_loop",
    "tf_vectorized_map",
    "tf_scan",
    "ragged_flat_values",
    "mask_and_pad",
    "pack_valid",
    "bucketing",
    "loop_lengths",
    "axis_swap_conv1d",
    "conv_per_feature",
    "simple_rnn",
    "gru",
    "lstm",
    "tf_keras_time_distributed",
    "loop_shrinking",
)
_PLACES = {name: place for place, name in enumerate(CATALOGUE)}
_VARIANT = re.compile(r"([^\[]+)\[(.*)\]", re.DOTALL)


@dataclass(frozen=True)
class LineStyle:
    colour: str
    marker: str
    dash: Dash

    @property
    def stroke(self) -> dict[str, Any]:
        """How matplotlib is to draw the line, which is alike in every figure."""
        return {"linestyle": self.dash, "linewidth": LINE_WIDTH, "markersize": 4.5}


def line_style(strategy: str) -> LineStyle:
    """Return the look of a strategy; a variant keeps the colour of its base."""
    found = _VARIANT.fullmatch(strategy)
    if found and found[1] in _PLACES:
        return _variant(_PLACES[found[1]], _hash(found[2]))
    if strategy in _PLACES:
        place = _PLACES[strategy]
        return _look(place, place, DASHES[place // len(COLOURS)])
    number = _hash(strategy)
    return _look(number, number // len(COLOURS), UNKNOWN_DASH)


def _variant(place: int, number: int) -> LineStyle:
    """Turn marker and dash of the base by steps that are never a whole round."""
    step, turn = 1 + number % (len(MARKERS) - 1), 1 + number // 16 % (len(DASHES) - 1)
    return _look(place, place + step, DASHES[(place // len(COLOURS) + turn) % len(DASHES)])


def _look(colour: int, marker: int, dash: Dash) -> LineStyle:
    return LineStyle(COLOURS[colour % len(COLOURS)], MARKERS[marker % len(MARKERS)], dash)


def _hash(text: str) -> int:
    """Return a number that is the same in every process, unlike `hash`."""
    return zlib.crc32(text.encode("utf-8", "surrogatepass"))


def short_name(name: str) -> str:
    return plain(name, NAME_LIMIT)


def legend_order(names: Iterable[str]) -> list[str]:
    """Return the names in the order of every legend: the catalogue's, then by letter."""
    return sorted(
        set(names), key=lambda name: (_PLACES.get(name.partition("[")[0], len(CATALOGUE)), name)
    )


def legend_line(name: str) -> Line2D:
    drawn = line_style(name)
    return Line2D([], [], color=drawn.colour, marker=drawn.marker, **drawn.stroke)


@dataclass(frozen=True)
class Theme:
    background: str
    text: str
    muted: str
    grid: str

    @property
    def rc(self) -> dict[Any, Any]:
        """The theme as matplotlib's settings; names from a file are never parsed as formulas."""
        back = dict.fromkeys(("figure.facecolor", "axes.facecolor"), self.background)
        front = dict.fromkeys(("text.color", "axes.labelcolor"), self.text)
        ticks = dict.fromkeys(("xtick.color", "ytick.color"), self.muted)
        lines = {"axes.edgecolor": self.grid, "grid.color": self.grid, "grid.linewidth": 0.6}
        sizes = {"font.size": 8, "axes.titlesize": 8, "axes.labelsize": 8}
        small = dict.fromkeys(("xtick.labelsize", "ytick.labelsize"), 7)
        # A given title height spares matplotlib the measuring of every label.
        words = {"text.parse_math": False, "font.family": FONT, "axes.titley": 1.0}
        return {**back, **front, **ticks, **lines, **sizes, **small, **words}


THEMES = {
    "light": Theme("#ffffff", "#1b1f24", "#57606a", "#dfe3e8"),
    "dark": Theme("#14171a", "#e6e9ec", "#a3acb5", "#333a41"),
}


@contextmanager
def quiet_about_glyphs() -> Iterator[None]:
    """Ignore what the font lacks: a name may be in any script, and a box is drawn for the rest."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)
        yield


@contextmanager
def styled(theme: Theme) -> Iterator[None]:
    """Draw what is drawn inside with the colours of a theme."""
    settings: dict[Any, Any] = dict(sns.axes_style("whitegrid"))
    with mpl.rc_context(settings | theme.rc), quiet_about_glyphs():
        yield
