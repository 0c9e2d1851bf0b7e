"""Simulated rivals for the tests of the statistics: a quiet machine, and whole runs on it."""

from dataclasses import replace

import numpy as np

from studies import noise
from timelift.analyse.effects import Effects
from timelift.analyse.estimates import Interval
from timelift.analyse.ranking import BASELINES, rank
from timelift.analyse.verdicts import Verdict
from timelift.axis_values import Phase
from timelift.case import Case, Setting

QUIET = noise.Scenario("quiet", launch_sd=0.004, round_sd=0.02)
LOUD = noise.Scenario("loud", launch_sd=0.1)
TD, LOOP = BASELINES[:2]


def plain(effect):
    effect = np.asarray(effect, dtype=float)
    return Effects(effect, np.full_like(effect, np.nan))


def pair(ratio, launches=5, scenario=QUIET, seed=0):
    """Samples (launches, rounds) of two rivals, the second `ratio` times as slow."""
    shape = noise.Shape(settings=1, rivals=2, launches=launches)
    return noise.seconds(scenario, shape, np.log([1, ratio]), np.random.default_rng(seed))[0]


def run(costs, launches=5, sizes=1, scenario=QUIET):
    """Measurements of rivals that cost so many times `noise.LEVEL`, in so many settings."""
    shape = noise.Shape(settings=sizes, rivals=len(costs), launches=launches)
    times = noise.seconds(scenario, shape, np.log(costs), np.random.default_rng(1))
    return noise.measurements(times)


def of_lengths(*lengths, phase=Phase.FORWARD, **axes):
    return [Setting("tokens", length, 4, phase, **axes) for length in lengths]


def raced(costs, settings=None, launches=5, seed=1):
    """Measurements of strategies by name, whose costs may differ from setting to setting.

    `costs` are lists with a value for each setting, or one value for all.
    """
    settings = settings or of_lengths(8)
    shape = noise.Shape(settings=len(settings), rivals=len(costs), launches=launches)
    effects = np.log([np.broadcast_to(one, len(settings)) for one in costs.values()]).T
    times = noise.seconds(QUIET, shape, effects, np.random.default_rng(seed))
    cases = [Case(setting, name) for setting in settings for name in costs]
    measured = zip(noise.measurements(times), cases, strict=True)
    return [replace(one, case=case) for one, case in measured]


def scaled(measurement, factor, only_launch=None):
    """The measurement with every sample, or those of one launch, times `factor`."""
    launches = tuple(
        replace(one, seconds_per_call=np.multiply(one.seconds_per_call, factor))
        if only_launch in (None, one.number)
        else one
        for one in measurement.launches
    )
    return replace(measurement, launches=launches)


def without_launches(measurement, *numbers):
    """The measurement as if it had sat some launches out."""
    kept = tuple(one for one in measurement.launches if one.number not in numbers)
    return replace(measurement, launches=kept)


def played_on(measurements, marks):
    """The measurements with the mark of a machine for each launch, '' beyond the last."""
    marked = dict(enumerate(marks, 1))
    return [
        replace(
            one,
            launches=tuple(replace(own, mark=marked.get(own.number, "")) for own in one.launches),
        )
        for one in measurements
    ]


def contest(*rows):
    """A ranking of one setting: three rivals with the most that each costs, and its best rank."""
    (ranking,) = rank(run([1, 1.01, 3]))
    changed = [
        replace(
            row,
            cost_over_best=Interval(row.ratio.value, 1.0, price),
            rank_low=rank_low,
            verdict=Verdict.UNDECIDED,
        )
        for row, (price, rank_low) in zip(ranking.rows, rows, strict=True)
    ]
    return replace(ranking, rows=tuple(changed))


class ScriptedClock:
    """A clock that moves when a player is called, and by `tick` whenever it is read."""

    def __init__(self, tick=0.0):
        self.now, self.tick = 100.0, tick

    def __call__(self):
        self.now += self.tick
        return self.now

    def takes(self, seconds):
        def call():
            self.now += seconds

        return call
