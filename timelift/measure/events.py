"""What a campaign reports while it runs, as data; `progress` words it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class CampaignBegun:
    """How much there is to measure, in launches of settings; `two_sided` tries suspects."""

    cases: int
    settings: int
    fewest: int
    most: int
    two_sided: bool = False
    budget_seconds: float | None = None


@dataclass(frozen=True)
class StillUndecided:
    """The settings of the campaign that need more launches than these, by label."""

    launches: int
    undecided: Sequence[str]
    settings: int


@dataclass(frozen=True)
class StageBegun:
    """What a launch of a setting does, and the seconds left, infinite where not known."""

    launch: int
    setting: str
    doing: str
    seconds_left: float
    at_most: bool


CampaignEvent = CampaignBegun | StillUndecided | StageBegun


class Display(Protocol):
    def say(self, text: str) -> None:
        """Print a line that stays."""

    def show(self, event: CampaignEvent) -> None:
        """Show an event: a stage until the next one, anything else as a line that stays."""
