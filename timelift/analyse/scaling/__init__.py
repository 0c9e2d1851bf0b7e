"""How times grow with length and batch, and where one strategy overtakes another."""

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass

from timelift.analyse.runs.measurement import Run
from timelift.analyse.scaling.growth import Exponent, ExponentBasis, exponents
from timelift.analyse.scaling.overtaking import Crossover, crossovers
from timelift.analyse.stats.lifts import lift_measurements

__all__ = [
    "Crossover",
    "Exponent",
    "ExponentBasis",
    "Scaling",
    "crossovers",
    "exponents",
    "scaling_of",
]


@dataclass(frozen=True)
class Scaling:
    """Exponents and crossovers of a run; empty where everything has one size."""

    exponents: tuple[Exponent, ...]
    crossovers: tuple[Crossover, ...]

    def of(self, workloads: Collection[str]) -> "Scaling":
        """Return the part about these workloads."""
        return Scaling(
            tuple(one for one in self.exponents if one.case.setting.workload in workloads),
            tuple(one for one in self.crossovers if one.setting.workload in workloads),
        )


def scaling_of(run: Run) -> Scaling:
    """Find both; look-alikes grow too, but crossovers are of lifts alone."""
    known = dataclasses.replace(run, measurements=tuple(lift_measurements(run)))
    return Scaling(tuple(exponents(run)), tuple(crossovers(known)))
