"""Simulated strategies whose growth is known, measured with the noise of `stats.noise`."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from studies import noise
from studies.noise import Scenario, Shape
from timelift.analyse.runs.measurement import Measurement, Run, Samples
from timelift.case import Case
from timelift.journal import Header


@dataclass(frozen=True)
class Law:
    """A true time by size, t(n) = overhead + factor n^power, in units of `noise.LEVEL`."""

    overhead: float
    factor: float
    power: float

    def times(self, sizes: Samples) -> Samples:
        """Give the times at the sizes."""
        return self.overhead + self.factor * sizes**self.power

    @property
    def bend(self) -> float:
        """The size at which growth equals overhead."""
        return float((self.overhead / self.factor) ** (1 / self.power))


def run(
    laws: Sequence[Law],
    sizes: Sequence[int],
    launches: int,
    scenario: Scenario,
    random: Generator,
) -> Run:
    """Measure strategies `rival0`, `rival1`, … of known growth at these sequence lengths."""
    across = np.array(sizes, dtype=float)
    truths = np.log(np.stack([law.times(across) for law in laws], axis=1))
    shape = Shape(len(sizes), len(laws), launches)
    found = noise.measurements(noise.seconds(scenario, shape, truths, random))
    return Run(Header(), tuple(_of_size(one, sizes) for one in found), complete=True)


def _of_size(measurement: Measurement, sizes: Sequence[int]) -> Measurement:
    """Give the measurement its length; the simulation numbers its settings from 1."""
    setting = measurement.case.setting
    sized = dataclasses.replace(setting, seq_len=sizes[setting.seq_len - 1])
    return dataclasses.replace(measurement, case=Case(sized, measurement.case.strategy))


def crossing(first: Law, second: Law, low: float, high: float) -> float:
    """Find the size between two others at which two laws meet, by bisection."""
    for _ in range(80):
        middle = (low * high) ** 0.5
        before = first.times(np.array([low, middle])) - second.times(np.array([low, middle]))
        low, high = (low, middle) if before[0] * before[1] < 0 else (middle, high)
    return low
