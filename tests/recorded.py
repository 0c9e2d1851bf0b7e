"""Recordings for the tests of rules: simulated contests, and the signs that a rule finds."""

import numpy as np

from studies import noise
from tests.simulated import QUIET
from timelift.analyse.selftest.recording import Recording


def recorded(seconds, calls=1, setup=0.0):
    """The recording of contests (contests, rivals, launches, rounds), each first rival the base."""
    contests, rivals = seconds.shape[:2]
    rows = seconds.reshape(-1, *seconds.shape[2:])
    shape = rows.shape[:2]
    base = np.repeat(np.arange(contests) * rivals, rivals - 1)
    twins = base + np.tile(np.arange(1, rivals), contests)
    return Recording(
        seconds_per_call=rows,
        calls_per_sample=np.full(shape, float(calls)),
        setup_seconds=np.full(shape, setup),
        group=np.repeat(np.arange(contests), rivals),
        pairs=np.column_stack([base, twins]),
        truth=np.zeros(len(base)),
    )


def simulated(ratios, seed=0, scenario=QUIET, **shape):
    """Seconds per call of rivals so many times as slow as the first."""
    sizes = {"settings": 6, "launches": 8} | shape
    shaped = noise.Shape(rivals=len(ratios), **sizes)
    return noise.seconds(scenario, shaped, np.log(ratios), np.random.default_rng(seed))


def signs(rule, seconds):
    """The sign that a rule finds for every twin beside its base."""
    return rule.judge(recorded(seconds)).sign.tolist()
