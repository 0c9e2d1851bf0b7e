"""Mark exponents and crossovers where the truth is known: `python -m studies.scaling`."""

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator
from scipy import optimize

from studies import answer, noise, parser
from studies.noise import SCENARIOS, Scenario, Shape
from studies.scoreboard import Column, Row, Scoreboard
from timelift.analyse.runs.measurement import Run, Samples
from timelift.analyse.scaling.growth import ExponentBasis, exponents
from timelift.analyse.scaling.overtaking import crossovers
from timelift.analyse.selftest.score import Proportion


@dataclass(frozen=True)
class Law:
    """A true time by size, t(n) = overhead + factor n^power, in units of `noise.LEVEL`."""

    overhead: float
    factor: float
    power: float

    def times(self, sizes: Samples) -> Samples:
        return self.overhead + self.factor * sizes**self.power

    @property
    def bend(self) -> float:
        """The size at which growth equals overhead."""
        return float((self.overhead / self.factor) ** (1 / self.power))


#: Straight, with an overhead, quadratic with one, and one that grows faster: they overtake.
LAWS = (Law(0.0, 0.05, 1.0), Law(3.0, 0.012, 1.0), Law(1.0, 0.00004, 2.0), Law(0.5, 0.02, 1.2))
#: Sizes as dense as people measure them: three far apart, then factors of four and of two.
GRIDS = (
    (8, 64, 512),
    (8, 32, 128, 512),
    (16, 32, 64, 128, 256, 512),
    (8, 16, 32, 64, 128, 256, 512, 1024),
)
BOARD = Scoreboard(
    (
        Column("noise", width=26),
        Column("sizes"),
        Column("launches"),
        Column("powers", ","),
        Column("covered", ".1%", least=0.9),
        Column("bends", ","),
        Column("covered", ".1%", least=0.9),
        Column("crossings", ","),
        Column("covered", ".1%", least=0.9),
        Column("width", ".3f"),
        Column("found", ".1%"),
        Column("invented", ",", most=0),
    ),
    """
powers     fits of t = c0 + c1 n^p whose interval was narrow enough to be shown
bends      sizes found at which growth has caught up with the overhead
crossings  where one of two strategies was shown to overtake the other
covered    how many of the 95 % intervals hold the truth
width      the median of such an interval's upper end over its lower end
found      of the true crossings inside the sizes, how many
invented   pairs shown to cross that do not
""",
)
_RUNS, _QUICK_RUNS = 60, 12


@dataclass
class Marks:
    """True for each interval that held the truth, and for each crossing that was found."""

    powers: list[bool] = field(default_factory=list)
    bends: list[bool] = field(default_factory=list)
    crossings: list[bool] = field(default_factory=list)
    widths: list[float] = field(default_factory=list)
    found: list[bool] = field(default_factory=list)
    invented: int = 0

    def add(self, measured: Run, sizes: Sequence[int]) -> None:
        for one in exponents(measured):
            law = LAWS[noise.rival(one.case.strategy)]
            if one.kind is ExponentBasis.FITTED:
                self.powers.append(one.low <= law.power <= one.high)
            if math.isfinite(one.bend):
                self.bends.append(one.bend_low <= law.bend <= one.bend_high)
        shown = {(one.first, one.then): one for one in crossovers(measured)}
        true = truths(sizes)
        self.found += [pair in shown for pair in true]
        self.invented += len(shown.keys() - true.keys())
        for pair in true.keys() & shown.keys():
            self.widths.append(shown[pair].high / shown[pair].low)
            self.crossings.append(shown[pair].low <= true[pair] <= shown[pair].high)


def mark(
    scenario: Scenario, sizes: Sequence[int], launches: int, runs: int, random: Generator
) -> Marks:
    marks = Marks()
    for _ in range(runs):
        marks.add(run(LAWS, sizes, launches, scenario, random), sizes)
    return marks


def truths(sizes: Sequence[int]) -> dict[tuple[str, str], float]:
    """Return where the laws truly cross inside the sizes, by which is first and which is then."""
    ends = np.array([sizes[0], sizes[-1]], dtype=float)
    found = {}
    for i, first in enumerate(LAWS):
        for j, second in enumerate(LAWS):
            ahead = first.times(ends) < second.times(ends)
            if ahead[0] and not ahead[1]:
                found[f"rival{i}", f"rival{j}"] = crossing(first, second, *ends)
    return found


def crossing(first: Law, second: Law, low: float, high: float) -> float:
    """Find the size between two others at which two laws meet."""

    def ahead(log_size: float) -> float:
        first_time, second_time = (law.times(np.exp([log_size]))[0] for law in (first, second))
        return float(first_time - second_time)

    return math.exp(optimize.brentq(ahead, math.log(low), math.log(high)))


def run(
    laws: Sequence[Law], sizes: Sequence[int], launches: int, scenario: Scenario, random: Generator
) -> Run:
    """Measure strategies `rival0`, `rival1`, … of known growth at these sequence lengths."""
    across = np.array(sizes, dtype=float)
    truths = np.log(np.stack([law.times(across) for law in laws], axis=1))
    shape = Shape(len(sizes), len(laws), launches)
    return noise.run(noise.seconds(scenario, shape, truths, random), sizes)


def rows(runs: int, seed: int) -> Iterator[Row]:
    for number, scenario in enumerate((SCENARIOS[0], SCENARIOS[2], SCENARIOS[5], SCENARIOS[8])):
        for sizes in GRIDS:
            for launches in (3, 5, 8):
                random = np.random.default_rng([seed, number, launches, len(sizes)])
                marks = mark(scenario, sizes, launches, runs, random)
                yield scenario.name, str(len(sizes)), str(launches), *_cells(marks)


def _cells(marks: Marks) -> Row:
    covered = [
        Proportion(sum(hits), len(hits)) for hits in (marks.powers, marks.bends, marks.crossings)
    ]
    width = float(np.median(marks.widths)) if marks.widths else None
    found = Proportion(sum(marks.found), len(marks.found))
    return *(cell for one in covered for cell in (one.tries, one)), width, found, marks.invented


def main(words: Sequence[str] | None = None) -> int:
    return answer(parser("scaling", __doc__), words, _run)


def _run(asked: argparse.Namespace) -> int:
    return BOARD.show(rows(_QUICK_RUNS if asked.quick else _RUNS, asked.seed))


if __name__ == "__main__":
    sys.exit(main())
