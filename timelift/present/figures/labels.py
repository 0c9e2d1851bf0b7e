"""Names at the ends of lines, pushed apart where they would overlap."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.axes import Axes

from timelift.present.figures.facets import Key
from timelift.present.figures.panels import Panel, shown, text_inches
from timelift.present.figures.style import Theme

_SIZE = 7
#: Points from one label's middle to the next, and points that a label may stand off its line.
_APART, _OFF = 9.5, 22.0
#: Points from the edge of a panel to its labels.
_LEAD = 12


@dataclass(frozen=True)
class Labels:
    """Labels of every panel: the last point of each line, and the vertical range, by panel."""

    bare: Panel
    ends: Mapping[Key, Mapping[str, tuple[float, float]]]
    ranges: Mapping[Key, tuple[float, float]]

    @property
    def panel(self) -> Panel:
        """The panel with room for the widest label on its right."""
        names = [shown(name) for ends in self.ends.values() for name in ends]
        widest = max(text_inches(name, _SIZE) for name in names)
        return replace(self.bare, right=widest + (_LEAD + 6) / 72)

    @property
    def fit(self) -> bool:
        """Whether every label finds a place near the end of its line."""
        return all(self._fits(one) for one in self.ends)

    def _fits(self, one: Key) -> bool:
        wanted = self._heights(one)
        placed = spread(wanted, _APART)
        inside = min(placed) >= 0 and max(placed) <= self.bare.height * 72
        return inside and bool(np.max(np.abs(np.subtract(placed, wanted))) <= _OFF)

    def _heights(self, one: Key) -> list[float]:
        """Give the heights of the ends of the lines in points above the panel's floor."""
        low, high = (math.log(end) for end in self.ranges[one])
        points = self.bare.height * 72 / (high - low)
        return [(math.log(y) - low) * points for _, y in self.ends[one].values()]

    def draw(self, axes: Axes, one: Key, theme: Theme) -> None:
        """Write the labels of one panel, each with a thin line to its end."""
        placed = spread(self._heights(one), _APART)
        for (name, end), height in zip(self.ends[one].items(), placed, strict=True):
            axes.annotate(
                shown(name),
                end,
                (1 + _LEAD / 72 / self.bare.width, height / 72 / self.bare.height),
                textcoords="axes fraction",
                va="center",
                size=_SIZE,
                color=theme.text,
                annotation_clip=False,
                arrowprops={"arrowstyle": "-", "color": theme.muted, "lw": 0.5, "shrinkB": 3},
            )


def spread(wanted: Sequence[float], apart: float) -> list[float]:
    """Move places as little as needed to be `apart` from each other; their order stays.

    Neighbours that are too close become one group around their mean, until no two groups touch:
    the pool-adjacent-violators solution of least squares.
    """
    order = np.argsort(wanted, kind="stable")
    groups: list[tuple[float, int]] = []
    for rank, place in enumerate(np.asarray(wanted)[order]):
        groups.append((place - rank * apart, 1))
        while len(groups) > 1 and groups[-2][0] > groups[-1][0]:
            (low, few), (high, more) = groups[-2:]
            groups[-2:] = [((low * few + high * more) / (few + more), few + more)]
    pooled = np.repeat([base for base, _ in groups], [count for _, count in groups])
    placed = np.empty(len(wanted))
    placed[order] = pooled + apart * np.arange(len(wanted))
    return [float(place) for place in placed]
