"""How far a campaign has come, by its events."""

from dataclasses import dataclass, field

from timelift.measure.events import CampaignBegun, CampaignEvent, StageBegun, StillUndecided


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
        """Return the share of the fewest launches that has begun; None where unknown or all has."""
        if not (self.begun and self._in_the_fewest):
            return None
        return min(1.0, (len(self.seen) - 1) / (self.begun.settings * self.begun.fewest))

    @property
    def where(self) -> str:
        if self.stage is None:
            return ""
        launch, begun = self.stage.launch, self.begun
        place = sum(number == launch for number, _ in self.seen)
        of = f" of {begun.fewest}" if begun and self._in_the_fewest else ""
        more = f", up to {begun.most} where open" if begun and begun.most > begun.fewest else ""
        all_of_them = f" of {begun.settings}" if begun and of else ""
        return f"launch {launch}{of}{more} · setting {place}{all_of_them}"
