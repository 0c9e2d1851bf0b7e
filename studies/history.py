"""Mark the history where the truth is known: `python -m studies.history [--quick]`.

Simulated histories are replayed night by night, and each night every rule says which cases are
slower now. All rules are given the same ratios to the reference of the run, which is kind to those
that have none of their own.
"""

import argparse
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass

import numpy as np

from studies.history_simulated import SCENARIOS, Nights, Scenario, Shape, Truth, simulate
from timelift.analyse.changes.changes import find
from timelift.analyse.changes.levels import Levels, ratios
from timelift.analyse.changes.segments import deviation
from timelift.analyse.changes.standing import WORSE
from timelift.analyse.runs.measurement import Samples
from timelift.analyse.stats.verdicts import GATE_MARGIN

#: A rule says of each case whether it is slower now, by all runs so far.
Rule = Callable[[Levels], Nights]
_FIRST_NIGHT = 8
_HEADER = (
    "history                              rule        slower  found  missed  nights late"
    "    at the end   false cases    red nights"
)
_LEGEND = """
slower       cases that became slower by 3 % or more; found: were called so while they were
nights late  from the first slower run to the first night that said so, the median (90 % quantile)
at the end   cases called slower on the last night, of those that were
false cases  called slower on any night on which they were not, of all cases
red nights   on which any case was falsely called slower, of all nights
timelift     what `python report.py history` does
ruptures     PELT with l2 cost and penalty 2 sd² log(runs); the last level 3 % above the one before
5 %          the latest run 5 % above the one before
"""


def ours(levels: Levels) -> Nights:
    """Ask timelift."""
    return np.array([one.now in WORSE for one in find(levels).cases])


def ruptures_alone(levels: Levels) -> Nights:
    """Ask PELT with a usual penalty whether the last level is above the one before it."""
    return np.array([_pelt(row) for row in _ratios(levels)])


def _pelt(row: Samples) -> bool:
    from ruptures import KernelCPD  # noqa: PLC0415 - scipy comes with it

    search = KernelCPD(kernel="linear", min_size=2, jump=1)
    penalty = 2 * deviation(row) ** 2 * math.log(len(row))
    ends = [0, *search.fit_predict((row - row.mean())[:, None], pen=penalty)]
    if len(ends) < 3:  # noqa: PLR2004 - two levels
        return False
    before, last = row[ends[-3] : ends[-2]], row[ends[-2] :]
    return bool(last.mean() - before.mean() >= math.log1p(GATE_MARGIN))


def fixed(levels: Levels) -> Nights:
    """Ask whether the latest run is 5 % slower than the one before."""
    table = _ratios(levels)
    return np.asarray(table[:, -1] - table[:, -2] > math.log1p(0.05))


def _ratios(levels: Levels) -> Samples:
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


def replay(rule: Rule, levels: Levels) -> Nights:
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


def main(words: Sequence[str]) -> int:
    """Print a line of marks for every history and rule."""
    parser = argparse.ArgumentParser(prog="python -m studies.history", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one history of each kind")
    parser.add_argument("--seed", type=int, default=0, help="where the noise starts (default: 0)")
    options = parser.parse_args(words)
    sys.stdout.write(_HEADER + "\n")
    for line in _lines(1 if options.quick else 4, options.seed):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    sys.stdout.write(_LEGEND)
    return 0


def _lines(histories: int, seed: int) -> Iterator[str]:
    for place, scenario in enumerate(SCENARIOS):
        for name, found in marks(scenario, Shape(), histories, [seed, place]).items():
            yield _line(scenario.name, name, found)


def _line(scenario: str, rule: str, found: Marks) -> str:
    late = ""
    if found.late:
        late = f"{np.median(found.late):.0f} ({np.percentile(found.late, 90):.0f})"
    missed, ended = found.slower - found.found, ""
    if found.at_the_end:
        ended = f"{found.told_at_the_end} of {found.at_the_end}"
    return (
        f"{scenario:37}{rule:10}{found.slower:>8}{found.found:>7}{missed:>8}{late:>13}{ended:>14}"
        f"{f'{found.false_cases} of {found.cases}':>14}"
        f"{f'{found.red_nights} of {found.nights}':>14}"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
