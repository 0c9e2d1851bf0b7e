"""Simulated questions that are measured until a width is reached: the third table of the ladder."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from studies import noise
from studies.noise import SCENARIOS, Scenario, Shape
from studies.scoreboard import Column, Row, Scoreboard
from timelift.analyse.runs.measurement import Samples
from timelift.analyse.stats.effects import Effects, all_pairs, fit_scores
from timelift.analyse.stats.estimates import estimate
from timelift.analyse.stats.families import rivals_in
from timelift.analyse.stats.stopping import WIDENING, WIDTH_LOOKS, by_width
from timelift.analyse.stats.verdicts import CONFIDENCE

#: How often a width is looked at.
MOST_WIDTH_LOOKS = 38
WIDTHS = Scoreboard(
    (
        Column("until", width=16),
        Column("launches", ".1f"),
        Column("questions", ","),
        Column("reached", ".1%"),
        Column("holds", ".1%", least=0.92),
        Column("worst noise", ".1%", least=0.85),
        Column("as wanted", ".1%"),
    ),
    f"""
launches      how many were played in the mean, of {WIDTH_LOOKS[MOST_WIDTH_LOOKS - 1]} at most:
              louder noise needs more
holds         of the ratios to the fastest, those whose truth is as near as the half-width that was
              reached; as wanted: as near as the one that was asked for, where that was reached
""",
)


@dataclass(frozen=True)
class WidthRule:
    """At which launches a width is looked at, and how much wider an interval counts."""

    looks: Sequence[int] = WIDTH_LOOKS[:MOST_WIDTH_LOOKS]
    widening: float = WIDENING


@dataclass(frozen=True)
class WidthMarks:
    """Of questions: how many `launches` they took, and whether the width was `reached`.

    Of their ratios to the fastest: whether the truth was `held`, and whether it was as near as was
    `wanted`, NaN where that was not reached.
    """

    launches: Samples
    reached: Samples
    held: Samples
    wanted: Samples


def mark_widths(  # noqa: PLR0913, PLR0917 - what is simulated, and the rule that is tried on it
    scenario: Scenario,
    rivals: int,
    wanted: float,
    questions: int,
    random: Generator,
    rule: WidthRule = WidthRule(),
) -> WidthMarks:
    """Ask so many questions of equal rivals, each a run by itself, until a width is reached."""
    shape = Shape(questions, rivals, rule.looks[-1])
    effects = all_pairs(noise.seconds(scenario, shape, np.zeros(rivals), random))
    found = [
        _until(Effects(*one), wanted, rule)
        for one in zip(effects.effect, effects.standard_error, strict=True)
    ]
    launches, reached, held, near = zip(*found, strict=True)
    return WidthMarks(
        np.array(launches, float),
        np.array(reached, float),
        np.concatenate(held),
        np.concatenate(near),
    )


def _until(
    effects: Effects, wanted: float, rule: WidthRule
) -> tuple[int, bool, NDArray[np.bool_], Samples]:
    """Look at one question as often as the rule does; return what `WidthMarks` is about."""
    families = np.zeros(len(effects.effect), int)
    rivals, ends = int(rivals_in(families)[0]), by_width(wanted, rule.widening)
    pairs = np.transpose(np.triu_indices(rivals, 1))
    for launches in rule.looks:
        seen = Effects(effects.effect[:, :launches], effects.standard_error[:, :launches])
        found = estimate(seen, families)
        fastest = int(np.argmin(fit_scores(found.effect, found.launches.astype(float), rivals)))
        mine = (pairs == fastest).any(1)
        reached = bool(ends(found, families, found.effect)[mine].all())
        if reached:
            break
    half_width = rule.widening * found.half_width((1 - CONFIDENCE) / 2)[mine]
    error = np.abs(found.effect[mine])
    near = np.where(reached, error <= math.log1p(wanted), np.nan)
    return launches, reached, error <= half_width, near


def width_rows(widths: Sequence[float], seed: int, questions: int) -> Iterator[Row]:
    for rivals in (2, 3, 4):
        for wanted in widths:
            found = [
                mark_widths(
                    scenario,
                    rivals,
                    wanted,
                    questions,
                    np.random.default_rng([seed, place, rivals]),
                )
                for place, scenario in enumerate(SCENARIOS)
            ]
            held = [float(one.held.mean()) for one in found]
            yield (
                f"{wanted:.1%}, {rivals} rivals",
                float(np.mean([one.launches.mean() for one in found])),
                questions * len(found),
                float(np.mean([one.reached.mean() for one in found])),
                *(float(np.mean(held)), min(held)),
                float(np.nanmean(np.concatenate([one.wanted for one in found]))),
            )
