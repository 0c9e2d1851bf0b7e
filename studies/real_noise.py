"""Mark the ladder on real noise: `python -m studies.real_noise RUN...`, RUN being a self-test.

Equal rivals differ by the machine's own noise alone. Their samples times known grades are samples
of rivals whose true ratios are known. They are dealt out as settings. `--quick` deals out simulated
noise.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from studies import ROOT, noise, parser, program
from studies.ladder import EQUAL, GRADES, PairMarks, fastest_sets, mark_pairs
from studies.scoreboard import Column, Row, Scoreboard
from timelift.analyse import results
from timelift.analyse.effects import aligned_samples
from timelift.analyse.results import Samples
from timelift.analyse.verdicts import MIN_LAUNCHES
from timelift.errors import UserError
from timelift.journal.files import find_run
from timelift.selftest.trust import TwinGroup, twin_groups

BOARD = Scoreboard(
    (
        Column("rivals", width=18),
        Column("launches"),
        Column("settings", ","),
        Column("groups", ","),
        Column("coverage", ".1%", least=0.9),
        Column("worst pair", ".1%", least=0.85),
        Column("false alarms", ".1%", most=0.09),
        Column("best kept", ".1%", least=0.95),
        Column("losers out", ".1%"),
        Column("right", ".1%"),
    ),
    """
launches      how many of those recorded were drawn for each setting
settings      how many were dealt out of the noise of so many groups of a self-test
coverage      of the 95 % intervals of all pairs of 5 rivals; of the pair with the lowest
false alarms  settings with any pair called different that is equal, or the other way round
best kept     settings in which no truly fastest rival was called slower
losers out    settings in which no rival 10 % slower or more was in the fastest set
right         both
""",
)
#: How many launches are drawn, None being all, and how many settings are dealt out.
LAUNCHES, SETTINGS = (3, 5, 8, None), 2000
QUICK_LAUNCHES, QUICK_SETTINGS = (3,), 200
#: What rivals are made to cost, as log ratios to the best.
LADDERS: dict[str, Samples] = {
    "equal rivals": np.zeros(5),
    "0, 1, 2, 4, 8 %": np.log1p([0.0, 0.01, 0.02, 0.04, 0.08]),
    "0, 3, 5, 20, 100 %": GRADES,
}
#: From here on a rival is a clear loser, which has no place in the fastest set.
CLEAR = float(np.log1p(0.10))


# Noise dealt out as settings ---------------------------------------------------------------------


def equal_rivals(group: TwinGroup) -> Samples:
    """Return a group's noise as (rivals, launches, rounds): what was planted is divided out.

    A launch that any rival missed is left out.
    """
    (samples,) = aligned_samples(group.rivals)
    whole = np.isfinite(samples.seconds).any(-1).all(0)
    return np.asarray(samples.seconds[:, whole] / (1 + np.array(group.slower))[:, None, None])


def usable(groups: Iterable[Samples], rivals: int, launches: int | None) -> list[Samples]:
    """Return the groups with enough rivals and launches, at least `MIN_LAUNCHES`."""
    least = MIN_LAUNCHES if launches is None else launches
    return [group for group in groups if group.shape[0] >= rivals and group.shape[1] >= least]


def deal(
    groups: Sequence[Samples], costs: Samples, launches: int | None, random: Generator
) -> Samples:
    """Deal one run: every group becomes a setting, (settings, rivals, launches, rounds).

    Rival i costs `exp(costs[i])`; which rival of the group plays it, and in which `launches` of
    its launches (None for all), is drawn. NaN fills up what a group has less of than others.
    """
    hands = [_hand(group, costs, launches, random) for group in groups]
    shape = tuple(np.max([hand.shape for hand in hands], axis=0))
    times = np.full((len(hands), *shape), np.nan)
    for place, (rivals, played, rounds) in enumerate(hand.shape for hand in hands):
        times[place, :rivals, :played, :rounds] = hands[place]
    return times


def _hand(group: Samples, costs: Samples, launches: int | None, random: Generator) -> Samples:
    rivals = random.permutation(group.shape[0])[: len(costs)]
    drawn = np.sort(random.permutation(group.shape[1])[:launches])
    return np.asarray(group[rivals][:, drawn] * np.exp(costs)[:, None, None])


# Marks -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Marks:
    """The marks of the ladder: those of all pairs, and arrays (settings,).

    `best_kept`: no truly fastest rival was beaten. `losers_out`: no clear loser is in the fastest
    set.
    """

    pairs: PairMarks
    best_kept: NDArray[np.bool_]
    losers_out: NDArray[np.bool_]

    @property
    def right(self) -> NDArray[np.bool_]:
        """True where the fastest set holds the best and no clear loser."""
        return self.best_kept & self.losers_out


def mark(runs: Sequence[Samples], costs: Samples) -> Marks:
    """Rank and compare each run's (settings, rivals, launches, rounds) and mark every setting."""
    kept = fastest_sets(runs)
    return Marks(
        pairs=mark_pairs(runs, costs),
        best_kept=np.asarray((kept | (costs > costs.min() + EQUAL)).all(1)),
        losers_out=np.asarray(~(kept & (costs > CLEAR - EQUAL)).any(1)),
    )


def dealt(
    groups: Sequence[Samples],
    costs: Samples,
    launches: int | None,
    settings: int,
    random: Generator,
) -> list[Samples]:
    runs = -(-settings // len(groups))
    return [deal(groups, costs, launches, random) for _ in range(runs)]


def rows(groups: Sequence[Samples], seed: int, *, quick: bool) -> Iterator[Row]:
    settings = QUICK_SETTINGS if quick else SETTINGS
    for place, (name, costs) in enumerate(LADDERS.items()):
        for launches in QUICK_LAUNCHES if quick else LAUNCHES:
            some = usable(groups, len(costs), launches)
            random = np.random.default_rng([seed, place, launches or 0])
            if some:
                marks = mark(dealt(some, costs, launches, settings, random), costs)
                drawn = str(launches or "all")
                yield name, drawn, len(marks.right), len(some), *_cells(marks, costs)


def _cells(marks: Marks, costs: Samples) -> Row:
    pairs = marks.pairs
    kept, out, right = (
        float(holds.mean()) for holds in (marks.best_kept, marks.losers_out, marks.right)
    )
    losers = None if costs.max() < CLEAR else out
    return pairs.coverage, pairs.worst_coverage, float(pairs.wrong.mean()), kept, losers, right


def groups(runs: Sequence[str]) -> list[Samples]:
    """Read the noise of every group; raises UserError where there is too little of it."""
    journals = [results.load(find_run(ROOT / "results", run)) for run in runs or ["latest"]]
    equal = [equal_rivals(group) for run in journals for group in twin_groups(run)]
    rivals = max(len(costs) for costs in LADDERS.values())
    if not usable(equal, rivals, None):
        raise UserError(
            f"expected a strategy with planted twins, {rivals} rivals in {MIN_LAUNCHES} launches, "
            "found none; measure some with: timelift selftest"
        )
    return equal


def _simulated(seed: int) -> list[Samples]:
    random = np.random.default_rng(seed)
    shape = noise.Shape(settings=20, rivals=7, launches=5, rounds=20)
    return list(noise.seconds(noise.SCENARIOS[1], shape, np.zeros(shape.rivals), random))


OPTIONS = parser("real_noise", __doc__)
OPTIONS.add_argument("runs", nargs="*", metavar="RUN", help="as of timelift show; default: latest")


@program(OPTIONS)
def main(asked: argparse.Namespace) -> int:
    simulate = asked.quick and not asked.runs
    some = _simulated(asked.seed) if simulate else groups(asked.runs)
    return BOARD.show(rows(some, asked.seed, quick=asked.quick))


if __name__ == "__main__":
    sys.exit(main())
