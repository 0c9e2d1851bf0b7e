"""How times grow with length and batch, and where one strategy overtakes another."""

from timelift.analyse.scaling.overtaking import Crossover, crossovers
from timelift.analyse.scaling.powers import Exponent, Kind, exponents

__all__ = ["Crossover", "Exponent", "Kind", "crossovers", "exponents"]
