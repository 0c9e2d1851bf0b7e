"""The time that a campaign has, and what a launch of each setting costs."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from timelift.case import Setting

#: Without a budget of the user's, launches beyond the fewest begin until so many seconds have
#: passed; a self-test has longer.
SPARE_SECONDS, SELFTEST_SPARE_SECONDS = 240.0, 600.0


class Budget:
    """Seconds from now on: `seconds` for everything, or `spare` for launches beyond the fewest."""

    def __init__(
        self, seconds: float | None, spare: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock, self._started = clock, clock()
        self._all = float("inf") if seconds is None else seconds
        self._more = spare if seconds is None else seconds
        self._prices: dict[Setting, float] = {}
        self.import_seconds = 0.0

    @property
    def spent(self) -> float:
        return self._clock() - self._started

    def left(self, *, beyond_fewest: bool) -> float:
        """Return the seconds left, infinite where nothing limits them."""
        return (self._more if beyond_fewest else self._all) - self.spent

    @contextmanager
    def paying(self, setting: Setting) -> Iterator[None]:
        started = self._clock()
        yield
        self._prices[setting] = self._clock() - started

    def price(self, setting: Setting) -> float:
        """Return the seconds of the last launch of a setting; 0 where there was none."""
        return self._prices.get(setting, 0.0)

    def fits(self, setting: Setting, *, beyond_fewest: bool) -> bool:
        return self.price(setting) <= self.left(beyond_fewest=beyond_fewest)

    def fits_any(self, settings: Iterable[Setting], *, beyond_fewest: bool) -> bool:
        """True if new launches could import the backend and play one of the settings in time."""
        left = self.left(beyond_fewest=beyond_fewest) - self.import_seconds
        return any(self.price(setting) < left for setting in settings)


class Pace:
    """Predict the time for the rest of some equal pieces of work from those that are done."""

    def __init__(self, pieces: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._started = clock, clock()
        self._pieces, self._done = pieces, 0

    def step(self) -> None:
        self._done += 1

    @property
    def seconds_left(self) -> float:
        """Return the seconds for the rest, infinite before the first piece is done."""
        if not self._done:
            return float("inf")
        return (self._clock() - self._started) / self._done * max(0, self._pieces - self._done)
