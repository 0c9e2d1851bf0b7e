"""Logarithmic axes with few, plainly written ticks."""

import math
from collections.abc import Iterable, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

#: Any axis this much longer than its beginning has two of 1, 2, 5 in it.
_LEAST_SPAN = 5.5
#: Round numbers within a decade, most first.
_DIGITS = ((1, 1.5, 2, 3, 4, 5, 7), (1, 2, 5), (1, 3), (1,))
_PLAIN_FROM, _PLAIN_TO = 1e-3, 1e5


def limits(values: Iterable[float], room: float = 1.3) -> tuple[float, float]:
    """Give the ends of an axis that has `room`, a factor, on both sides of the values."""
    finite = [value for value in values if math.isfinite(value) and value > 0]
    low, high = min(finite), max(finite)
    wider = max(room, math.sqrt(_LEAST_SPAN * low / high))
    return low / wider, high * wider


def ticks(low: float, high: float, most: int) -> list[float]:
    """Choose at most `most` round numbers from `low` to `high`, as dense as they can be."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    decades = range(first, last + 1)
    for digits in _DIGITS:
        found = [digit * 10.0**power for power in decades for digit in digits]
        inside = [value for value in found if low <= value <= high]
        if len(inside) <= most:
            return inside
    return thin(inside, most)


def thin(values: Sequence[float], most: int) -> list[float]:
    """Keep at most `most` of the values, evenly by their place, the last one always."""
    step = math.ceil(len(values) / most)
    return list(values[::-1][::step][::-1])


def written(value: float) -> str:
    """Write a tick's number, by a power of ten where it would be long."""
    if _PLAIN_FROM <= value < _PLAIN_TO:
        return f"{value:,g}"
    return f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e")


def scale_x(axes: Axes, low: float, high: float, places: Sequence[float]) -> None:
    """Make the horizontal axis logarithmic, with ticks at `places`."""
    axes.set(xscale="log", xlim=(low, high))
    axes.xaxis.set(
        major_locator=FixedLocator(places),
        major_formatter=FixedFormatter([written(place) for place in places]),
        minor_locator=NullLocator(),
    )


def scale_y(axes: Axes, low: float, high: float, places: Sequence[float]) -> None:
    """Make the vertical axis logarithmic, with ticks at `places`."""
    axes.set(yscale="log", ylim=(low, high))
    axes.yaxis.set(
        major_locator=FixedLocator(places),
        major_formatter=FixedFormatter([written(place) for place in places]),
        minor_locator=NullLocator(),
    )
