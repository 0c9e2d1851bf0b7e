"""What a campaign reports while it runs, and the time that it has left."""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from timelift.case import Setting
from timelift.errors import counted
from timelift.measure.options import RunOptions

#: Longer times are said in minutes.
_SECONDS_SHOWN = 90
#: What disturbed settings that are played again may take, as a share of all else.
_AGAIN = 0.5


def plan_in_words(cases: int, settings: int, options: RunOptions) -> str:
    """Return how much there is to measure; in a two-sided run more launches are for suspects."""
    launches, seconds = options.launches, options.budget
    why = "a change is suspected" if options.two_sided else "the answer is open"
    more = f", up to {launches.most} where {why}" if launches.most > launches.fewest else ""
    within = f", all within {round(seconds) or seconds:g} s" if seconds else ""
    each = counted(launches.fewest, "launch")
    return f"{counted(cases, 'case')} in {counted(settings, 'setting')}, {each} each{more}{within}"


@dataclass(frozen=True)
class StageBegun:
    """The stage that a setting in a launch has begun: `where` and `doing` are in words.

    `gone` are the seconds of the launches so far, and `left` is the most that the rest takes,
    infinite if unknown.
    """

    where: str
    doing: str
    gone: float
    left: float

    @property
    def share(self) -> float:
        return self.gone / (self.gone + self.left or 1.0)

    @property
    def words(self) -> str:
        left = f"up to {math.ceil(self.left / 60)} min left" if math.isfinite(self.left) else ""
        if self.left <= _SECONDS_SHOWN:
            left = f"up to {self.left:.0f} s left"
        return " · ".join(filter(None, (left, self.where, self.doing)))


class Display(Protocol):
    note: Callable[[float], None]  # is told at each stage how many seconds are left

    def say(self, text: str) -> None:
        """Print a line that stays."""

    def show(self, stage: StageBegun) -> None:
        """Show a stage until the next one."""


class Budget:
    """Seconds from now on: `seconds` for all launches, or `spare` for those beyond the fewest."""

    def __init__(
        self, seconds: float | None, spare: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock, self._started = clock, clock()
        self._limit = float("inf") if seconds is None else seconds
        self._limit_beyond = spare
        self._prices: dict[Setting, float] = {}
        self._usual = self._again = 0.0
        self.import_seconds = 0.0

    def left(self, *, beyond_fewest: bool) -> float:
        """Return the seconds left, infinite if there is no limit."""
        if beyond_fewest and math.isinf(self._limit):
            return self._limit_beyond - (self._gone - self._again)
        return self._limit - self._gone

    @property
    def _gone(self) -> float:
        return self._clock() - self._started

    def pay(self, setting: Setting, seconds: float) -> None:
        """Note what a launch of a setting took."""
        self._prices[setting] = seconds

    def owed(self, setting: Setting, seconds: float) -> float:
        """Return what a launch of a setting still takes, after so many seconds of it."""
        return max(0.0, self._prices.get(setting, 0.0) - seconds)

    def fits(self, setting: Setting, *, beyond_fewest: bool, owed: float = 0.0) -> bool:
        """True if there is time to play a setting, beside what others are owed."""
        left = self.left(beyond_fewest=beyond_fewest) - owed
        return self._prices.get(setting, 0.0) <= left

    @contextmanager
    def playing_again(self) -> Iterator[None]:
        """Count what is played meanwhile apart from all else, which stands still."""
        self._usual = self._gone - self._again
        yield
        self._again = self._gone - self._usual

    @property
    def left_again(self) -> float:
        """The seconds for which settings may be played again, while they are."""
        within = (1 + _AGAIN) * self._usual - self._gone
        return max(0.0, min(within, self.left(beyond_fewest=False)))

    def fits_again(self, setting: Setting, owed: float = 0.0) -> bool:
        return self._prices.get(setting, 0.0) + self.import_seconds + owed < self.left_again

    def fits_any(self, settings: Iterable[Setting], *, beyond_fewest: bool) -> bool:
        """True if new launches could import the backend and play one of the settings in time."""
        left = self.left(beyond_fewest=beyond_fewest) - self.import_seconds
        return any(self._prices.get(setting, 0.0) < left for setting in settings)


class Pace:
    """The time for equal pieces of work, predicted from those that are done."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._done = clock, 0
        self.start()

    def start(self) -> None:
        self._started = self._stepped = self._clock()

    def step(self) -> None:
        self._done += 1
        self._stepped = self._clock()

    @property
    def seconds_gone(self) -> float:
        return self._clock() - self._started

    def seconds_for(self, pieces: float) -> float:
        """Return what these pieces still take, of which one is begun; infinite if none is done."""
        if not self._done:
            return float("inf")
        a_piece = (self._stepped - self._started) / self._done
        return max(0.0, a_piece * pieces - (self._clock() - self._stepped))
