"""Mark the gate's rule on simulated launches: `python -m studies.gate_rule --pairs 100000`.

Pairs of a case and its other side are screened and tried as in a campaign, in suites of twenty:
identical ones, and pairs slower by the share that is ignored and by 3, 5 and 10 %. `studies.gate`
measures the same with real suites.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from studies import noise, parser, positive, program
from studies.noise import SCENARIOS, Scenario
from studies.scoreboard import OF, Column, Row, Scoreboard
from timelift.analyse.effects import Effects, launch_effects
from timelift.analyse.verdicts import Verdict
from timelift.gate.rule import GateRule, JudgedChange, judge
from timelift.selftest.trust import Proportion

#: Pairs that share what is known of their noise.
SUITE = 20
RULE = GateRule()
LAUNCHES = RULE.decision_points[-1]
ROUNDS = 40
#: True slow-downs: none, what is ignored, the gate, and more.
IGNORED = float(np.expm1(RULE.log_ignored))
SLOWER = (0.0, IGNORED, 0.03, 0.05, 0.10)
#: The share of suites of each slow-down beside that of identical pairs.
_FEWER = 10
ALL = "all of these"
BOARD = Scoreboard(
    (
        Column("noise", width=24),
        Column("identical", ",", width=9),
        Column("suspected", ".1%"),
        Column("slower", OF, width=12, most=1e-4),
        Column("faster", OF, width=12, most=1e-4),
        Column("launches", ".1f"),
        Column("just ignored", ".1%", most=0.05),
        *(Column(f"+{share:.0%}", ".0%", width=5) for share in SLOWER[2:]),
    ),
    f"""
suspected     of the identical pairs, at screening; slower, faster: how many are called so at last
launches      that an identical pair plays in the mean, {RULE.screening} of them at screening
just ignored  pairs that are slower by {IGNORED:.1%}, of which so many fail; +3% and so on: found

""",
    is_bound=lambda row: row[0] == ALL,
)


@dataclass(frozen=True)
class Trial:
    """The rule's findings of pairs at each of its looks, and the launches of each pair."""

    looks: Sequence[Sequence[JudgedChange]]
    launches: Sequence[float]

    @property
    def findings(self) -> Sequence[JudgedChange]:
        """The findings of the last look."""
        return self.looks[-1]


def play(effects: Effects, rule: GateRule) -> Trial:
    """Screen pairs, then try the suspects until they are settled, as a campaign does."""
    numbers = 1 + np.arange(effects.effect.shape[1])
    launches, looks = np.zeros(len(effects.effect)), list[list[JudgedChange]]()
    for point in rule.decision_points:
        last = looks[-1] if looks else ()
        plays_on = [change.suspected and not change.settled for change in last] or [True]
        launches = np.where(plays_on, point, launches)
        unplayed = numbers > launches[:, None]
        played = (np.where(unplayed, np.nan, values) for values in effects)
        looks.append(judge(Effects(*played), numbers.tolist(), rule))
    return Trial(looks, launches.tolist())


def simulate(scenario: Scenario, slower: float, random: np.random.Generator) -> Trial:
    """Simulate a suite whose pairs are all slower by a share."""
    shape = noise.Shape(settings=SUITE, rivals=2, launches=LAUNCHES, rounds=ROUNDS)
    times = noise.seconds(scenario, shape, np.array([0.0, np.log1p(slower)]), random)
    return play(launch_effects(times[:, 0], times[:, 1]), RULE)


def rows(scenarios: Sequence[Scenario], suites: int, seed: int) -> Iterator[Row]:
    """Yield a row for each noise, and one for all of them."""
    together: dict[float, list[Trial]] = {slower: [] for slower in SLOWER}
    for place, scenario in enumerate(scenarios):
        random = np.random.default_rng([seed, place])
        trials = {}
        for slower in SLOWER:
            count = suites if slower == 0 else max(1, suites // _FEWER)
            trials[slower] = [simulate(scenario, slower, random) for _ in range(count)]
            together[slower] += trials[slower]
        yield _row(scenario.name, trials)
    yield _row(ALL, together)


def _row(name: str, trials: dict[float, list[Trial]]) -> Row:
    findings = {
        slower: [change for trial in some for change in trial.findings]
        for slower, some in trials.items()
    }
    identical = findings.pop(0.0)
    launches = [count for trial in trials[0.0] for count in trial.launches]
    return (
        name,
        len(identical),
        Proportion(sum(change.suspected for change in identical), len(identical)),
        _share(identical, Verdict.SLOWER),
        _share(identical, Verdict.FASTER),
        sum(launches) / len(launches),
        *(_share(some, Verdict.SLOWER) for some in findings.values()),
    )


def _share(findings: Sequence[JudgedChange], verdict: Verdict) -> Proportion:
    return Proportion(sum(change.verdict is verdict for change in findings), len(findings))


OPTIONS = parser("gate_rule", __doc__)
OPTIONS.add_argument("--pairs", type=positive, default=100_000, help="identical ones, in all")


@program(OPTIONS)
def main(asked: argparse.Namespace) -> int:
    # of two rivals both would be loud
    scenarios = [scenario for scenario in SCENARIOS if not scenario.loud]
    scenarios = scenarios[: 2 if asked.quick else None]
    pairs = 800 if asked.quick else asked.pairs
    suites = max(1, round(pairs / SUITE / len(scenarios)))
    return BOARD.show(rows(scenarios, suites, asked.seed))


if __name__ == "__main__":
    sys.exit(main())
