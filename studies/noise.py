"""Simulated noise: scenarios that a shared machine is known for, with the truth known.

Log seconds of a rival in a round are its own level, what the launch does to all rivals, what the
launch does to this rival, what the moment does to all, and what the moment does to this rival.
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from timelift.analyse.runs.measurement import Launch, Measurement, Samples
from timelift.case import Case, Phase, Setting, Status

#: Seconds per call of a rival with effect 0.
LEVEL = 1e-3
#: How much launches differ for all rivals alike, as a sd of log seconds.
LAUNCH_LEVEL_SD = 0.08
_T_DF = 4
_T_SD = 2**0.5


@dataclass(frozen=True)
class Scenario:
    """One kind of noise; every size is a log ratio, every chance that of one rival.

    `launch_sd` is that of what a launch does to the ratio of two rivals, Student t with four
    degrees of freedom; between the last `loud` rivals it is `loud_sd`. A mode moves a rival by
    `mode` up or down for a whole launch. `drift` is common to a round, `memory` the correlation of
    a rival's neighbouring rounds. A burst takes `burst` and more from a round. The clock ticks in
    steps of `tick`, as a share of `LEVEL`.
    """

    name: str
    launch_sd: float = 0.01
    round_sd: float = 0.06
    loud: int = 0
    loud_sd: float = 0.10
    mode: float = 0.0
    mode_chance: float = 0.05
    drift: float = 0.0
    memory: float = 0.0
    burst: float = 0.0
    burst_chance: float = 0.08
    tick: float = 0.0


SCENARIOS = (
    Scenario("launch effects of 0.5 %", launch_sd=0.005),
    Scenario("launch effects of 1 %", launch_sd=0.01),
    Scenario("launch effects of 2 %", launch_sd=0.02),
    Scenario("launch effects of 3 %", launch_sd=0.03),
    Scenario("launch effects of 10 %", launch_sd=0.10),
    Scenario("launch modes of 10 %", mode=0.10),
    Scenario("launch modes of 20 %", mode=0.20),
    Scenario("drift common to a round", drift=0.30),
    Scenario("rounds that remember 0.8", memory=0.8),
    Scenario("bursts of stolen time", burst=0.5),
    Scenario("a clock ticking at 1 %", tick=0.01, round_sd=0.01),
    Scenario("quiet rivals, two loud", loud=2),
)


@dataclass(frozen=True)
class Shape:
    """How much is simulated: a run of settings, each with rivals, launches and rounds."""

    settings: int = 40
    rivals: int = 5
    launches: int = 5
    rounds: int = 40


def seconds(scenario: Scenario, shape: Shape, effects: Samples, random: Generator) -> Samples:
    """Simulate seconds per call as (settings, rivals, launches, rounds).

    `effects`, log seconds of the rivals beside `LEVEL`, is (rivals,) or (settings, rivals).
    """
    size = (shape.settings, shape.rivals, shape.launches, shape.rounds)
    logs = np.broadcast_to(effects, size[:2])[..., None] + _launches(scenario, size[:3], random)
    times = LEVEL * np.exp(logs[..., None] + _rounds(scenario, size, random))
    tick = scenario.tick * LEVEL
    return np.maximum(np.round(times / tick), 1) * tick if tick else times


def measurements(times: Samples) -> list[Measurement]:
    """Dress simulated seconds up as the measurements of a run; a launch of NaN was not played."""
    return [
        Measurement(
            Case(Setting("simulated", setting + 1, 1, Phase.FORWARD), f"rival{rival}"),
            Status.MEASURED,
            tuple(
                Launch(number + 1, rounds)
                for number, rounds in enumerate(times[setting, rival])
                if np.isfinite(rounds).any()
            ),
        )
        for setting, rival in np.ndindex(times.shape[:2])
    ]


def _launches(scenario: Scenario, size: tuple[int, int, int], random: Generator) -> Samples:
    """Give what a launch does to all rivals of a setting and to each."""
    settings, rivals, launches = size
    loud = np.arange(rivals)[:, None] >= rivals - scenario.loud
    spread = np.where(loud, scenario.loud_sd, scenario.launch_sd) / _T_SD / 2**0.5
    moved = random.choice([-1, 1], size) * (random.random(size) < scenario.mode_chance)
    level = random.normal(0, LAUNCH_LEVEL_SD, (settings, 1, launches))
    return level + spread * random.standard_t(_T_DF, size) + scenario.mode * moved


def _rounds(scenario: Scenario, size: tuple[int, int, int, int], random: Generator) -> Samples:
    """Give what a round does to all rivals and to each."""
    settings, _, launches, rounds = size
    wander = random.normal(0, scenario.drift / rounds**0.5, (settings, 1, launches, rounds))
    stolen = random.random(size) < scenario.burst_chance
    bursts = scenario.burst * stolen * (1 + random.exponential(1.0, size))
    return wander.cumsum(-1) + bursts + scenario.round_sd * _remembering(scenario, size, random)


def _remembering(scenario: Scenario, size: tuple[int, int, int, int], random: Generator) -> Samples:
    """Give standard normal noise whose neighbours along the rounds correlate by `memory`."""
    noise = random.normal(size=size)
    for place in range(1, size[-1]):
        fresh = (1 - scenario.memory**2) ** 0.5 * noise[..., place]
        noise[..., place] = scenario.memory * noise[..., place - 1] + fresh
    return noise
