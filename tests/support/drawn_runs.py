"""Runs that hypothesis draws."""

import itertools

import numpy as np
from hypothesis import strategies as st

from studies import noise
from timelift.analyse.results import Run
from timelift.axis_values import Phase, Status
from timelift.case import Case, Setting
from timelift.journal.lines import Header, Planted, StrategyEntry
from timelift.measurement import CaseInLaunch, Measurement

NAMES = tuple("abcdef")
LOOK_ALIKE = StrategyEntry(differs="it computes something else")


TWIN = StrategyEntry(planted=Planted(of="a", slower=0.0))
#: What a rival costs over another, so that some tie and some cross.
COSTS = (0.0, 0.0, 0.005, 0.02, 0.05, 0.3, 1.0)
NOISES = (noise.SCENARIOS[0], noise.SCENARIOS[2], noise.SCENARIOS[4], noise.TWO_LOUD)


@st.composite
def runs(draw):
    """A run of some workloads, in which rivals tie, are no lifts, stop early or have no result."""
    count, launches = draw(st.integers(2, 6)), draw(st.integers(1, 5))
    places = [
        Setting(workload, length, 1, Phase.FORWARD)
        for workload in NAMES[: draw(st.integers(1, 2))]
        for length in range(8, 8 + draw(st.integers(1, 3)))
    ]
    costs = st.lists(st.sampled_from(COSTS), min_size=count, max_size=count)
    shape = noise.Shape(len(places), count, launches, rounds=4)
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    effects = np.array([draw(costs) for _ in places])
    times = noise.seconds(draw(st.sampled_from(NOISES)), shape, effects, random)
    if draw(st.booleans()):
        times[:, 1] = times[:, 0]
    ends = st.sampled_from(["measured"] * 6 + ["short", "crashed", "refused"])
    measured = [
        ended(Case(setting, NAMES[rival]), times[place, rival], draw(ends))
        for (place, setting), rival in itertools.product(enumerate(places), range(count))
    ]
    kinds = st.sampled_from([None, None, None, LOOK_ALIKE, TWIN])
    declared = {name: kind for name in NAMES[1:count] if (kind := draw(kinds))}
    return Run(Header(strategies=declared), tuple(measured), complete=True)


def ended(case, times, how):
    """A case with all its launches, with one, with none, or crashed after the first."""
    launches = [
        CaseInLaunch(case, number, seconds_per_call=rounds)
        for number, rounds in enumerate(times, 1)
    ]
    kept = {"measured": len(launches), "short": 1, "crashed": 1, "refused": 0}[how]
    status = {"crashed": Status.CRASHED, "refused": Status.REFUSED}.get(how, Status.MEASURED)
    return Measurement(case, status, tuple(launches[:kept]), "")
