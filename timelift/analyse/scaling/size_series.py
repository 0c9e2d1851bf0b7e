"""Series of sizes: settings that differ in one size alone, in the order of that size."""

import dataclasses
import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from timelift.analyse.runs.measurement import Measurement
from timelift.analyse.stats.aligned_samples import AlignedSamples, aligned_samples
from timelift.analyse.stats.effects import Effects, all_pairs
from timelift.case import Setting

#: The axes that are sizes, along which times grow.
SIZES = ("seq_len", "batch")


@dataclass(frozen=True)
class SizeSeries:
    """The samples of settings that differ along `axis` only, at least two of them."""

    axis: str
    members: tuple[AlignedSamples, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(getattr(one.setting, self.axis) for one in self.members)

    @property
    def setting(self) -> Setting:
        return self.members[0].setting

    @property
    def strategies(self) -> tuple[str, ...]:
        """The strategies that were measured at any size, by name."""
        return tuple(sorted({case.strategy for one in self.members for case in one.cases}))

    @property
    def pairs(self) -> list[tuple[str, str]]:
        return list(itertools.combinations(self.strategies, 2))

    @property
    def launches(self) -> tuple[int, ...]:
        return tuple(sorted({number for one in self.members for number in one.launches}))

    def paired(self) -> Effects:
        """Return the launch effects of every pair as (pairs, sizes, launches)."""
        shape = (len(self.pairs), len(self.members), len(self.launches))
        found = Effects(np.full(shape, np.nan), np.full(shape, np.nan))
        place = {pair: row for row, pair in enumerate(self.pairs)}
        for size, one in enumerate(self.members):
            names = [case.strategy for case in one.cases]
            rows = [place[names[i], names[j]] for i, j in one.pairs]
            effects, cells = all_pairs(one.seconds), np.ix_(rows, [size], self._columns(one))
            found.effect[cells] = effects.effect[:, None]
            found.standard_error[cells] = effects.standard_error[:, None]
        return found

    def _columns(self, one: AlignedSamples) -> list[int]:
        return [self.launches.index(number) for number in one.launches]


def size_series(
    measurements: Iterable[Measurement], axes: Sequence[str] = SIZES
) -> list[SizeSeries]:
    known = aligned_samples(measurements)
    return [series for axis in axes for series in _along(axis, known)]


def _along(axis: str, known: Iterable[AlignedSamples]) -> list[SizeSeries]:
    groups: dict[Setting, list[AlignedSamples]] = defaultdict(list)
    for one in known:
        groups[without_size(one.setting, axis)].append(one)
    return [
        SizeSeries(axis, tuple(sorted(group, key=lambda one: one.setting)))
        for group in groups.values()
        if len(group) > 1
    ]


def without_size(setting: Setting, axis: str) -> Setting:
    """Return the setting without its size along `axis`: the members of a series agree in it."""
    if axis == "batch":
        return dataclasses.replace(setting, batch=0)
    return dataclasses.replace(setting, seq_len=0)
