"""Mark the history where the truth is known: `python -m studies.history [--quick]`.

Simulated histories are replayed night by night, and each night every rule says which cases are
slower now. All rules are given the same ratios to the reference of the run, which is kind to those
that have none of their own.
"""

import itertools
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from studies import noise, parser
from studies.scoreboard import OF, Column, Row, Scoreboard
from timelift.analyse.changes.levels import RunLevels, ratios
from timelift.analyse.changes.many_runs import find_changes
from timelift.analyse.changes.segments import sd_of_differences
from timelift.analyse.changes.states import WORSE
from timelift.analyse.runs.measurement import Samples
from timelift.analyse.runs.trust import Share
from timelift.analyse.stats.verdicts import GATE_MARGIN

Nights = NDArray[np.bool_]
#: A rule says of each case whether it is slower now, by all runs so far.
Rule = Callable[[RunLevels], Nights]
_FIRST_NIGHT = 8
#: How much one night differs from the next for all cases alike, as a sd of log seconds.
NIGHT_SD = 0.05
#: After the end of a slow-down it may be told, or not, for so many nights.
GRACE_NIGHTS = 14
BOARD = Scoreboard(
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
nights late  from the first slower run to the first night that said so, the median (90 % quantile)
at the end   cases called slower on the last night, of those that were
false cases  called slower on any night on which they were not, of all cases
red nights   on which any case was falsely called slower, of all nights
timelift     what `python report.py history` does
ruptures     PELT with l2 cost and penalty 2 sd² log(runs); the last level 3 % above the one before
5 %          the latest run 5 % above the one before
""",
    words=2,
    judged=lambda row: row[1] == "timelift",
)


# Histories of known truth ------------------------------------------------------------------------


@dataclass(frozen=True)
class Scenario:
    """One kind of history; sizes are shares, nights count from 0.

    Runs of a case differ by `sd`, Student t with four degrees of freedom, each correlated with the
    one before by `memory`; a share `spikes` of them lies 20 to 60 % too high. In `slower` of the
    cases `step` comes at `night`, or `creep` grows from it to the last; it is gone from `mended`.
    At `moves` the machine moves all cases by 10 %, and each by `own` (sd) beside.
    """

    name: str
    sd: float = 0.01
    memory: float = 0.0
    spikes: float = 0.0
    step: float = 0.0
    creep: float = 0.0
    night: int = 45
    mended: int = 10**6
    moves: int = 0
    own: float = 0.03


SCENARIOS = (
    Scenario("nothing, noise of 1 %"),
    Scenario("nothing, noise of 3 %", sd=0.03),
    Scenario("nothing, lone spikes", spikes=0.02),
    Scenario("nothing, nights that remember 0.5", sd=0.015, memory=0.5),
    Scenario("machine moves 10 % ± 3 %", moves=40),
    Scenario("5 % slower, noise of 1 %", step=0.05),
    Scenario("5 % slower, noise of 2 %", step=0.05, sd=0.02),
    Scenario("10 % slower, noise of 3 %", step=0.10, sd=0.03),
    Scenario("5 % slower, lone spikes", step=0.05, spikes=0.02),
    Scenario("5 % slower, machine moves before", step=0.05, night=60, moves=40),
    Scenario("10 % slower, machine moves after", step=0.10, night=25, moves=55),
    Scenario("5 % slower for 20 nights", step=0.05, night=35, mended=55),
    Scenario("creeps to 10 % in 60 nights", creep=0.10, night=30),
)


@dataclass(frozen=True)
class Shape:
    """How much is simulated: settings of rivals over nights, in a tenth of which one is slower."""

    settings: int = 8
    rivals: int = 5
    nights: int = 90
    slower: int = 4


@dataclass(frozen=True)
class Truth:
    """By case and night: whether a case is slower, and whether either answer is right."""

    slower: Nights
    either: Nights


def simulate(scenario: Scenario, shape: Shape, random: Generator) -> tuple[RunLevels, Truth]:
    """Simulate a history; the slower cases are the first rivals of the first settings."""
    places = itertools.product(range(shape.settings), range(shape.rivals))
    cases = tuple(noise.case(*place) for place in places)
    size = (len(cases), shape.nights)
    grown = np.zeros(size)
    grown[: shape.slower * shape.rivals : shape.rivals] = _grown(scenario, shape.nights)
    common = random.normal(0, NIGHT_SD, shape.nights)
    own = random.uniform(-9, -6, (len(cases), 1))
    logs = own + common + grown + _machine(scenario, size, random) + _noise(scenario, size, random)
    return RunLevels(cases, logs, np.full(shape.nights, np.log(4e-5))), _truth(scenario, grown)


def _grown(scenario: Scenario, nights: int) -> Samples:
    """Return what a slower case is slower by, each night."""
    night = np.arange(nights)
    step = np.log1p(scenario.step) * ((night >= scenario.night) & (night < scenario.mended))
    passed = np.clip((night - scenario.night) / (nights - scenario.night), 0, 1)
    return np.asarray(step + np.log1p(scenario.creep) * passed)


def _truth(scenario: Scenario, grown: Samples) -> Truth:
    slower = grown >= np.log1p(GATE_MARGIN)
    night = np.arange(grown.shape[1])
    ending = (night >= scenario.mended) & (night < scenario.mended + GRACE_NIGHTS)
    mended = (grown.max(-1, keepdims=True) > 0) & ending
    return Truth(slower, ((grown > 0) & ~slower) | mended)


def _machine(scenario: Scenario, size: tuple[int, int], random: Generator) -> Samples:
    if not scenario.moves:
        return np.zeros(size)
    moved = np.arange(size[1]) >= scenario.moves
    return np.asarray(moved * (np.log1p(0.10) + random.normal(0, scenario.own, (size[0], 1))))


def _noise(scenario: Scenario, size: tuple[int, int], random: Generator) -> Samples:
    own = noise.remembering(noise.heavy_tailed(size, random), scenario.memory)
    spikes = random.random(size) < scenario.spikes
    return np.asarray(scenario.sd * own + spikes * random.uniform(0.2, 0.6, size))


# Rules -------------------------------------------------------------------------------------------


def ours(levels: RunLevels) -> Nights:
    """Ask timelift."""
    return np.array([one.state in WORSE for one in find_changes(levels).cases])


def ruptures_alone(levels: RunLevels) -> Nights:
    """Ask PELT with a usual penalty whether the last level is above the one before it."""
    return np.array([_pelt(row) for row in _ratios(levels)])


def _pelt(row: Samples) -> bool:
    from ruptures import KernelCPD  # noqa: PLC0415 - scipy comes with it

    search = KernelCPD(kernel="linear", min_size=2, jump=1)
    penalty = 2 * sd_of_differences(row) ** 2 * math.log(len(row))
    ends = [0, *search.fit_predict((row - row.mean())[:, None], pen=penalty)]
    if len(ends) < 3:  # noqa: PLR2004 - two levels
        return False
    before, last = row[ends[-3] : ends[-2]], row[ends[-2] :]
    return bool(last.mean() - before.mean() >= math.log1p(GATE_MARGIN))


def fixed(levels: RunLevels) -> Nights:
    """Ask whether the latest run is 5 % slower than the one before."""
    table = _ratios(levels)
    return np.asarray(table[:, -1] - table[:, -2] > math.log1p(0.05))


def _ratios(levels: RunLevels) -> Samples:
    return ratios(levels, np.ones(len(levels.cases), bool))


RULES: Mapping[str, Rule] = {"timelift": ours, "ruptures": ruptures_alone, "5 %": fixed}


@dataclass(frozen=True)
class Marks:
    """How a rule did: counts of cases and nights, and how many nights late it found what it did."""

    slower: int
    found: int
    cases: int
    false_cases: int
    nights: int
    red_nights: int
    at_the_end: int
    told_at_the_end: int
    late: tuple[int, ...]

    def __add__(self, other: "Marks") -> "Marks":
        pairs = zip(astuple(self), astuple(other), strict=True)
        return Marks(*(one + another for one, another in pairs))


def replay(rule: Rule, levels: RunLevels) -> Nights:
    """Ask a rule every night, as (cases, nights)."""
    count = levels.log_seconds.shape[1]
    said = np.zeros((len(levels.cases), count), bool)
    for night in range(_FIRST_NIGHT, count):
        said[:, night] = rule(levels.part(0, night + 1))
    return said


def mark(said: Nights, truth: Truth) -> Marks:
    """Compare what was said with what was so."""
    false = said & ~truth.slower & ~truth.either
    hits = said & truth.slower
    found = hits.any(-1)
    late = hits.argmax(-1) - truth.slower.argmax(-1)
    return Marks(
        slower=int(truth.slower.any(-1).sum()),
        found=int(found.sum()),
        cases=len(said),
        false_cases=int(false.any(-1).sum()),
        nights=said.shape[1] - _FIRST_NIGHT,
        red_nights=int(false.any(0).sum()),
        at_the_end=int(truth.slower[:, -1].sum()),
        told_at_the_end=int((hits[:, -1]).sum()),
        late=tuple(int(one) for one in late[found]),
    )


def marks(
    scenario: Scenario, shape: Shape, histories: int, seed: Sequence[int]
) -> dict[str, Marks]:
    """Mark every rule on the same histories."""
    total: dict[str, Marks] = {}
    for number in range(histories):
        levels, truth = simulate(scenario, shape, np.random.default_rng([*seed, number]))
        for name, rule in RULES.items():
            one = mark(replay(rule, levels), truth)
            total[name] = total[name] + one if name in total else one
    return total


def rows(scenarios: Sequence[Scenario], histories: int, seed: int) -> Iterator[Row]:
    """Mark every rule on so many histories of each kind."""
    for scenario in scenarios:
        start = [seed, SCENARIOS.index(scenario)]
        for name, found in marks(scenario, Shape(), histories, start).items():
            yield scenario.name, name, *_cells(found)


def _cells(found: Marks) -> Row:
    late = ""
    if found.late:
        late = f"{np.median(found.late):.0f} ({np.percentile(found.late, 90):.0f})"
    told = Share(found.told_at_the_end, found.at_the_end) if found.at_the_end else ""
    false = Share(found.false_cases, found.cases), Share(found.red_nights, found.nights)
    return found.slower, found.found, found.slower - found.found, late, told, *false


def main(words: Sequence[str] | None = None) -> int:
    """Print a line of marks for every history and rule; the quick form skips every other one."""
    options = parser("history", __doc__).parse_args(words)
    some, histories = (SCENARIOS[::2], 1) if options.quick else (SCENARIOS, 4)
    return BOARD.show(rows(some, histories, options.seed))


if __name__ == "__main__":
    sys.exit(main())
