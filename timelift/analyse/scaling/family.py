"""Families: settings that differ in one size and in nothing else, in the order of that size."""

import dataclasses
import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from timelift.analyse.runs.measurement import Measurement, Samples
from timelift.analyse.stats.aligned_samples import AlignedSamples, aligned_samples
from timelift.analyse.stats.effects import Effects, all_pairs
from timelift.case import Setting

#: The axes that are sizes, along which times grow.
SIZES = ("seq_len", "batch")


@dataclass(frozen=True)
class Family:
    """The boards of settings that differ along `axis` only, at least two."""

    axis: str
    boards: tuple[AlignedSamples, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """The measured sizes, rising."""
        return tuple(getattr(board.setting, self.axis) for board in self.boards)

    @property
    def setting(self) -> Setting:
        """The setting of the smallest size."""
        return self.boards[0].setting

    @property
    def strategies(self) -> tuple[str, ...]:
        """Everyone who was measured at any size, by name."""
        return tuple(sorted({case.strategy for board in self.boards for case in board.cases}))

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Every pair of strategies once."""
        return list(itertools.combinations(self.strategies, 2))

    @property
    def launches(self) -> tuple[int, ...]:
        """The numbers of all launches."""
        return tuple(sorted({number for board in self.boards for number in board.launches}))

    def log_seconds(self) -> Samples:
        """Give log seconds per call as (strategies, sizes, launches), NaN where not played."""
        place = {name: row for row, name in enumerate(self.strategies)}
        found = np.full((len(place), len(self.boards), len(self.launches)), np.nan)
        for size, board in enumerate(self.boards):
            rows = [place[case.strategy] for case in board.cases]
            found[np.ix_(rows, [size], self._places(board))] = board.launch_medians()[:, None]
        return found

    def paired(self) -> Effects:
        """Give the launch effects of every pair as (pairs, sizes, launches)."""
        shape = (len(self.pairs), len(self.boards), len(self.launches))
        found = Effects(np.full(shape, np.nan), np.full(shape, np.nan))
        place = {pair: row for row, pair in enumerate(self.pairs)}
        for size, board in enumerate(self.boards):
            names = [case.strategy for case in board.cases]
            rows = [place[names[i], names[j]] for i, j in board.pairs]
            effects, cells = all_pairs(board.seconds), np.ix_(rows, [size], self._places(board))
            found.effect[cells] = effects.effect[:, None]
            found.error[cells] = effects.error[:, None]
        return found

    def _places(self, board: AlignedSamples) -> list[int]:
        return [self.launches.index(number) for number in board.launches]


def families(measurements: Iterable[Measurement], axes: Sequence[str] = SIZES) -> list[Family]:
    """Find the families of a run along each axis; a setting that stands alone is in none."""
    known = aligned_samples(measurements)
    return [family for axis in axes for family in _along(axis, known)]


def _along(axis: str, known: Iterable[AlignedSamples]) -> list[Family]:
    groups: dict[Setting, list[AlignedSamples]] = defaultdict(list)
    for board in known:
        groups[others(board.setting, axis)].append(board)
    return [
        Family(axis, tuple(sorted(group, key=lambda board: board.setting)))
        for group in groups.values()
        if len(group) > 1
    ]


def others(setting: Setting, axis: str) -> Setting:
    """Give the setting without its size along `axis`: the members of a family agree in it."""
    if axis == "batch":
        return dataclasses.replace(setting, batch=0)
    return dataclasses.replace(setting, seq_len=0)
