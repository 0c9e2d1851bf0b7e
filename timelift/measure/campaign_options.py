"""The options of a campaign: how much to measure, which referee judges, where progress is shown."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from timelift.case import Case
from timelift.journal import CaseInLaunch
from timelift.measure.budget import SPARE_SECONDS
from timelift.measure.events import CampaignBegun, Display
from timelift.measure.launch import Limits

#: So many launches build with the machine to themselves: their first calls give an interval.
_UNDISTURBED = 3
#: Takes the lines of rivals that were played together.
Record = Callable[..., None]


@dataclass(frozen=True)
class CampaignOptions:
    """How much to measure: launches, each rival's seconds of rounds, the limits.

    Every case has the `fewest` launches, and up to `most` while the referee wants them and time is
    left: `budget_seconds` for the whole run, or else `spare_seconds` for what goes beyond the
    fewest. `stop_after` failures (pytest's `--maxfail`) end the campaign early; 0 never does.
    A worker may use `memory_bytes`, 0 being no limit. Where it `gauges_memory`, each case's peak of
    the host's memory is read after launch 1, and again in the launches that try a suspect.
    Launches stay on the processors `cores`, if any are named. In a `two_sided` campaign every case
    is raced against its other side, in `other_python` if any is named, and the launches beyond the
    fewest are for suspects.
    """

    fewest: int
    most: int
    round_seconds: float
    seed: int
    limits: Limits
    stop_after: int = 0
    budget_seconds: float | None = None
    spare_seconds: float = SPARE_SECONDS
    cores: tuple[int, ...] = ()
    memory_bytes: int = 0
    gauges_memory: bool = False
    two_sided: bool = False
    other_python: str = ""

    def begun(self, cases: int, settings: int) -> CampaignBegun:
        return CampaignBegun(
            cases, settings, self.fewest, self.most, self.two_sided, self.budget_seconds
        )

    def groups(self, decision_points: Sequence[int]) -> Iterator[tuple[int, ...]]:
        """Group launches: the first few alone, then pairs that never span a decision point.

        A launch by itself is undisturbed, so that its first calls are facts. Where two sides are
        compared, both suffer alike, and all launches but the first come in pairs.
        """
        first, undisturbed = 1, 1 if self.two_sided else min(self.fewest, _UNDISTURBED)
        while first <= self.most:
            alone = first <= undisturbed or first in decision_points or first == self.most
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


@dataclass(frozen=True)
class Observers:
    record: Record
    display: Display
    referee: CampaignReferee
