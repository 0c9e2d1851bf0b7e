"""Histories whose truth is known: what became slower on which night, amid the noise of runs."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from timelift.analyse.changes.levels import Levels
from timelift.analyse.runs.measurement import Samples
from timelift.analyse.stats.verdicts import GATE_MARGIN
from timelift.case import Case, Phase, Setting

#: How much one night differs from the next for all cases alike, as a sd of log seconds.
NIGHT_SD = 0.05
_T_DF = 4
_T_SD = 2**0.5
#: After the end of a slow-down it may be told, or not, for so many nights.
GRACE_NIGHTS = 14

Nights = NDArray[np.bool_]


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


def simulate(scenario: Scenario, shape: Shape, random: Generator) -> tuple[Levels, Truth]:
    """Simulate a history; the slower cases are the first rivals of the first settings."""
    cases = tuple(
        Case(Setting("simulated", setting + 1, 1, Phase.FORWARD), f"rival{rival}")
        for setting in range(shape.settings)
        for rival in range(shape.rivals)
    )
    size = (len(cases), shape.nights)
    grown = np.zeros(size)
    grown[: shape.slower * shape.rivals : shape.rivals] = _grown(scenario, shape.nights)
    common = random.normal(0, NIGHT_SD, shape.nights)
    own = random.uniform(-9, -6, (len(cases), 1))
    logs = own + common + grown + _machine(scenario, size, random) + _noise(scenario, size, random)
    return Levels(cases, logs, np.full(shape.nights, np.log(4e-5))), _truth(scenario, grown)


def _grown(scenario: Scenario, nights: int) -> Samples:
    """Give what a slower case is slower by, each night."""
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
    noise = random.standard_t(_T_DF, size) / _T_SD
    for night in range(1, size[1]):
        fresh = (1 - scenario.memory**2) ** 0.5 * noise[:, night]
        noise[:, night] = scenario.memory * noise[:, night - 1] + fresh
    spikes = random.random(size) < scenario.spikes
    return np.asarray(scenario.sd * noise + spikes * random.uniform(0.2, 0.6, size))
