"""Mark how stored runs are compared where the truth is known: `python -m studies.history`.

Simulated histories are replayed night by night, and each night every rule names the cases that are
slower now. All rules read the same ratios to the reference of the run, which favours rules without
a reference of their own.

A second table compares two runs alone. Their launches differ, and sessions move every case by 1 %
(sd); one case of the second becomes slower by what is planted.
"""

import argparse
import itertools
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from studies import noise, parser, program, write
from studies.scoreboard import OF, Column, Row, Scoreboard
from timelift.analyse.results import Samples
from timelift.analyse.verdicts import CHANGE_MARGIN
from timelift.case import Case
from timelift.history import WORSE, ChangeState
from timelift.history.levels import RunLevels, ratios
from timelift.history.many_runs import find_changes
from timelift.history.noise import sd_between
from timelift.history.two_runs import TwoRuns, compare_runs
from timelift.selftest.trust import Proportion

Nights = NDArray[np.bool_]
#: States of cases that are slower, by themselves or with most others.
_SLOWER = WORSE | {ChangeState.TOGETHER}
#: True for each case that is slower now, given all runs so far.
Rule = Callable[[RunLevels], Nights]
_FIRST_NIGHT = 8
#: How much one night differs from the next for all cases alike, as a sd of log seconds.
NIGHT_SD = 0.05
#: For so many nights after the end of a slow-down both answers are right.
GRACE_NIGHTS = 14


# Histories of known truth ------------------------------------------------------------------------


@dataclass(frozen=True)
class HistoryKind:
    """One kind of history; sizes are shares, nights count from 0.

    Runs of a case differ by `sd`, Student t with four degrees of freedom, each correlated with the
    one before by `memory`; a share `spikes` of them lies 20 to 60 % too high. Slower cases take
    `step` longer from `night` until `mended`, or a `creep` longer that grows from `night` to the
    last; with `strategies`, all cases of so many of them are slower. At night `moves` the machine
    moves all cases by 10 %, some more, some less (sd `own`), and the canary by 10 % unless it is
    `steady`. From night `grows_loud` on all noise is `loud` times as large. At `night`, too, the
    canary alone moves by `canary`, and the machine is `described` otherwise.
    """

    name: str
    sd: float = 0.01
    memory: float = 0.0
    spikes: float = 0.0
    step: float = 0.0
    creep: float = 0.0
    night: int = 45
    mended: int = 10**6
    strategies: int = 0
    moves: int = 0
    own: float = 0.03
    steady: bool = False
    loud: float = 1.0
    grows_loud: int = 60
    canary: float = 0.0
    described: bool = False


SCENARIOS = (
    HistoryKind("nothing, noise of 1 %"),
    HistoryKind("nothing, noise of 3 %", sd=0.03),
    HistoryKind("nothing, lone spikes", spikes=0.02),
    HistoryKind("nothing, nights that remember 0.5", sd=0.015, memory=0.5),
    HistoryKind("machine moves 10 % ± 3 %", moves=40),
    HistoryKind("5 % slower, noise of 1 %", step=0.05),
    HistoryKind("5 % slower, noise of 2 %", step=0.05, sd=0.02),
    HistoryKind("10 % slower, noise of 3 %", step=0.10, sd=0.03),
    HistoryKind("5 % slower, lone spikes", step=0.05, spikes=0.02),
    HistoryKind("5 % slower, machine moves before", step=0.05, night=60, moves=40),
    HistoryKind("10 % slower, machine moves after", step=0.10, night=25, moves=55),
    HistoryKind("5 % slower for 20 nights", step=0.05, night=35, mended=55),
    HistoryKind("creeps to 10 % in 60 nights", creep=0.10, night=30),
    HistoryKind("from night 60 on twice as loud", loud=2.0),
    HistoryKind("from night 60 on 3 times as loud", loud=3.0),
    HistoryKind("from night 60 on 5 times as loud", loud=5.0),
    HistoryKind("machine moves, steady canary", moves=40, steady=True),
    HistoryKind("3 of 5 strategies 20 % slower", step=0.20, strategies=3),
    HistoryKind("1 of 5 20 % slower, kernel differs", step=0.20, strategies=1, described=True),
    HistoryKind("3 of 5 20 % slower, kernel differs", step=0.20, strategies=3, described=True),
    HistoryKind("1 of 5 20 % slower, canary by 4 %", step=0.20, strategies=1, canary=0.04),
    HistoryKind("all 20 % slower, canary 4 % faster", step=0.20, strategies=5, canary=-0.04),
)


@dataclass(frozen=True)
class HistorySize:
    """How much is simulated: settings of rivals over nights, and the number of `slower` cases."""

    settings: int = 8
    rivals: int = 5
    nights: int = 90
    slower: int = 4


@dataclass(frozen=True)
class Truth:
    """True by case and night where a case is slower, and where either answer is right."""

    slower: Nights
    either: Nights


def simulate(
    scenario: HistoryKind, shape: HistorySize, random: Generator
) -> tuple[RunLevels, Truth]:
    """Simulate a history; the slower cases are the first rivals of the first settings."""
    places = [*itertools.product(range(shape.settings), range(shape.rivals))]
    cases = tuple(noise.case(*place) for place in places)
    size = (len(cases), shape.nights)
    grown = np.zeros(size)
    rows = [
        row
        for row, (setting, rival) in enumerate(places)
        if rival < scenario.strategies or (not rival and setting < shape.slower)
    ]
    grown[rows] = _grown(scenario, shape.nights)
    moved = _machine(scenario, size, random)
    if scenario.steady:  # what moves cases alone is a slow-down of all of them
        grown += moved
    loud = np.where(np.arange(shape.nights) >= scenario.grows_loud, scenario.loud, 1.0)
    common = loud * random.normal(0, NIGHT_SD, shape.nights)
    own = random.uniform(-9, -6, (len(cases), 1))
    logs = own + common + grown + (0 if scenario.steady else moved)
    logs += loud * _noise(scenario, size, random)
    canary = np.full((2, shape.nights), np.log(4e-5))
    if scenario.moves and not scenario.steady:
        canary[:, scenario.moves :] += np.log1p(0.10)
    since = np.arange(shape.nights) >= scenario.night
    canary += np.log1p(scenario.canary) * since
    unknown, description = np.zeros(size), (since & scenario.described).astype(int)
    levels = RunLevels(cases, logs, unknown, canary, description)
    return levels, _truth(scenario, grown)


def _grown(scenario: HistoryKind, nights: int) -> Samples:
    """Return by how much a slower case is slower each night, a log ratio."""
    night = np.arange(nights)
    step = np.log1p(scenario.step) * ((night >= scenario.night) & (night < scenario.mended))
    passed = np.clip((night - scenario.night) / (nights - scenario.night), 0, 1)
    return np.asarray(step + np.log1p(scenario.creep) * passed)


def _truth(scenario: HistoryKind, grown: Samples) -> Truth:
    slower = grown >= np.log1p(CHANGE_MARGIN)
    night = np.arange(grown.shape[1])
    ending = (night >= scenario.mended) & (night < scenario.mended + GRACE_NIGHTS)
    mended = (grown.max(-1, keepdims=True) > 0) & ending
    return Truth(slower, ((grown > 0) & ~slower) | mended)


def _machine(scenario: HistoryKind, size: tuple[int, int], random: Generator) -> Samples:
    if not scenario.moves:
        return np.zeros(size)
    moved = np.arange(size[1]) >= scenario.moves
    return np.asarray(moved * (np.log1p(0.10) + random.normal(0, scenario.own, (size[0], 1))))


def _noise(scenario: HistoryKind, size: tuple[int, int], random: Generator) -> Samples:
    own = noise.remembering(noise.heavy_tailed(size, random), scenario.memory)
    spikes = random.random(size) < scenario.spikes
    return np.asarray(scenario.sd * own + spikes * random.uniform(0.2, 0.6, size))


def first_runs(levels: RunLevels, runs: int) -> RunLevels:
    """Return the history as it was when it had so many runs."""
    log_seconds, of_launches, log_canary = (
        table[:, :runs] for table in (levels.log_seconds, levels.of_launches, levels.log_canary)
    )
    description = levels.description[:runs]
    return RunLevels(levels.cases, log_seconds, of_launches, log_canary, description)


# Rules -------------------------------------------------------------------------------------------


def ours(levels: RunLevels) -> Nights:
    return np.array([case.state in _SLOWER for case in find_changes(levels).cases])


def ruptures_alone(levels: RunLevels) -> Nights:
    """PELT with a usual penalty: the last level is above the one before it."""
    return np.array([_pelt(row) for row in _ratios(levels)])


def _pelt(row: Samples) -> bool:
    from ruptures import KernelCPD  # noqa: PLC0415 - scipy comes with it

    search = KernelCPD(kernel="linear", min_size=2, jump=1)
    penalty = 2 * sd_between(row) ** 2 * math.log(len(row))
    ends = [0, *search.fit_predict((row - row.mean())[:, None], pen=penalty)]
    if len(ends) < 3:  # noqa: PLR2004 - two levels
        return False
    before, last = row[ends[-3] : ends[-2]], row[ends[-2] :]
    return bool(last.mean() - before.mean() >= math.log1p(CHANGE_MARGIN))


def fixed(levels: RunLevels) -> Nights:
    table = _ratios(levels)
    return np.asarray(table[:, -1] - table[:, -2] > math.log1p(0.05))


def _ratios(levels: RunLevels) -> Samples:
    return ratios(levels, np.ones(len(levels.cases), bool))


RULES: Mapping[str, Rule] = {"timelift": ours, "ruptures": ruptures_alone, "5 %": fixed}


# Nights ------------------------------------------------------------------------------------------

NIGHTLY = Scoreboard(
    (
        Column("history", width=35),
        Column("rule", width=8),
        Column("slower"),
        Column("found"),
        Column("missed", most=4),
        Column("nights late", width=12),
        Column("at the end", OF, width=12, least=0.75),
        Column("false cases", OF, width=12, most=0.1),
        Column("red nights", OF, width=12, most=0.1),
    ),
    """
slower       cases that became slower by 3 % or more; found: were called so while they were
nights late  from the first slower run to the first night that named it, the median (90 % quantile)
at the end   cases called slower on the last night, of those that were
false cases  called slower on any night on which they were not, of all cases
red nights   on which any case was falsely called slower, of all nights
timelift     what `timelift history` does
ruptures     PELT with l2 cost and penalty 2 sd² log(runs); the last level 3 % above the one before
5 %          the latest run 5 % above the one before
""",
    words=2,
    is_bound=lambda row: row[1] == "timelift",
)


@dataclass(frozen=True)
class Marks:
    """The marks of a rule: counts of cases and nights, and for cases found how many nights late."""

    slower: int
    found: int
    false_cases: Proportion
    red_nights: Proportion
    at_the_end: Proportion
    late: Samples


def replay(rule: Rule, levels: RunLevels) -> Nights:
    """Return the cases that a rule calls slower every night, (cases, nights)."""
    count = levels.log_seconds.shape[1]
    called = np.zeros((len(levels.cases), count), bool)
    for night in range(_FIRST_NIGHT, count):
        called[:, night] = rule(first_runs(levels, night + 1))
    return called


def mark(called: Nights, truth: Truth) -> Marks:
    """Compare the cases called slower with the truth, both (..., cases, nights)."""
    false = called & ~truth.slower & ~truth.either
    hits = called & truth.slower
    found = hits.any(-1)
    late = hits.argmax(-1) - truth.slower.argmax(-1)
    return Marks(
        slower=int(truth.slower.any(-1).sum()),
        found=int(found.sum()),
        false_cases=_share(np.asarray(false.any(-1))),
        red_nights=_share(np.asarray(false[..., _FIRST_NIGHT:].any(-2))),
        at_the_end=_share(hits[..., -1][truth.slower[..., -1]]),
        late=late[found],
    )


def _share(hits: Nights) -> Proportion:
    return Proportion(int(hits.sum()), hits.size)


def marks(
    scenario: HistoryKind, shape: HistorySize, histories: int, seed: Sequence[int]
) -> dict[str, Marks]:
    """Mark every rule on the same histories."""
    dice = (np.random.default_rng([*seed, number]) for number in range(histories))
    simulated = [simulate(scenario, shape, random) for random in dice]
    truth = Truth(
        np.stack([truth.slower for _, truth in simulated]),
        np.stack([truth.either for _, truth in simulated]),
    )
    return {
        name: mark(np.stack([replay(rule, levels) for levels, _ in simulated]), truth)
        for name, rule in RULES.items()
    }


def nightly_rows(scenarios: Sequence[HistoryKind], histories: int, seed: int) -> Iterator[Row]:
    for scenario in scenarios:
        start = [seed, SCENARIOS.index(scenario)]
        for name, of_rule in marks(scenario, HistorySize(), histories, start).items():
            yield scenario.name, name, *_cells(of_rule)


def _cells(marks: Marks) -> Row:
    late = ""
    if marks.found:
        late = f"{np.median(marks.late):.0f} ({np.percentile(marks.late, 90):.0f})"
    last = marks.at_the_end if marks.at_the_end.tries else ""
    missed = marks.slower - marks.found
    return marks.slower, marks.found, missed, late, last, marks.false_cases, marks.red_nights


# Two runs ----------------------------------------------------------------------------------------

_LAUNCHES = (3, 5, 8)
_PLANTED = (0.05, 0.08, 0.10, 0.15)
_SESSION_SD = 0.01
_COSTS = np.log([1.0, 1.1, 1.5, 2.0, 3.0])
_PAIR = noise.Shape(settings=8, rivals=len(_COSTS), rounds=30)
TWO_RUNS = Scoreboard(
    (
        Column("noise", width=26),
        Column("launches"),
        Column("equal runs with a suspect", OF, most=0.1),
        Column("coverage", ".1%", least=0.92),
        *(Column(f"finds {planted:.0%}", ".0%") for planted in _PLANTED),
    )
)


def two_runs(scenario: noise.Scenario, launches: int, tries: int, random: Generator) -> Row:
    """Compare `tries` pairs of equal runs, and a quarter as many with each planted slow-down.

    Returns how many equal pairs had a suspect, the coverage of their intervals, and the share in
    which each slow-down was found.
    """
    shape = replace(_PAIR, launches=launches)
    equal = [_two_runs(scenario, shape, random) for _ in range(tries)]
    changes = [case.change for runs in equal for case in runs.cases]
    covered = [change.low <= 0 <= change.high for change in changes]
    found = []
    for slower in _PLANTED:
        runs = [_two_runs(scenario, shape, random, slower) for _ in range(tries // 4)]
        found.append(np.mean([_is_suspect(pair, noise.case(0, 0)) for pair in runs]))
    suspects = Proportion(sum(runs.any_suspect for runs in equal), tries)
    return suspects, float(np.mean(covered)), *map(float, found)


def _two_runs(
    scenario: noise.Scenario, shape: noise.Shape, random: Generator, slower: float = 0.0
) -> TwoRuns:
    runs = []
    for times_as_long in (1, 1 + slower):
        times = noise.seconds(scenario, shape, _COSTS, random)
        times = noise.in_sessions(times, _SESSION_SD, random)
        times[0, 0] *= times_as_long
        runs.append(noise.run(times))
    old, new = runs
    return compare_runs(old, new)


def _is_suspect(runs: TwoRuns, case: Case) -> bool:
    return any(row.case == case and row.state is ChangeState.SUSPECT for row in runs.cases)


def two_run_rows(launches: Sequence[int], tries: int, seed: int) -> Iterator[Row]:
    for place, scenario in enumerate(noise.SCENARIOS[:3]):
        for many in launches:
            random = np.random.default_rng([seed, place, many])
            yield scenario.name, str(many), *two_runs(scenario, many, tries, random)


@program(parser("history", __doc__))
def main(asked: argparse.Namespace) -> int:
    some, histories = (SCENARIOS[::2], 1) if asked.quick else (SCENARIOS, 4)
    wrong = NIGHTLY.show(nightly_rows(some, histories, asked.seed))
    write("")
    launches, tries = (_LAUNCHES[:1], 8) if asked.quick else (_LAUNCHES, 200)
    return wrong | TWO_RUNS.show(two_run_rows(launches, tries, asked.seed))


if __name__ == "__main__":
    sys.exit(main())
