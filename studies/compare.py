"""Mark how stored runs are compared where the truth is known.

`python -m studies.compare [--quick]`

Two runs of 8 settings of 5 rivals are simulated, with launches that differ and with sessions that
move every case by 1 % (sd); one case of the second becomes slower by what is planted.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from studies import noise
from timelift.analyse.changes.judge import Findings, Word, judge
from timelift.analyse.runs.measurement import Run
from timelift.journal import Header

_SCENARIOS = noise.SCENARIOS[:3]
_LAUNCHES = (3, 5, 8)
_PLANTED = (0.05, 0.08, 0.10, 0.15)
_SESSION_SD = 0.01
_COSTS = np.log([1.0, 1.1, 1.5, 2.0, 3.0])
_SETTINGS, _ROUNDS = 8, 30
_HEADER = (
    "noise                       launches  equal runs with a suspect  coverage   found: "
    + "  ".join(f"{planted:.0%}" for planted in _PLANTED)
)


@dataclass(frozen=True)
class Marks:
    """Comparisons of equal runs and how many named anything; how often what was planted was."""

    comparisons: int
    wrong: int
    coverage: float
    found: tuple[float, ...]


def mark(scenario: noise.Scenario, launches: int, tries: int, random: Generator) -> Marks:
    """Compare equal runs so many times, and a quarter as many of every planted slow-down."""
    equal = [_compare(scenario, launches, random) for _ in range(tries)]
    covered = [one.low <= 0 <= one.high for findings in equal for one in findings.judged]
    found = [
        np.mean([_finds(_compare(scenario, launches, random, planted)) for _ in range(tries // 4)])
        for planted in _PLANTED
    ]
    wrong = sum(findings.any_suspect for findings in equal)
    return Marks(tries, wrong, float(np.mean(covered)), tuple(map(float, found)))


def _compare(
    scenario: noise.Scenario, launches: int, random: Generator, planted: float = 0.0
) -> Findings:
    return judge(_run(scenario, launches, random), _run(scenario, launches, random, planted))


def _run(scenario: noise.Scenario, launches: int, random: Generator, planted: float = 0.0) -> Run:
    shape = noise.Shape(_SETTINGS, len(_COSTS), launches, _ROUNDS)
    times = noise.seconds(scenario, shape, _COSTS, random)
    times *= np.exp(random.normal(0.0, _SESSION_SD, (*times.shape[:2], 1, 1)))
    times[0, 0] *= 1 + planted
    return Run(Header(), tuple(noise.measurements(times)), complete=True)


def _finds(findings: Findings) -> bool:
    named = [one.shift.case for one in findings.judged if one.word is Word.SUSPECT]
    return any(case.strategy == "rival0" and case.setting.seq_len == 1 for case in named)


def main(words: Sequence[str]) -> int:
    """Print one line of marks for every noise and number of launches."""
    parser = argparse.ArgumentParser(prog="python -m studies.compare", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="seconds instead of minutes")
    parser.add_argument("--seed", type=int, default=0, help="where the noise starts (default: 0)")
    options = parser.parse_args(words)
    sys.stdout.write(f"{_HEADER}\n")
    for place, scenario in enumerate(_SCENARIOS):
        for launches in _LAUNCHES[:1] if options.quick else _LAUNCHES:
            random = np.random.default_rng([options.seed, place, launches])
            marks = mark(scenario, launches, 8 if options.quick else 200, random)
            sys.stdout.write(f"{_line(scenario.name, launches, marks)}\n")
            sys.stdout.flush()
    return 0


def _line(name: str, launches: int, marks: Marks) -> str:
    wrong = f"{marks.wrong} of {marks.comparisons}"
    found = "  ".join(f"{share:>4.0%}" for share in marks.found)
    return f"{name:28}{launches:>8}{wrong:>27}{marks.coverage:>10.1%}          {found}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
