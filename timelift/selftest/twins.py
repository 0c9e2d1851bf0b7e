"""The race of a self-test: a strategy of each setting against twins whose difference is known."""

import itertools
import shutil
import tempfile
import zlib
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from timelift.analyse.stopping import Referee, plan_of_twins
from timelift.case import COPY_SEPARATOR, Case
from timelift.journal.files import SELFTEST_FOLDER
from timelift.measure.campaign import CampaignReferee
from timelift.measure.launch import run_folder
from timelift.measure.options import RunOptions
from timelift.measure.request import RunRequest
from timelift.measure.session import Race
from timelift.selftest.trust import machine_folder

#: The twins of a strategy, and the share that each is slower.
TWINS = {f"copy_{number}": 0.0 for number in (1, 2, 3)} | {
    f"+5%_{number}": 0.05 for number in (1, 2, 3)
}


class TwinsRace(Race):
    """Race a strategy of each setting against twins of it, which join the request's catalogue."""

    #: Calls short enough to plant in.
    usual_axes: ClassVar = {
        "workloads": "sensor,tokens",
        "strategies": "native,fold_time,loop_unstack,vectorized_map,time_distributed",
        "seq_lens": "8",
        "batch_sizes": "1,16",
        "modes": "graph,eager",
    }
    folder = SELFTEST_FOLDER

    def __init__(self, request: RunRequest) -> None:
        super().__init__(request)
        self._copies = tempfile.TemporaryDirectory(dir=run_folder())

    def cases(self, grid: list[Case]) -> list[Case]:
        """Return one strategy of each setting in the grid, with its planted twins.

        The strategy depends on the setting alone: questions that share a setting share its rivals,
        each strategy comes up in some, and a setting has no more rivals than in a usual run.
        """
        cases = []
        for setting, group in itertools.groupby(grid, key=lambda case: case.setting):
            names = [case.strategy for case in group]
            name = names[zlib.crc32(setting.label.encode()) % len(names)]
            cases += [Case(setting, rival) for rival in (name, *self._twins(name))]
        return cases

    def _twins(self, name: str) -> list[str]:
        """Add a strategy's twins to the catalogue, those as fast loaded from another path."""
        strategies = self.request.catalogue.strategies
        base, names = strategies[name], []
        for suffix, slower in TWINS.items():
            path = base.path if slower else Path(self._copies.name) / suffix / base.path.name
            if not slower:
                path.parent.mkdir(exist_ok=True)
                shutil.copy(base.path, path)
            twin = replace(
                base,
                name=f"{name}{COPY_SEPARATOR}{suffix}",
                path=path,
                copy_of=name,
                planted=slower,
            )
            strategies[twin.name] = twin
            names.append(twin.name)
        return names

    def options(self) -> RunOptions:
        return replace(self.request.options, spare_seconds=600.0, reads_peak_memory=False)

    def journal_folder(self, machine: str) -> Path:
        """Return the machine's own folder, or that of --results."""
        is_named = self.request.texts["results"]
        return super().journal_folder(machine) if is_named else machine_folder(machine)

    def referee(self) -> CampaignReferee:
        options, aside = self.request.options, self.request.catalogue.look_alikes
        return Referee(plan_of_twins(options.precision), aside=aside)
