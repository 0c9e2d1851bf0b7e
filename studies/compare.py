"""Mark how stored runs are compared where the truth is known.

`python -m studies.compare [--quick]`

Two runs of 8 settings of 5 rivals are simulated, with launches that differ and with sessions that
move every case by 1 % (sd); one case of the second becomes slower by what is planted.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from studies import noise, parser
from studies.scoreboard import OF, Column, Row, Scoreboard
from timelift.analyse.changes.states import ChangeState
from timelift.analyse.changes.two_runs import TwoRuns, compare_runs
from timelift.analyse.runs.measurement import Run
from timelift.analyse.runs.trust import Share

_SCENARIOS = noise.SCENARIOS[:3]
_LAUNCHES = (3, 5, 8)
_PLANTED = (0.05, 0.08, 0.10, 0.15)
_SESSION_SD = 0.01
_COSTS = np.log([1.0, 1.1, 1.5, 2.0, 3.0])
_SETTINGS, _ROUNDS = 8, 30
BOARD = Scoreboard(
    (
        Column("noise", width=26),
        Column("launches"),
        Column("equal runs with a suspect", OF, most=0.1),
        Column("coverage", ".1%", least=0.92),
        *(Column(f"finds {planted:.0%}", ".0%") for planted in _PLANTED),
    )
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
    covered = [
        one.change.low <= 0 <= one.change.high for findings in equal for one in findings.cases
    ]
    found = [
        np.mean([_finds(_compare(scenario, launches, random, planted)) for _ in range(tries // 4)])
        for planted in _PLANTED
    ]
    wrong = sum(findings.any_suspect for findings in equal)
    return Marks(tries, wrong, float(np.mean(covered)), tuple(map(float, found)))


def _compare(
    scenario: noise.Scenario, launches: int, random: Generator, planted: float = 0.0
) -> TwoRuns:
    return compare_runs(_run(scenario, launches, random), _run(scenario, launches, random, planted))


def _run(scenario: noise.Scenario, launches: int, random: Generator, planted: float = 0.0) -> Run:
    shape = noise.Shape(_SETTINGS, len(_COSTS), launches, _ROUNDS)
    times = noise.seconds(scenario, shape, _COSTS, random)
    times = noise.in_sessions(times, _SESSION_SD, random)
    times[0, 0] *= 1 + planted
    return noise.run(times)


def _finds(findings: TwoRuns) -> bool:
    named = [one.case for one in findings.cases if one.state is ChangeState.SUSPECT]
    return any(case.strategy == "rival0" and case.setting.seq_len == 1 for case in named)


def rows(launches: Sequence[int], tries: int, seed: int) -> Iterator[Row]:
    """Mark every noise with so many launches."""
    for place, scenario in enumerate(_SCENARIOS):
        for many in launches:
            one = mark(scenario, many, tries, np.random.default_rng([seed, place, many]))
            wrong = Share(one.wrong, one.comparisons)
            yield scenario.name, str(many), wrong, one.coverage, *one.found


def main(words: Sequence[str] | None = None) -> int:
    """Print one line of marks for every noise and number of launches."""
    options = parser("compare", __doc__).parse_args(words)
    launches, tries = (_LAUNCHES[:1], 8) if options.quick else (_LAUNCHES, 200)
    return BOARD.show(rows(launches, tries, options.seed))


if __name__ == "__main__":
    sys.exit(main())
