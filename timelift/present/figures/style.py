"""The look of a figure: light and dark, by seaborn's white grid."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib as mpl

__all__ = ["FONT", "THEMES", "Theme", "sns", "styled"]

#: It comes with matplotlib, so figures look the same everywhere.
FONT = "DejaVu Sans"


def _seaborn() -> Any:
    """Import seaborn, without scipy's statistics where neither has been imported yet.

    Half of its import is scipy, an optional extra for densities and clusterings, which no figure
    here has. A package that is None in `sys.modules` counts as not installed. The copy that comes
    of it stays inside timelift: a later import of seaborn gets all of it.
    """
    modules: dict[str, Any] = sys.modules
    if "seaborn" in modules or "scipy.stats" in modules:
        return importlib.import_module("seaborn")
    kept = {name: modules.pop(name) for name in [*modules] if name.partition(".")[0] == "scipy"}
    modules["scipy"] = None
    try:
        return importlib.import_module("seaborn")
    finally:
        for name in [one for one in modules if one.partition(".")[0] in {"scipy", "seaborn"}]:
            del modules[name]
        modules.update(kept)


if TYPE_CHECKING:
    import seaborn as sns
else:
    sns = _seaborn()


@dataclass(frozen=True)
class Theme:
    """The colours of everything that is not a strategy."""

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
def styled(theme: Theme) -> Iterator[None]:
    """Draw what is drawn inside with the colours of a theme."""
    settings: dict[Any, Any] = dict(sns.axes_style("whitegrid"))
    with mpl.rc_context(settings | theme.rc):
        yield
