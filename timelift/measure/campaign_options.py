"""The options of a campaign: how much to measure and in which time, and its referee."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from timelift.case import Case, Setting
from timelift.journal import CaseInLaunch
from timelift.measure.launch import Limits
from timelift.measure.progress import CampaignBegun

#: Without a budget of the user's, launches beyond the fewest begin until so many seconds have
#: passed; a self-test has longer.
SPARE_SECONDS, SELFTEST_SPARE_SECONDS = 240.0, 600.0
#: Seconds of rounds that a rival plays in a launch.
ROUND_SECONDS = 0.1
#: So many launches build one at a time: first calls of those that nothing else builds beside give
#: an interval.
_UNDISTURBED = 3


@dataclass(frozen=True)
class CampaignOptions:
    """How much to measure: launches, whether rounds are played in them, the limits.

    Every case has the `fewest` launches, and up to `most` while the referee wants them and time is
    left: `budget_seconds` for the whole run, or else `spare_seconds` for what goes beyond the
    fewest. `stop_after` failures (pytest's `--maxfail`) end the campaign early; 0 never does.
    A worker may use `memory_bytes`, 0 being no limit. With `reads_peak_memory`, each case's peak of
    the host's memory is read in one of the first launches of a setting, where a budget has time for
    it, and again where the referee doubts it.
    Where `once`, each case is built, held to the law and called, and no rounds are played. In a
    `two_sided` campaign every case is raced against its other side, in `other_python` if any is
    named, memory is asked for steadily, and the launches beyond the fewest are for suspects.
    Workers import the modules of the project from `import_folders`.
    """

    fewest: int
    most: int
    seed: int
    limits: Limits
    once: bool = False
    stop_after: int = 0
    budget_seconds: float | None = None
    spare_seconds: float = SPARE_SECONDS
    memory_bytes: int = 0
    reads_peak_memory: bool = False
    two_sided: bool = False
    other_python: str = ""
    import_folders: tuple[Path, ...] = ()

    @property
    def launch_with_reader(self) -> int:
        """The launch beside which peak memory is read, so that its first calls are no facts.

        It is the second, since what failed in the first is not read, if two others build by
        themselves; else none, which is 0. Where two sides are compared it is the first: both suffer
        alike, and the others come in pairs. Two interpreters would not, since they build one after
        the other; and a budget has to see first what a launch takes.
        """
        if not self.reads_peak_memory or self.budget_seconds is not None or self.other_python:
            return 0
        if self.two_sided:
            return 1
        return 2 if self.fewest >= _UNDISTURBED else 0

    def begun(self, cases: int, settings: int) -> CampaignBegun:
        return CampaignBegun(
            cases, settings, self.fewest, self.most, self.two_sided, self.budget_seconds
        )

    def groups(self, decision_points: Sequence[int]) -> Iterator[tuple[int, ...]]:
        """Group launches: the first few alone, then pairs.

        No pair spans a decision point or the end of the fewest.
        A launch by itself is undisturbed, so that its first calls are facts. Where two sides are
        compared, both suffer alike, and all launches but the first come in pairs.
        """
        first, undisturbed = 1, 1 if self.two_sided else min(self.fewest, _UNDISTURBED)
        while first <= self.most:
            ends = first in decision_points or first in {self.fewest, self.most}
            alone = first <= undisturbed or ends
            last = first if alone else first + 1
            yield tuple(range(first, last + 1))
            first = last + 1


class CampaignReferee(Protocol):
    """Decides, from what was recorded, which cases need another launch."""

    @property
    def decision_points(self) -> Sequence[int]:
        """The numbers of launches at which a verdict may be given."""

    def take(self, line: CaseInLaunch) -> None:
        """Note a line of the journal."""

    def to_play(self) -> frozenset[Case]:
        """Return the cases that need more launches."""

    def doubts_peak_of(self) -> frozenset[Case]:
        """Return the cases whose peak memory is to be read again in those launches."""


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

    def fits(self, setting: Setting, *, beyond_fewest: bool) -> bool:
        return self._prices.get(setting, 0.0) <= self.left(beyond_fewest=beyond_fewest)

    def fits_any(self, settings: Iterable[Setting], *, beyond_fewest: bool) -> bool:
        """True if new launches could import the backend and play one of the settings in time."""
        left = self.left(beyond_fewest=beyond_fewest) - self.import_seconds
        return any(self._prices.get(setting, 0.0) < left for setting in settings)


class Pace:
    """Predict the time for the rest of some equal pieces of work from those that are done."""

    def __init__(self, pieces: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._started = clock, clock()
        self._pieces, self._done = pieces, 0

    def step(self) -> None:
        self._done += 1

    @property
    def seconds_left(self) -> float:
        if not self._done:
            return float("inf")
        return (self._clock() - self._started) / self._done * max(0, self._pieces - self._done)
