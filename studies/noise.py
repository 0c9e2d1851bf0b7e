"""The simulator: noise as of shared machines, around times that are known.

Log seconds of a rival in a round are the sum of its own level, an effect of the launch on all
rivals and one on this rival, and an effect of the round on all rivals and one on this rival.
"""

import math
from array import array
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from timelift.analyse.results import Run, Samples
from timelift.axis_values import Phase, Status
from timelift.case import Case, Setting
from timelift.journal.lines import Header
from timelift.measurement import CaseInLaunch, Measurement

#: Seconds per call of a rival with effect 0.
LEVEL = 1e-3
#: How much launches differ for all rivals alike, as a sd of log seconds.
LAUNCH_LEVEL_SD = 0.08
#: The degrees of freedom of Student's t where tails are heavy.
HEAVY = 4.0


@dataclass(frozen=True)
class Scenario:
    """One kind of noise; every size is a log ratio, every chance that of one rival.

    `launch_sd` is that of what a launch does to the ratio of two rivals, Student t with `launch_df`
    degrees of freedom; between the last `loud` rivals it is `loud_sd`, in the first `loud_settings`
    or in all. What launches do is multiplied, setting by setting, by 1 / `unlike` to `unlike`. A
    mode moves a rival by
    `mode` up or down for a whole launch. `drift` is common to a round, `memory` the correlation of
    a rival's neighbouring rounds. A burst takes `burst` and more from a round. The clock ticks in
    steps of `tick`, as a share of `LEVEL`.
    """

    name: str
    launch_sd: float = 0.01
    round_sd: float = 0.06
    loud: int = 0
    loud_sd: float = 0.10
    loud_settings: int | None = None
    launch_df: float = HEAVY
    unlike: float = 1.0
    mode: float = 0.0
    mode_chance: float = 0.05
    drift: float = 0.0
    memory: float = 0.0
    burst: float = 0.0
    burst_chance: float = 0.08
    tick: float = 0.0


TWO_LOUD = Scenario("quiet rivals, two loud", loud=2)
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
    TWO_LOUD,
    Scenario("0.4 to 4 %, by setting", launch_sd=0.013, unlike=3.0),
    Scenario("by setting, one loud", launch_sd=0.013, unlike=3.0, loud=1, loud_sd=0.03),
)


@dataclass(frozen=True)
class Shape:
    """How much is simulated: a run of settings, each with rivals, launches and rounds."""

    settings: int = 40
    rivals: int = 5
    launches: int = 5
    rounds: int = 40


#: Noise with a loud rival, where nothing but launches varies, and where rounds do as above.
_BARE = Scenario("", loud=1, launch_df=math.inf, round_sd=0.002)
_UNLIKE, _USUAL = replace(_BARE, unlike=3.0), Scenario("", loud=1)
_FEW = Shape(settings=34, rivals=7, launches=3, rounds=6)
_FEW_USUAL = replace(_FEW, rounds=40)


def _rare(
    name: str, times: float, settings: int | None, base: Scenario = _BARE, shape: Shape = _FEW
) -> tuple[Scenario, Shape]:
    """Return a run whose loud rivals are so many times as loud, in some settings."""
    loud_sd = base.launch_sd * times
    return replace(base, name=name, loud_sd=loud_sd, loud_settings=settings), shape


#: Equal rivals, one of which is loud in few settings, in many, or in none; mostly three launches.
RARE_LOUD = (
    _rare("144 x 8 unlike, x 4 in 7", 4, 7, _UNLIKE, replace(_FEW, settings=144, rivals=8)),
    _rare("34 x 7 unlike, x 4 in 2", 4, 2, _UNLIKE),
    *(_rare(f"34 x 7, x {times} in 2", times, 2) for times in (2, 3, 4, 6, 8)),
    _rare("34 x 7, two x 4 in 2", 4, 2, replace(_BARE, loud=2)),
    _rare("34 x 4, x 4 in 2", 4, 2, shape=replace(_FEW, rivals=4)),
    _rare("34 x 7, x 4 in 12", 4, 12),
    _rare("34 x 7, x 4 in all", 4, None),
    *(_rare(f"Student's t, x {times} in 2", times, 2, _USUAL, _FEW_USUAL) for times in (4, 8)),
    _rare("34 x 7, none", 1, 0),
    _rare("34 x 7 unlike, none", 1, 0, _UNLIKE),
    _rare("Student's t, none", 1, 0, _USUAL, _FEW_USUAL),
    *(
        _rare(f"{launches} launches, x 4 in 2", 4, 2, shape=replace(_FEW, launches=launches))
        for launches in (5, 8)
    ),
)
#: The same where a run looks, and stops where a setting looks quiet.
LOOKING_LOUD = tuple(
    _rare(f"looking, x {times} in 2", times, 2, shape=replace(_FEW, launches=12))
    for times in (2, 4, 8)
)


def is_loud(scenario: Scenario, shape: Shape) -> NDArray[np.bool_]:
    """Return True where a rival is one of the loud ones, as (settings, rivals)."""
    settings, rivals = np.ogrid[: shape.settings, : shape.rivals]
    loud_settings = shape.settings if scenario.loud_settings is None else scenario.loud_settings
    return np.asarray((settings < loud_settings) & (rivals >= shape.rivals - scenario.loud))


def seconds(scenario: Scenario, shape: Shape, effects: Samples, random: Generator) -> Samples:
    """Simulate seconds per call as (settings, rivals, launches, rounds).

    `effects`, log seconds of the rivals beside `LEVEL`, is (rivals,) or (settings, rivals).
    """
    size = (shape.settings, shape.rivals, shape.launches, shape.rounds)
    launches = _launches(scenario, shape, random)
    if scenario.unlike > 1:
        launches *= scenario.unlike ** random.uniform(-1, 1, (shape.settings, 1, 1))
    logs = np.broadcast_to(effects, size[:2])[..., None] + launches
    times = LEVEL * np.exp(logs[..., None] + _rounds(scenario, size, random))
    tick = scenario.tick * LEVEL
    return np.maximum(np.round(times / tick), 1) * tick if tick else times


def in_sessions(times: Samples, sd: float, random: Generator) -> Samples:
    """Multiply every case, (settings, rivals, …), by an effect of its session, `sd` of its log."""
    return times * np.exp(random.normal(0.0, sd, (*times.shape[:2], 1, 1)))


def case(setting: int, place: int) -> Case:
    """Name a case by its place; settings differ by their length."""
    return Case(Setting("simulated", setting + 1, 1, Phase.FORWARD), f"rival{place}")


def rival(strategy: str) -> int:
    return int(strategy.removeprefix("rival"))


def run(times: Samples) -> Run:
    return Run(Header(), tuple(measurements(times)), complete=True)


def measurements(times: Samples) -> list[Measurement]:
    """Return simulated seconds as the measurements of a run; a launch of NaN was not played."""
    return [
        Measurement(
            case(setting, place),
            Status.MEASURED,
            tuple(
                CaseInLaunch(
                    case(setting, place), number, seconds_per_call=array("d", rounds.tobytes())
                )
                for number, rounds in enumerate(times[setting, place], 1)
                if np.isfinite(rounds).any()
            ),
        )
        for setting, place in np.ndindex(times.shape[:2])
    ]


def heavy_tailed(size: tuple[int, ...], random: Generator, df: float = HEAVY) -> Samples:
    """Draw Student t with `df` degrees of freedom, normal of infinitely many, of sd 1."""
    if math.isinf(df):
        return random.standard_normal(size)
    return np.asarray(random.standard_t(df, size) / (df / (df - 2)) ** 0.5)


def remembering(noise: Samples, memory: float) -> Samples:
    """Return noise of sd 1 whose neighbours along the last axis correlate by `memory`."""
    correlated = noise.copy()
    for place in range(1, correlated.shape[-1]):
        fresh = (1 - memory**2) ** 0.5 * noise[..., place]
        correlated[..., place] = memory * correlated[..., place - 1] + fresh
    return correlated


def _launches(scenario: Scenario, shape: Shape, random: Generator) -> Samples:
    """Return the effects of a launch on all rivals of a setting and on each."""
    size = (shape.settings, shape.rivals, shape.launches)
    loud = is_loud(scenario, shape)[..., None]
    spread = np.where(loud, scenario.loud_sd, scenario.launch_sd) / 2**0.5
    moved = random.choice([-1, 1], size) * (random.random(size) < scenario.mode_chance)
    level = random.normal(0, LAUNCH_LEVEL_SD, (shape.settings, 1, shape.launches))
    own = heavy_tailed(size, random, scenario.launch_df)
    return level + spread * own + scenario.mode * moved


def _rounds(scenario: Scenario, size: tuple[int, int, int, int], random: Generator) -> Samples:
    """Return the effects of a round on all rivals and on each."""
    settings, _, launches, rounds = size
    wander = random.normal(0, scenario.drift / rounds**0.5, (settings, 1, launches, rounds))
    stolen = random.random(size) < scenario.burst_chance
    bursts = scenario.burst * stolen * (1 + random.exponential(1.0, size))
    own = remembering(random.normal(size=size), scenario.memory)
    return np.asarray(wander.cumsum(-1) + bursts + scenario.round_sd * own)
