"""Mark the statistics where the truth is known: `python -m studies.ladder [--quick]`.

The whole ladder, from samples to verdicts, is climbed on simulated noise. The first table is about
pairs of rivals, the second about all rows of a setting beside the shown best at once, the third
about a rival that is louder than the others in few settings, the fourth about what is gained over
many settings, and the last about one change of a model, as `timelift advise` races it.
"""

import argparse
import itertools
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from studies import noise, parser, program, write
from studies.noise import LOOKING_LOUD, RARE_LOUD, SCENARIOS, Scenario, Shape
from studies.scoreboard import Column, Row, Scoreboard
from timelift.advise.advice import Outcome
from timelift.analyse import verdicts
from timelift.analyse.effects import Effects, all_pairs
from timelift.analyse.ranking import RankedCase, Ranking, rank
from timelift.analyse.recommend import recommend
from timelift.analyse.results import Samples
from timelift.analyse.stopping import LOOKS, Plan, by_gain, unsettled
from timelift.analyse.verdicts import RANK_MARGIN, Comparison, Verdict

#: What the rivals of a graded setting cost over the best: a little, more, and clearly more.
GRADES = np.log1p([0.0, 0.03, 0.05, 0.2, 1.0])
#: How many rivals stand beside the best, and what unequal ones cost: many near it, some far off.
RIVALS = (2, 5, 8, 12)
UNEQUAL = np.log1p([0.0, 0.01, 0.02, 0.03, 0.05, 0.08, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0])
#: Log costs closer than this are equal.
EQUAL = 1e-9
#: Turns the seconds that all launches would take into those that were played, NaN elsewhere.
Play = Callable[[Samples], Samples]

PAIRS = Scoreboard(
    (
        Column("noise", width=26),
        Column("launches"),
        Column("comparisons", ","),
        Column("coverage", ".1%", least=0.92),
        Column("worst pair", ".1%", least=0.85),
        Column("false alarms", ".1%", most=0.09),
        Column("finds 3 %", ".0%"),
        Column("finds 5 %", ".0%"),
        Column("best kept", ".1%", least=0.95),
    ),
    """
launches      how many were played; with a decimal point, their mean where looks decided
coverage      of the 95 % intervals of all pairs of 5 equal rivals; worst pair: that of the lowest
false alarms  settings of 5 equal rivals with any pair called different; at most 5 % are allowed
finds 3 %     settings in which the rival 3 % (5 %) slower than the best was shown slower
best kept     settings in which the best rival was in the fastest set
Launch modes  are too rare for a few launches to see how rare: their intervals err on the wide side
""",
)
TOGETHER = Scoreboard(
    (
        Column("against the shown best", width=22),
        Column("launches"),
        Column("settings", ","),
        Column("all hold", ".1%", least=0.93),
        Column("worst noise", ".1%", least=0.85),
        Column("one by one", ".1%"),
        Column("prices hold", ".1%", least=0.93),
        Column("worst noise", ".1%", least=0.85),
        Column("cheap", ".1%"),
        Column("wrongly", ".1%", most=0.05),
        Column("width", ".2f", most=2.0),
    ),
    """
all hold      settings in which the interval of every row holds the true ratio to the row shown
              first, over all kinds of noise; of the kind with the lowest share
one by one    the same for the interval that each pair would have by itself
prices hold   settings in which the least and the most of every row hold what it costs over the best
cheap         settings in which the report says that choosing the first costs at most 2 % over the
              best; wrongly: of all settings, those of them in which it costs more
width         of the interval beside that of the pair by itself, the median of all rows
""",
)
RARE = Scoreboard(
    (
        Column("a rare loud rival", width=26),
        Column("settings", ","),
        Column("launches", ".1f"),
        Column("coverage", ".1%", least=0.8),
        Column("false alarms", ".1%", most=0.18),
        Column("others' coverage", ".1%", least=0.94),
        Column("others' false alarms", ".1%", most=0.05),
        Column("width", ".2%"),
    ),
    """
34 x 7        34 settings of 7 equal rivals, by default three launches; x 4 in 2: in two of them
              the launches of one rival vary four times as much
launches      the mean number that the other settings played; where a run is looking, looks decide
unlike        settings are 1/3 to 3 times as loud; Student's t: rounds vary as well, tails are heavy
coverage      of the 95 % intervals of the loud rival's pairs; others': of all other pairs
false alarms  of the settings with a loud rival, those with any pair called different; others'
width         the mean half-width of the others' intervals
""",
)
GAINS = Scoreboard(
    (
        Column("launches differ by", width=18),
        Column("settings"),
        Column("bound holds", ".1%", least=0.95),
        Column("bound", "+.1%"),
        Column("typical", "+.1%", least=-0.02, most=0.02),
    ),
    """
bound holds     runs in which the least lower end over settings, "at least", is at most the truth,
                which is the same in every setting
bound, typical  how far this end, and the median, are from the truth, in the mean over runs
""",
)
CHANGES = Scoreboard(
    (
        Column("launches differ by", width=18),
        Column("gains", width=5),
        Column("races", ","),
        Column("launches", ".1f"),
        Column("changed", ".1%"),
        Column("wrongly", ".1%", most=0.025),
        Column("kept", ".1%"),
    ),
    """
gains           how much faster a model becomes by one change; it is raced against itself
changed, kept   races after which it is told to change, or to keep it as it is; others are undecided
wrongly         changes that gain nothing and are told; at most 2.5 % are allowed
""",
)


def all_launches(times: Samples) -> Samples:
    return times


def campaign(times: Samples, plan: Plan | None = None) -> Samples:
    """Play launch by launch, looking when it is time and going on where it is worthwhile."""
    played = np.full_like(times, np.nan)
    going = np.ones(times.shape[:2], dtype=bool)
    for number in range(times.shape[2]):
        played[going, number] = times[going, number]
        if number + 1 in LOOKS:
            rivals = noise.measurements(played)
            doubtful = unsettled(rivals, plan)
            cases = [rival.case for rival in rivals]
            going = np.array([case in doubtful.get(case.setting, ()) for case in cases])
            going = going.reshape(times.shape[:2])
    return played


#: How the launches are chosen: so many of them, or as the looks decide.
PLANS: tuple[tuple[int, Play], ...] = (
    (3, all_launches),
    (5, all_launches),
    (8, all_launches),
    (LOOKS[-1], campaign),
)


# Pairs -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PairMarks:
    """How the intervals and verdicts of all pairs did.

    `covered` is (settings, pairs): 1 where a 95 % interval holds the truth, 0 where not, NaN where
    there is none; `half_width` is that of each. `wrong` is (settings,): some pair was called
    different the wrong way, or while equal.
    """

    covered: Samples
    half_width: Samples
    wrong: NDArray[np.bool_]

    @property
    def coverage(self) -> float:
        return float(np.nanmean(self.covered))

    @property
    def worst_coverage(self) -> float:
        return float(np.nanmean(self.covered, axis=0).min())


def mark_pairs(runs: Sequence[Samples], costs: Samples) -> PairMarks:
    comparisons = np.concatenate([compared(times) for times in runs])
    first, second = np.triu_indices(len(costs), 1)
    truth = costs[second] - costs[first]
    return PairMarks(
        covered=np.array([[*map(_covers, setting, truth)] for setting in comparisons]),
        half_width=np.vectorize(_half_width, otypes=[float])(comparisons),
        wrong=np.array([any(map(_is_wrong, setting, truth)) for setting in comparisons]),
    )


def compared(times: Samples) -> NDArray[np.object_]:
    """Compare all pairs of (settings, rivals, launches, rounds); return (settings, pairs)."""
    effects = all_pairs(times)
    settings, pairs, launches = effects.effect.shape
    rows = Effects(
        effects.effect.reshape(-1, launches), effects.standard_error.reshape(-1, launches)
    )
    families = np.repeat(np.arange(settings), pairs).tolist()
    comparisons = np.empty(settings * pairs, dtype=object)
    comparisons[:] = verdicts.compare(rows, families=families)
    return comparisons.reshape(settings, pairs)


def _covers(comparison: Comparison, truth: float) -> float:
    known = np.isfinite(comparison.low) & np.isfinite(comparison.high)
    return float(comparison.low <= truth <= comparison.high) if known else np.nan


def _half_width(comparison: Comparison) -> float:
    return (comparison.high - comparison.low) / 2


def _is_wrong(comparison: Comparison, truth: float) -> bool:
    if comparison.verdict is Verdict.FASTER:
        return truth > -EQUAL
    return comparison.verdict is Verdict.SLOWER and truth < EQUAL


def fastest_sets(runs: Sequence[Samples]) -> NDArray[np.bool_]:
    """Rank each run by itself; return (settings, rivals), True where a rival is in the set."""
    rankings = [ranking for times in runs for ranking in rank(noise.measurements(times))]
    names = [f"rival{place}" for place in range(runs[0].shape[1])]
    return np.array([[name in each.not_shown_slower for name in names] for each in rankings])


@dataclass(frozen=True)
class Marks:
    """The marks of equal rivals, and True for graded ones in the fastest set: (settings, rivals).

    `launches` is the mean number of a graded rival.
    """

    equal: PairMarks
    fastest: NDArray[np.bool_]
    launches: float

    def beaten(self, rival: int) -> float:
        """Return the share of settings in which some rival was shown to beat this one."""
        return float((~self.fastest[:, rival]).mean())


def mark(
    scenario: Scenario, shape: Shape, runs: int, random: Generator, play: Play = all_launches
) -> Marks:
    """Mark `runs` runs of equal rivals and as many of graded ones."""
    equal: list[Samples] = []
    graded: list[Samples] = []
    for _ in range(runs):
        equal.append(play(noise.seconds(scenario, shape, np.zeros(shape.rivals), random)))
        graded.append(play(noise.seconds(scenario, shape, GRADES[: shape.rivals], random)))
    launches = float(np.isfinite(graded).any(-1).sum(-1).mean())
    return Marks(mark_pairs(equal, np.zeros(shape.rivals)), fastest_sets(graded), launches)


def pair_rows(plans: Sequence[tuple[int, Play]], seed: int, runs: int) -> Iterator[Row]:
    for launches, play in plans:
        for place, scenario in enumerate(SCENARIOS):
            random = np.random.default_rng([seed, launches, place])
            marks = mark(scenario, Shape(launches=launches), runs, random, play)
            played = f"{marks.launches:.1f}" if play is campaign else str(launches)
            equal = marks.equal
            yield (
                *(scenario.name, played, equal.covered.size),
                *(equal.coverage, equal.worst_coverage, float(equal.wrong.mean())),
                *(marks.beaten(1), marks.beaten(2), 1 - marks.beaten(0)),
            )


# Beside the shown best ---------------------------------------------------------------------------


def mark_rows(
    scenario: Scenario,
    costs: Samples,
    runs: int,
    random: Generator,
    plan: tuple[int, Play] = PLANS[1],
) -> dict[str, Samples]:
    """Rank `runs` runs of rivals of these log costs, and mark every setting by 0 or 1.

    `together`: the interval of every row holds. `alone`: the interval that each pair would have by
    itself does. `prices`: what every row costs over the best does. `cheap`: choosing the first is
    known to cost no more than a margin over the best; `wrongly`: and it costs more. `width` is that
    of each row, a ratio.
    """
    launches, play = plan
    shape, rankings = Shape(rivals=len(costs), launches=launches), list[Ranking]()
    for _ in range(runs):
        rankings += rank(noise.measurements(play(noise.seconds(scenario, shape, costs, random))))
    firsts = [ranking.rows[0] for ranking in rankings]
    held = [[_held(row, each.rows[0], costs) for row in each.rows] for each in rankings]
    together, alone, prices = np.array([np.all(rows, axis=0) for rows in held], float).T
    widths = [
        math.log(row.ratio.high / row.ratio.low) / 2 / row.half_width
        for ranking in rankings
        for row in ranking.rows[1:]
    ]
    cheap = np.array([first.cost_over_best.high <= 1 + RANK_MARGIN for first in firsts], float)
    dear = np.array([_price(first, costs) > 1 + RANK_MARGIN for first in firsts])
    of_settings = {"together": together, "alone": alone, "prices": prices, "cheap": cheap}
    return {**of_settings, "wrongly": cheap * dear, "width": np.array(widths)}


def _held(row: RankedCase, first: RankedCase, costs: Samples) -> tuple[bool, bool, bool]:
    """True where a row's interval, the pair's own, and its price hold what is true."""
    truth = costs[noise.rival(row.case.strategy)] - costs[noise.rival(first.case.strategy)]
    alone = row is first or bool(np.abs(np.log(row.ratio.value) - truth) <= row.half_width)
    return (
        row.ratio.low <= np.exp(truth) <= row.ratio.high,
        alone,
        row.cost_over_best.low <= _price(row, costs) <= row.cost_over_best.high,
    )


def _price(row: RankedCase, costs: Samples) -> float:
    """Return what a row truly costs over the best, as a ratio."""
    return float(np.exp(costs[noise.rival(row.case.strategy)] - costs.min()))


def together_rows(plans: Sequence[tuple[int, Play]], seed: int, runs: int) -> Iterator[Row]:
    """Mark so many equal and so many unequal rivals in every kind of noise, with each plan."""
    for rivals in RIVALS:
        for kind, costs in (("equal", np.zeros(rivals)), ("unequal", UNEQUAL[:rivals])):
            for launches, play in plans:
                by_scenario = []
                for place, scenario in enumerate(SCENARIOS):
                    random = np.random.default_rng([seed, place, rivals, launches])
                    plan = (launches, play)
                    by_scenario.append(mark_rows(scenario, costs, runs, random, plan))
                planned = f"to {launches}" if play is campaign else str(launches)
                yield f"{rivals} {kind} rivals", planned, *_cells(by_scenario)


def _cells(by_scenario: Sequence[Mapping[str, Samples]]) -> Row:
    together, alone, prices, cheap, wrongly = (
        [float(marks[kind].mean()) for marks in by_scenario]
        for kind in ("together", "alone", "prices", "cheap", "wrongly")
    )
    settings = sum(len(marks["together"]) for marks in by_scenario)
    means = [float(np.mean(shares)) for shares in (together, alone, prices, cheap, wrongly)]
    width = float(np.median(np.concatenate([marks["width"] for marks in by_scenario])))
    return settings, means[0], min(together), means[1], means[2], min(prices), *means[3:], width


# Rare loud rivals --------------------------------------------------------------------------------


def mark_rare(
    scenario: Scenario, shape: Shape, runs: int, random: Generator, play: Play = all_launches
) -> tuple[PairMarks, NDArray[np.bool_], float]:
    """Mark runs of equal rivals; return True for each pair with a loud one, (settings, pairs).

    Return the mean number of launches in settings without one, too.
    """
    loud, equal = noise.is_loud(scenario, shape), np.zeros(shape.rivals)
    first, second = np.triu_indices(shape.rivals, 1)
    times = [play(noise.seconds(scenario, shape, equal, random)) for _ in range(runs)]
    quiet = np.isfinite(np.array(times)[:, ~loud.any(-1)]).any(-1)
    launches = float(quiet.sum(-1).mean()) if quiet.size else math.nan
    return mark_pairs(times, equal), np.tile(loud[:, first] | loud[:, second], (runs, 1)), launches


def rare_rows(
    seed: int,
    settings: int,
    kinds: Sequence[tuple[Scenario, Shape]] = RARE_LOUD,
    play: Play = all_launches,
) -> Iterator[Row]:
    """Mark each kind of run until so many of its settings have a loud rival."""
    for place, (scenario, shape) in enumerate(kinds):
        loud = int(noise.is_loud(scenario, shape).any(-1).sum())
        runs = -(-settings // (loud or shape.settings))
        dice = np.random.default_rng([seed, place])
        marks, pairs, launches = mark_rare(scenario, shape, runs, dice, play)
        of_loud = pairs.any(-1)
        shares = (
            *(marks.covered[pairs], marks.wrong[of_loud]),
            *(marks.covered[~pairs], marks.wrong[~of_loud]),
        )
        means = [float(share.mean()) if share.size else None for share in shares]
        played = None if math.isnan(launches) else launches
        width = float(marks.half_width[~pairs].mean())
        yield scenario.name, int(of_loud.sum()), played, *means, width


# What is gained over settings --------------------------------------------------------------------


def gain_rows(seed: int, simulated: int) -> Iterator[Row]:
    """Mark gains over so many settings of a baseline that is 3 times as slow as equal rivals."""
    costs = np.log([3, 1, 1, 1, 1])
    for launch_sd in (0.01, 0.02, 0.04):
        for settings in (4, 12, 34):
            random = np.random.default_rng([seed, settings, round(1000 * launch_sd)])
            shape, gains = Shape(settings, len(costs), launches=3, rounds=20), []
            for _ in range(max(1, simulated // settings)):
                times = noise.seconds(Scenario("", launch_sd), shape, costs, random)
                written = recommend(rank(noise.measurements(times), relative_to=("rival0",)))
                assert written
                gains.append((written.gains[0].bound / 3 - 1, written.gains[0].typical / 3 - 1))
            holds = float((np.array(gains)[:, 0] <= 0).mean())
            yield f"{launch_sd:.0%}", settings, holds, *map(float, np.mean(gains, axis=0))


# One change of a model ---------------------------------------------------------------------------


def change_rows(seed: int, races: int) -> Iterator[Row]:
    for launch_sd in (0.01, 0.03, 0.1):
        for gain in (0.0, 0.05, 0.1, 0.3):
            random = np.random.default_rng([seed, round(1000 * launch_sd), round(1000 * gain)])
            marks = [mark_change(launch_sd, gain, random) for _ in range(races)]
            launches, changed, kept = map(float, np.mean(marks, axis=0))
            wrongly = None if gain else changed
            yield f"{launch_sd:.0%}", f"{gain:.0%}", races, launches, changed, wrongly, kept


def mark_change(launch_sd: float, gain: float, random: Generator) -> tuple[int, bool, bool]:
    """Race a model against one change; return the launches, and if it is changed, or kept."""
    costs, shape = np.array([0.0, -np.log1p(gain)]), Shape(1, 2, LOOKS[-1], rounds=12)
    written = noise.case(0, 0).strategy
    plan = Plan(by_gain, is_anchor=written.__eq__)
    played = campaign(noise.seconds(Scenario("", launch_sd), shape, costs, random), plan)
    (ranking,) = rank(noise.measurements(played), relative_to=(written,))
    row = ranking.row(noise.case(0, 1).strategy)
    assert row.speed_up
    outcome = Outcome(row.speed_up, launches=row.launches)
    return row.launches, outcome.is_faster, outcome.gains_little and not outcome.is_faster


@program(parser("ladder", __doc__))
def main(asked: argparse.Namespace) -> int:
    plans, runs = (PLANS[1:2], 1) if asked.quick else (PLANS, 24)
    wrong = PAIRS.show(pair_rows(plans, asked.seed, runs))
    write("")
    wrong |= TOGETHER.show(together_rows(plans, asked.seed, runs))
    write("")
    looking = () if asked.quick else rare_rows(asked.seed, 200, LOOKING_LOUD, campaign)
    rare = rare_rows(asked.seed, 120 if asked.quick else 800)
    wrong |= RARE.show(itertools.chain(rare, looking))
    write("")
    wrong |= GAINS.show(gain_rows(asked.seed, 340 if asked.quick else 4080))
    write("")
    return wrong | CHANGES.show(change_rows(asked.seed, 40 if asked.quick else 1000))


if __name__ == "__main__":
    sys.exit(main())
