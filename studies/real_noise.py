"""Mark the ladder on real noise: `python -m studies.real_noise RUN...`, RUN being a self-test.

Equal rivals differ by nothing but noise, and it is the machine's own. Their samples, times a grade
that is known, are rivals of which it is known which is the fastest and by how much. They are dealt
out as settings. `--quick` deals out simulated noise.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from studies import noise, parser
from studies.ladder import GRADES, compared
from studies.scoreboard import Column, Row, Scoreboard
from timelift.analyse.runs import results
from timelift.analyse.runs.measurement import Samples
from timelift.analyse.selftest import recording
from timelift.analyse.selftest.recording import TwinGroup
from timelift.analyse.stats.aligned_samples import aligned_samples
from timelift.analyse.stats.ranking import rank
from timelift.analyse.stats.verdicts import MIN_LAUNCHES, Comparison, Verdict
from timelift.errors import UserError
from timelift.escape import plain
from timelift.journal import find

RESULTS = Path(__file__).parents[1] / "results"
BOARD = Scoreboard(
    (
        Column("rivals", width=18),
        Column("launches"),
        Column("settings", ","),
        Column("contests", ","),
        Column("coverage", ".1%", least=0.9),
        Column("worst pair", ".1%", least=0.85),
        Column("false alarms", ".1%", most=0.09),
        Column("best kept", ".1%", least=0.95),
        Column("losers out", ".1%"),
        Column("right", ".1%"),
    ),
    """
launches      how many of those recorded were drawn for each setting
settings      how many were dealt out of the noise of so many contests of a self-test
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
#: Grades closer than this are equal.
_EQUAL = 1e-9


@dataclass(frozen=True)
class Marked:
    """How the ladder did in each setting, arrays (settings,); `covered` is (settings, pairs).

    `best_kept`: no truly fastest rival was beaten. `losers_out`: no clear loser is in the fastest
    set. `false`: some pair was called different the wrong way, or while equal. `covered` is 1 where
    a 95 % interval holds the truth, 0 where not, NaN where there is none.
    """

    best_kept: NDArray[np.bool_]
    losers_out: NDArray[np.bool_]
    false: NDArray[np.bool_]
    covered: Samples

    @property
    def right(self) -> NDArray[np.bool_]:
        """Where the fastest set holds the best and no clear loser."""
        return self.best_kept & self.losers_out


def equal_rivals(contest: TwinGroup) -> Samples:
    """Return a contest's noise as (rivals, launches, rounds): what was planted is divided out.

    Rivals that are slower in some launches only are left out, and so is a launch that any of the
    others missed.
    """
    truths = zip(contest.rivals, contest.truths, strict=True)
    steady = {rival.case: (rival, truth) for rival, truth in truths if truth is not None}
    (board,) = aligned_samples(rival for rival, _ in steady.values())
    planted = np.array([steady[case][1] for case in board.cases])
    whole = np.isfinite(board.seconds).any(-1).all(0)
    return np.asarray(board.seconds[:, whole] / np.exp(planted)[:, None, None])


def usable(contests: Iterable[Samples], rivals: int, launches: int | None) -> list[Samples]:
    """Keep the contests with enough rivals and launches, at least `MIN_LAUNCHES`."""
    least = MIN_LAUNCHES if launches is None else launches
    return [one for one in contests if one.shape[0] >= rivals and one.shape[1] >= least]


def deal(
    contests: Sequence[Samples], grades: Samples, launches: int | None, random: Generator
) -> Samples:
    """Deal one run: every contest becomes a setting, (settings, rivals, launches, rounds).

    Rival i costs `grades[i]`; which rival of the contest plays it, and in which `launches` of its
    launches (None for all), is drawn. NaN fills up what a contest has less of than others.
    """
    hands = [_hand(contest, grades, launches, random) for contest in contests]
    shape = tuple(np.max([hand.shape for hand in hands], axis=0))
    times = np.full((len(hands), *shape), np.nan)
    for place, (rivals, played, rounds) in enumerate(hand.shape for hand in hands):
        times[place, :rivals, :played, :rounds] = hands[place]
    return times


def _hand(contest: Samples, grades: Samples, launches: int | None, random: Generator) -> Samples:
    rivals = random.permutation(contest.shape[0])[: len(grades)]
    drawn = np.sort(random.permutation(contest.shape[1])[:launches])
    return np.asarray(contest[rivals][:, drawn] * np.exp(grades)[:, None, None])


def mark(times: Samples, grades: Samples) -> Marked:
    """Rank and compare one run's (settings, rivals, launches, rounds) and mark every setting."""
    names = [f"rival{place}" for place in range(len(grades))]
    sets = [ranking.fastest_set for ranking in rank(noise.measurements(times))]
    kept = np.array([[name in fastest for name in names] for fastest in sets])
    found = compared(times)
    first, second = np.triu_indices(len(grades), 1)
    truth = grades[second] - grades[first]
    return Marked(
        best_kept=np.asarray((kept | (grades > grades.min() + _EQUAL)).all(1)),
        losers_out=np.asarray(~(kept & (grades > CLEAR - _EQUAL)).any(1)),
        false=np.array([any(map(_is_false, row, truth)) for row in found]),
        covered=np.array([[*map(_covers, row, truth)] for row in found]),
    )


def marks(
    contests: Sequence[Samples],
    grades: Samples,
    launches: int | None,
    settings: int,
    random: Generator,
) -> Marked:
    """Deal and mark runs until there are at least so many settings."""
    runs = range(-(-settings // len(contests)))
    parts = [mark(deal(contests, grades, launches, random), grades) for _ in runs]
    return Marked(
        best_kept=np.concatenate([part.best_kept for part in parts]),
        losers_out=np.concatenate([part.losers_out for part in parts]),
        false=np.concatenate([part.false for part in parts]),
        covered=np.concatenate([part.covered for part in parts]),
    )


def _covers(comparison: Comparison, truth: float) -> float:
    known = np.isfinite(comparison.low) & np.isfinite(comparison.high)
    return float(comparison.low <= truth <= comparison.high) if known else np.nan


def _is_false(comparison: Comparison, truth: float) -> bool:
    """True if it was called different although it is equal, or the other way round."""
    if comparison.verdict is Verdict.FASTER:
        return truth > -_EQUAL
    return comparison.verdict is Verdict.SLOWER and truth < _EQUAL


def contests(words: Sequence[str]) -> list[Samples]:
    """Read the noise of every contest; raises UserError where there is too little of it."""
    runs = [results.load(path) for path in find(RESULTS, words)]
    found = [equal_rivals(one) for run in runs for one in recording.twin_groups(run)]
    rivals = max(len(grades) for grades in LADDERS.values())
    if not usable(found, rivals, None):
        raise UserError(
            f"expected a strategy with planted twins, {rivals} rivals in {MIN_LAUNCHES} launches, "
            "found none; measure some with: pytest bench/ --selftest"
        )
    return found


def rows(contests: Sequence[Samples], seed: int, *, quick: bool) -> Iterator[Row]:
    """Mark every ladder of costs with so many launches, where the contests have them."""
    settings = QUICK_SETTINGS if quick else SETTINGS
    for place, (name, grades) in enumerate(LADDERS.items()):
        for launches in QUICK_LAUNCHES if quick else LAUNCHES:
            some = usable(contests, len(grades), launches)
            random = np.random.default_rng([seed, place, launches or 0])
            if some:
                found = marks(some, grades, launches, settings, random)
                drawn = str(launches or "all")
                yield name, drawn, len(found.right), len(some), *_shares(found, grades)


def _shares(found: Marked, grades: Samples) -> Row:
    """Sum up the settings; where nobody is a clear loser, none is out."""
    losers = None if grades.max() < CLEAR else float(found.losers_out.mean())
    covered = np.nanmean(found.covered, axis=0)
    kept, right = float(found.best_kept.mean()), float(found.right.mean())
    return (
        float(np.nanmean(found.covered)),
        float(covered.min()),
        float(found.false.mean()),
        kept,
        losers,
        right,
    )


def main(words: Sequence[str] | None = None) -> int:
    """Print one line of marks for every ladder; 1 where the runs cannot be used, or are wrong."""
    options = parser("real_noise", __doc__)
    options.add_argument("runs", nargs="*", metavar="RUN", help="default: the newest run")
    asked = options.parse_args(words)
    try:
        some = contests(asked.runs) if asked.runs or not asked.quick else _simulated(asked.seed)
    except UserError as error:
        sys.stderr.write(f"studies.real_noise: {plain(error)}\n")
        return 1
    return BOARD.show(rows(some, asked.seed, quick=asked.quick))


def _simulated(seed: int) -> list[Samples]:
    random = np.random.default_rng(seed)
    return list(map(equal_rivals, noise.selftest(noise.SCENARIOS[1], 20, 5, 20, random)))


if __name__ == "__main__":
    sys.exit(main())
