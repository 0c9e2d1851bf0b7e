"""Where the launches of a run are played: on this machine, or where a door says."""

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from timelift.case import Backend, Case, Setting
from timelift.journal.files import PlayedSettings
from timelift.journal.lines import Machine
from timelift.measure import machine
from timelift.measure.campaign import Campaign
from timelift.measure.catalogue import Catalogue
from timelift.measure.locks import machine_lock
from timelift.measure.request import RunOptions


class Place(Protocol):
    @property
    def kinds(self) -> Collection[str]:
        """The kinds of machines, as values of the axis `machine`; '' alone where all are alike."""

    def refuse_unable(self) -> None:
        """Raise UserError if nothing can be measured here."""

    def why_not(self, setting: Setting) -> str:
        """Reason why a setting cannot be measured here, or ''."""

    def describe(self, backends: Iterable[Backend]) -> Mapping[str, Machine]:
        """Describe each kind of machine, by its name."""

    def lock(
        self, say: Callable[[str], None], patience: float | None, stop: Callable[[], bool]
    ) -> AbstractContextManager[None]:
        """Keep others from measuring meanwhile, as `locks.machine_lock` does."""

    def campaign(
        self,
        cases: Iterable[Case],
        catalogue: Catalogue,
        options: RunOptions,
        played: PlayedSettings,
    ) -> Campaign: ...


class ThisMachine(Place):
    kinds = ("",)

    def refuse_unable(self) -> None:
        machine.refuse_without_backend()

    def why_not(self, setting: Setting) -> str:
        return machine.why_not_here(setting)

    def describe(self, backends: Iterable[Backend]) -> Mapping[str, Machine]:
        return {"": machine.describe(backends)}

    def lock(
        self, say: Callable[[str], None], patience: float | None, stop: Callable[[], bool]
    ) -> AbstractContextManager[None]:
        return machine_lock(say, patience, stop=stop)

    def campaign(
        self,
        cases: Iterable[Case],
        catalogue: Catalogue,
        options: RunOptions,
        played: PlayedSettings,
    ) -> Campaign:
        return Campaign(cases, catalogue, options, played)
