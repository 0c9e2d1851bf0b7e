"""What a campaign reports while it runs, and the time that it has left."""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from timelift.case import Setting
from timelift.errors import counted

#: Longer times are said in minutes.
_SECONDS_SHOWN = 90


@dataclass(frozen=True)
class CampaignBegun:
    """How much there is to measure; in a `two_sided` run more launches are for suspects."""

    cases: int
    settings: int
    fewest: int
    most: int
    two_sided: bool = False
    budget_seconds: float | None = None

    @property
    def words(self) -> str:
        why = "a change is suspected" if self.two_sided else "the answer is open"
        more = f", up to {self.most} where {why}" if self.most > self.fewest else ""
        seconds = self.budget_seconds
        within = f", all within {round(seconds) or seconds:g} s" if seconds else ""
        cases, settings = counted(self.cases, "case"), counted(self.settings, "setting")
        return f"{cases} in {settings}, {counted(self.fewest, 'launch')} each{more}{within}"


class Seconds(NamedTuple):
    """What a run has taken, and what the rest takes, at least and at most: infinite if unknown."""

    gone: float
    least: float
    most: float

    @property
    def share(self) -> float:
        """The share that is over if the rest takes the most."""
        return self.gone / max(self.gone + self.most, 1e-9)

    @property
    def words(self) -> str:
        """The time that the rest takes; '' if unknown."""
        if not math.isfinite(self.most):
            return ""
        least, most = _in_words(self.least), _in_words(self.most)
        if least == most:
            return f"about {most} left"
        return f"at most {most} left" if least == "0 s" else f"{least} to {most} left"


def _in_words(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds <= _SECONDS_SHOWN else f"{math.ceil(seconds / 60)} min"


@dataclass(frozen=True)
class StageBegun:
    """The stage that a setting in a launch has begun: `where` and `doing` are in words."""

    where: str
    doing: str
    seconds: Seconds

    @property
    def words(self) -> str:
        return " · ".join(filter(None, (self.seconds.words, self.where, self.doing)))


CampaignEvent = CampaignBegun | StageBegun


class Display(Protocol):
    def say(self, text: str) -> None:
        """Print a line that stays."""

    def show(self, event: CampaignEvent) -> None:
        """Show an event: a stage until the next one, anything else as a line that stays."""


class Budget:
    """Seconds from now on: `seconds` for all launches, or `spare` for those beyond the fewest."""

    def __init__(
        self, seconds: float | None, spare: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock, self._started = clock, clock()
        self._limit = float("inf") if seconds is None else seconds
        self._limit_beyond = spare if seconds is None else seconds
        self._prices: dict[Setting, float] = {}
        self.import_seconds = 0.0

    def left(self, *, beyond_fewest: bool) -> float:
        """Return the seconds left, infinite if there is no limit."""
        limit = self._limit_beyond if beyond_fewest else self._limit
        return limit - (self._clock() - self._started)

    @contextmanager
    def paying(self, setting: Setting) -> Iterator[None]:
        started = self._clock()
        yield
        self._prices[setting] = self._clock() - started

    def fits(self, setting: Setting, *, beyond_fewest: bool) -> bool:
        return self._prices.get(setting, 0.0) <= self.left(beyond_fewest=beyond_fewest)

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

    @property
    def seconds_a_piece(self) -> float:
        """The mean of those that are done; infinite if there is none."""
        return (self._stepped - self._started) / self._done if self._done else float("inf")

    def seconds_for(self, pieces: float) -> float:
        """Return what these pieces still take, of which one is begun; infinite if unknown."""
        if not self._done:
            return float("inf")
        this_one = max(0.0, self.seconds_a_piece - (self._clock() - self._stepped))
        return this_one + self.seconds_a_piece * (pieces - 1)
