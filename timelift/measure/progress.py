"""What a campaign reports while it runs, as data with its words, and how far it has come."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from timelift.errors import counted


@dataclass(frozen=True)
class CampaignBegun:
    """How much there is to measure, in launches of settings; `two_sided` tries suspects."""

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


@dataclass(frozen=True)
class StillUndecided:
    """The settings of the campaign that need more launches than these, by label."""

    launches: int
    undecided: Sequence[str]
    settings: int

    @property
    def how_many(self) -> str:
        return f"{len(self.undecided)} of {counted(self.settings, 'setting')}"


@dataclass(frozen=True)
class StageBegun:
    """What a launch of a setting does, and the seconds left, infinite where not known."""

    launch: int
    setting: str
    doing: str
    seconds_left: float
    at_most: bool

    @property
    def time_left(self) -> str:
        """How long the rest takes, or may take, in words; empty where that is not known."""
        if not math.isfinite(self.seconds_left):
            return ""
        minutes, rest = divmod(max(0, round(self.seconds_left)), 60)
        how = "at most" if self.at_most else "about"
        return f"{how} {f'{minutes} min ' if minutes else ''}{rest} s left"


CampaignEvent = CampaignBegun | StillUndecided | StageBegun


class Display(Protocol):
    def say(self, text: str) -> None:
        """Print a line that stays."""

    def show(self, event: CampaignEvent) -> None:
        """Show an event: a stage until the next one, anything else as a line that stays."""


@dataclass
class ProgressState:
    """The latest event of each kind; `seen` are the launches of settings that have begun."""

    begun: CampaignBegun | None = None
    undecided: StillUndecided | None = None
    stage: StageBegun | None = None
    seen: set[tuple[int, str]] = field(default_factory=set)

    def take(self, event: CampaignEvent) -> None:
        if isinstance(event, CampaignBegun):
            self.begun = event
        elif isinstance(event, StillUndecided):
            self.undecided = event
        else:
            self.stage = event
            self.seen.add((event.launch, event.setting))

    @property
    def _in_the_fewest(self) -> bool:
        return bool(self.begun and self.stage and self.stage.launch <= self.begun.fewest)

    @property
    def share(self) -> float | None:
        """The share of the fewest launches that has begun; None where unknown or all has."""
        if not (self.begun and self._in_the_fewest):
            return None
        return min(1.0, (len(self.seen) - 1) / (self.begun.settings * self.begun.fewest))

    @property
    def words(self) -> str:
        """How far the campaign has come, and what it does, in one line."""
        stage = self.stage
        if stage is None:
            return ""
        doubt = f"{self.undecided.how_many} undecided" if self.undecided else ""
        doing = f"{stage.setting}: {stage.doing}"
        return " · ".join(filter(None, (stage.time_left, *self._where(stage), doubt, doing)))

    def _where(self, stage: StageBegun) -> Iterator[str]:
        place = sum(number == stage.launch for number, _ in self.seen)
        if self.begun and self._in_the_fewest:
            yield f"launch {stage.launch} of {self.begun.fewest}"
            yield f"setting {place} of {self.begun.settings}"
        else:
            yield f"launch {stage.launch}"
            yield f"setting {place}"
