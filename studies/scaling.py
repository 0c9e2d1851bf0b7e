"""Mark exponents and crossovers where the truth is known: `python -m studies.scaling`."""

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from studies.noise import SCENARIOS, Scenario
from studies.scaling_truth import Law, crossing, run
from timelift.analyse.scaling.overtaking import Crossover, crossovers
from timelift.analyse.scaling.powers import Kind, exponents

#: Straight, with an overhead, quadratic with one, and one that grows faster: they overtake.
LAWS = (Law(0.0, 0.05, 1.0), Law(3.0, 0.012, 1.0), Law(1.0, 0.00004, 2.0), Law(0.5, 0.02, 1.2))
#: Sizes as dense as people measure them: three far apart, then factors of four and of two.
GRIDS = (
    (8, 64, 512),
    (8, 32, 128, 512),
    (16, 32, 64, 128, 256, 512),
    (8, 16, 32, 64, 128, 256, 512, 1024),
)
_HEADER = (
    "noise                       sizes  launches   powers  covered"
    "    bends  covered  crossings  covered    width    found  invented"
)
_LEGEND = """
powers     fits of t = c0 + c1 n^p whose interval was narrow enough to be given
bends      sizes found at which growth has caught up with the overhead
crossings  where one of two strategies was said to overtake the other
covered    how many of the 95 % intervals hold the truth
width      the median of such an interval's upper end over its lower end
found      of the true crossings inside the sizes, how many
invented   pairs said to cross that do not
"""
_RUNS, _QUICK_RUNS = 60, 12


@dataclass
class Marks:
    """Whether each interval held the truth, and which crossings were found."""

    powers: list[bool] = field(default_factory=list)
    bends: list[bool] = field(default_factory=list)
    crossings: list[bool] = field(default_factory=list)
    widths: list[float] = field(default_factory=list)
    found: list[bool] = field(default_factory=list)
    invented: int = 0


def mark(
    scenario: Scenario, sizes: Sequence[int], launches: int, runs: int, random: np.random.Generator
) -> Marks:
    """Mark so many simulated runs."""
    marks = Marks()
    for _ in range(runs):
        measured = run(LAWS, sizes, launches, scenario, random)
        for one in exponents(measured):
            law = LAWS[int(one.case.strategy.removeprefix("rival"))]
            if one.kind is Kind.FITTED:
                marks.powers.append(one.low <= law.power <= one.high)
            if math.isfinite(one.bend):
                marks.bends.append(one.bend_low <= law.bend <= one.bend_high)
        said = {(one.first, one.then): one for one in crossovers(measured)}
        _mark_crossings(said, sizes, marks)
    return marks


def _mark_crossings(
    said: dict[tuple[str, str], Crossover], sizes: Sequence[int], marks: Marks
) -> None:
    true = truths(sizes)
    marks.found += [pair in said for pair in true]
    marks.invented += len(said.keys() - true.keys())
    marks.widths += [said[pair].high / said[pair].low for pair in true if pair in said]
    marks.crossings += [
        said[pair].low <= size <= said[pair].high for pair, size in true.items() if pair in said
    ]


def truths(sizes: Sequence[int]) -> dict[tuple[str, str], float]:
    """Give where the laws truly cross inside the sizes, by who was first and who is then."""
    ends = np.array([sizes[0], sizes[-1]], dtype=float)
    found = {}
    for i, first in enumerate(LAWS):
        for j, second in enumerate(LAWS):
            ahead = first.times(ends) < second.times(ends)
            if ahead[0] and not ahead[1]:
                found[f"rival{i}", f"rival{j}"] = crossing(first, second, *ends)
    return found


def main(words: Sequence[str]) -> int:
    """Print one line of marks for everything that is tried."""
    parser = argparse.ArgumentParser(prog="python -m studies.scaling", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few runs")
    parser.add_argument("--seed", type=int, default=0, help="where the noise starts (default: 0)")
    options = parser.parse_args(words)
    sys.stdout.write(_HEADER + "\n")
    for line in _lines(_QUICK_RUNS if options.quick else _RUNS, options.seed):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    sys.stdout.write(_LEGEND)
    return 0


def _lines(runs: int, seed: int) -> Iterator[str]:
    for place, scenario in enumerate((SCENARIOS[0], SCENARIOS[2], SCENARIOS[5], SCENARIOS[8])):
        for sizes in GRIDS:
            for launches in (3, 5, 8):
                random = np.random.default_rng([seed, place, launches, len(sizes)])
                marks = mark(scenario, sizes, launches, runs, random)
                yield _line(scenario.name, len(sizes), launches, marks)


def _line(name: str, sizes: int, launches: int, marks: Marks) -> str:
    return (
        f"{name:28}{sizes:>5}{launches:>10}{len(marks.powers):>9}{_share(marks.powers):>9}"
        f"{len(marks.bends):>9}{_share(marks.bends):>9}{len(marks.crossings):>11}"
        f"{_share(marks.crossings):>9}{np.median(marks.widths or [math.nan]):>9.3f}"
        f"{_share(marks.found):>9}{marks.invented:>10}"
    )


def _share(hits: Sequence[bool]) -> str:
    return f"{np.mean(hits):.1%}" if hits else "-"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
