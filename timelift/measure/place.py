"""Where the launches of a run are played: on this machine, unless a door says where else."""

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager

from timelift.case import Backend, Case, Setting
from timelift.journal.files import PlayedSettings
from timelift.journal.lines import Machine
from timelift.measure import machine
from timelift.measure.campaign import Campaign
from timelift.measure.catalogue import Catalogue
from timelift.measure.locks import Note, machine_lock
from timelift.measure.run_options import RunOptions

_Campaigns = Callable[[Iterable[Case], Catalogue, RunOptions, PlayedSettings], Campaign]


class Place:
    """The machine of this process; another place overrides what differs."""

    #: Returns the campaign of a run that is played here.
    campaign: _Campaigns = staticmethod(Campaign)

    @property
    def kinds(self) -> Collection[str]:
        """The kinds of machines, as values of the axis `machine`; '' alone where all are alike."""
        return ("",)

    def refuse_unable(self) -> None:
        """Raise UserError if nothing can be measured here."""
        machine.refuse_without_backend()

    def why_not(self, setting: Setting) -> str:
        """Reason why a setting cannot be measured here, or ''."""
        return machine.why_not_here(setting)

    def machines(self, backends: Iterable[Backend]) -> Mapping[str, Machine]:
        """Describe each kind of machine, by its name."""
        return {"": machine.this_machine(backends)}

    def lock(
        self, say: Callable[[str], None], command: str, stop: Callable[[], bool] = lambda: False
    ) -> AbstractContextManager[Note]:
        """Keep other runs from measuring here meanwhile; the command is shown to them."""
        return machine_lock(say, command, stop=stop)
