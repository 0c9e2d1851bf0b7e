"""The self-test's grid: in every setting one strategy and its planted twins are the rivals.

Which strategy it is depends on the setting alone: questions that share a setting share its rivals,
all strategies have their turn, and rivals stay as many as in a usual run.
"""

import itertools
import shutil
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from timelift.case import Case, Setting
from timelift.measure.catalogue import Strategy
from timelift.measure.grid import Catalogue
from timelift.planted import MARK, PLANTS, Plant

#: What a self-test measures where the user names nothing else: calls short enough to plant in.
AXES = {
    "workloads": "sensor,tokens",
    "strategies": "native,fold_time,loop_unstack,vectorized_map,time_distributed",
    "seq_lens": "8",
    "batch_sizes": "1,16",
}


def cases(grid: Iterable[Case], catalogue: Catalogue, copies: Path) -> Iterator[Case]:
    """Return the cases of a self-test in the settings of `grid`; add the twins to the catalogue.

    `copies` is a folder for the files that are loaded from another path.
    """
    for setting, group in itertools.groupby(grid, key=lambda case: case.setting):
        names = [case.strategy for case in group]
        base = catalogue.strategies[names[_lot(setting) % len(names)]]
        yield Case(setting, base.name)
        for plant in PLANTS:
            twin = _twin(base, plant, copies)
            catalogue.strategies[twin.name], catalogue.plants[twin.name] = twin, plant
            yield Case(setting, twin.name)


def _lot(setting: Setting) -> int:
    """Draw a number for a setting that is the same in every process."""
    return zlib.crc32(setting.label.encode())


def _twin(base: Strategy, plant: Plant, copies: Path) -> Strategy:
    path = Path(shutil.copy(base.path, copies)) if plant.own_path else base.path
    return replace(base, name=f"{base.name}{MARK}{plant.word}", path=path, twin_of=base.name)
